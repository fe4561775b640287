package evidence_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit/evidence"
)

func manifest() *evidence.Manifest {
	return &evidence.Manifest{
		Request: uuid.MustParse("01932b5e-7c00-7000-8000-0000000000e1"), Tenant: "default",
		Files: []evidence.File{evidence.NewFile("README.txt", []byte("read me\n")), evidence.NewFile("receipts/1.json", nil), evidence.NewFile("request.json", []byte("{}"))},
		Event: uuid.MustParse("01932b5e-7c00-7000-8000-000000000002"), IssuedAt: when,
	}
}

func TestManifest(t *testing.T) {
	want := manifest()
	b := sign(t, want)
	got, in, err := evidence.OpenManifest(b, signer(t).Public())
	if err != nil || in != nil {
		t.Fatal(in, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, _, err := evidence.OpenReceipt(b, signer(t).Public()); !errors.Is(err, evidence.ErrDocument) {
		t.Errorf("a manifest as a receipt: %v", err)
	}
	if empty := want.Files[1].SHA256; empty != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" { // FIPS 180-4's of nothing
		t.Errorf("the hash of nothing: %s", empty)
	}
}

func TestManifestRefuses(t *testing.T) {
	for name, edit := range map[string]func(*evidence.Manifest){
		"no request":    func(m *evidence.Manifest) { m.Request = uuid.Nil },
		"no tenant":     func(m *evidence.Manifest) { m.Tenant = "" },
		"no event":      func(m *evidence.Manifest) { m.Event = uuid.Nil },
		"no files":      func(m *evidence.Manifest) { m.Files = nil },
		"not sorted":    func(m *evidence.Manifest) { m.Files[0], m.Files[1] = m.Files[1], m.Files[0] },
		"twice":         func(m *evidence.Manifest) { m.Files[1] = m.Files[0] },
		"no hash":       func(m *evidence.Manifest) { m.Files[0].SHA256 = "" },
		"upper case":    func(m *evidence.Manifest) { m.Files[0].SHA256 = strings.ToUpper(m.Files[0].SHA256) },
		"no name":       func(m *evidence.Manifest) { m.Files[0].Name = "" },
		"up":            func(m *evidence.Manifest) { m.Files[0].Name = "../README.txt" },
		"root":          func(m *evidence.Manifest) { m.Files[0].Name = "/README.txt" },
		"backslash":     func(m *evidence.Manifest) { m.Files[0].Name = `A\README.txt` },
		"a folder":      func(m *evidence.Manifest) { m.Files[0].Name = "A/" },
		"a drive":       func(m *evidence.Manifest) { m.Files[0].Name = "C:README.txt" },
		"hidden":        func(m *evidence.Manifest) { m.Files[0].Name = "A/.README" },
		"a long name":   func(m *evidence.Manifest) { m.Files[0].Name = strings.Repeat("A", 256) },
		"no issue time": func(m *evidence.Manifest) { m.IssuedAt = m.IssuedAt.Add(1) },
	} {
		m := manifest()
		edit(m)
		if _, err := signer(t).Sign(m); !errors.Is(err, evidence.ErrDocument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
