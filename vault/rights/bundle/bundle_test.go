package bundle_test

import (
	"archive/zip"
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/audit/tree"
	"github.com/fieldvault/fieldvault/vault/rights"
	"github.com/fieldvault/fieldvault/vault/rights/bundle"
)

var writeVector = flag.Bool("write-vector", false, "write the golden bundle, if it is missing")

// The golden bundles: the first has receipts of the type v1, which are not made any more.
const (
	goldenFormer = "testdata/v1.zip"
	golden       = "testdata/v1-receipt-v2.zip"
)

var (
	when  = time.Date(2026, 11, 2, 9, 30, 0, 123456000, time.UTC)
	erase = uuid.UUID{0xe1}
	ended = uuid.UUID{0xe2}
)

func signer(t testing.TB, b byte) *evidence.Signer {
	t.Helper()
	s, err := evidence.NewSigner(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t testing.TB, s *evidence.Signer, d evidence.Document) []byte {
	t.Helper()
	b, err := s.Sign(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// place proves that a log of two holds an event.
func place(t testing.TB, s *evidence.Signer, event uuid.UUID) evidence.Inclusion {
	t.Helper()
	e := audit.Event{ID: event, Tenant: "default", Time: when, Actor: "local:test", Action: "erase", Outcome: audit.Allowed}
	leaf, err := e.AppendLeaf(nil)
	if err != nil {
		t.Fatal(err)
	}
	other := tree.LeafHash([]byte("another"))
	var all tree.Range
	all.Append(other, nil)
	all.Append(tree.LeafHash(leaf), nil)
	checkpoint, err := tree.Checkpoint{Origin: "log.example.org/default", Size: 2, Root: all.Root()}.Sign(s.Public(), s.SignNote)
	if err != nil {
		t.Fatal(err)
	}
	return evidence.NewInclusion(1, leaf, []tree.Hash{other}, checkpoint)
}

func certificate(t testing.TB, s *evidence.Signer, tenant string) []byte {
	t.Helper()
	b, err := evidence.Attach(sign(t, s, &evidence.Certificate{
		ID: uuid.UUID{1}, Tenant: tenant, Fence: strings.Repeat("0f", 32), Generation: 1, Scope: evidence.WholePerson,
		ErasedAt: when, ErasedBy: "local:test", Event: erase, IssuedAt: when,
		Guarantees: []evidence.Guarantee{{Text: "The keys are destroyed.", Kind: evidence.Cryptographic}},
	}), place(t, s, erase))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func receipt(t testing.TB, s *evidence.Signer) []byte {
	t.Helper()
	return sign(t, s, &evidence.Receipt{
		Header: evidence.Header{ReceiptID: uuid.UUID{4}, RecordID: uuid.UUID{2}, PrincipalID: "c-17", Tenant: "default"},
		Processing: evidence.Processing{
			Notice: evidence.Notice{Version: "1", Hash: evidence.HashNotice([]byte("We write to you."))}, Language: "en",
			Purposes: []evidence.Purpose{{
				Purpose: "marketing", Title: "News", Description: "We write to you.", LawfulBasis: accessctl.BasisConsent,
				Controllers: []string{"us"}, StorageLocations: []string{"EU"}, RetentionPeriod: "P2Y", Jurisdiction: "EU",
				WithdrawalMethod: "a switch", PrivacyRights: "a page",
			}},
		},
		Parties:    []evidence.Party{{ID: "us", Name: "The shop", Address: "1 Example Street", Contact: "privacy@example.org", Type: "controller"}},
		Events:     []evidence.Decision{{Time: when, Entity: "local:test", Type: "explicit", Method: "portal", State: "granted"}},
		AuditEvent: uuid.UUID{3}, IssuedAt: when,
	})
}

// contents are those of a finished request.
func contents(t testing.TB) bundle.Contents {
	t.Helper()
	rules, s := rights.Default(rights.GDPR), signer(t, 1)
	r, err := rights.Apply(rights.Request{}, rights.Step{Do: rights.File, ID: uuid.UUID{9}, Kind: rights.Erasure, SignedIn: true}, rules, rights.Calendar{}, when)
	if err != nil {
		t.Fatal(err)
	}
	if r, err = rights.Apply(r, rights.Step{Do: rights.Complete}, rules, rights.Calendar{}, when.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	at := place(t, s, ended)
	return bundle.Contents{
		Tenant: "default", Request: r, IssuedAt: when.Add(2 * time.Hour),
		Steps:       []bundle.Happened{{Step: rights.File, At: r.Filed, Event: uuid.UUID{0xe0}}, {Step: rights.Complete, At: r.Ended, Event: ended}},
		Certificate: certificate(t, s, "default"), Receipts: [][]byte{receipt(t, s), receipt(t, s)},
		Export: []byte(`{"email":"a@example.org"}`), Answer: "All is erased.\n", Place: &at,
	}
}

func pack(t testing.TB, c bundle.Contents) []byte {
	t.Helper()
	b, err := bundle.Pack(c, signer(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestABundleVerifies(t *testing.T) {
	c := contents(t)
	b := pack(t, c)
	if !bytes.Equal(b, pack(t, c)) {
		t.Error("two bundles of one request differ")
	}
	r, err := bundle.Verify(b, signer(t, 1).Public())
	if err != nil {
		t.Fatal(err)
	}
	if r.Request != c.Request || !cmp.Equal(r.Steps, c.Steps) {
		t.Errorf("%+v", r)
	}
	want := []bundle.Signed{
		{File: "certificate.json", Logged: true, Log: "log.example.org/default", Index: 1},
		{File: "manifest.json", Logged: true, Log: "log.example.org/default", Index: 1},
		{File: "receipts/001.json"},
		{File: "receipts/002.json"},
	}
	if diff := cmp.Diff(want, r.Signed); diff != "" {
		t.Error(diff)
	}
	c.Certificate, c.Receipts, c.Export, c.Answer, c.Place = nil, nil, nil, "", nil
	if r, err = bundle.Verify(pack(t, c), signer(t, 1).Public()); err != nil || len(r.Signed) != 1 || len(r.Manifest.Files) != 2 {
		t.Errorf("the least bundle: %+v, %v", r, err)
	}
}

// TestGolden: a bundle that was made once verifies for ever, and is still made so.
func TestGolden(t *testing.T) {
	b := pack(t, contents(t))
	old, err := os.ReadFile(golden)
	if errors.Is(err, os.ErrNotExist) && *writeVector {
		if err := os.WriteFile(golden, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	former, err := os.ReadFile(goldenFormer)
	if err != nil {
		t.Fatal(err)
	}
	for _, made := range [][]byte{former, old} {
		if _, err := bundle.Verify(made, signer(t, 1).Public()); err != nil {
			t.Error(err)
		}
	}
	if !bytes.Equal(old, b) {
		t.Error("the form has changed")
	}
}

// TestEveryByteCounts flips a bit of each byte of a bundle, and cuts it here and there.
func TestEveryByteCounts(t *testing.T) {
	c := contents(t)
	c.Receipts = nil
	b, pub := pack(t, c), signer(t, 1).Public()
	for i := range b {
		changed := bytes.Clone(b)
		changed[i] ^= 1 << (i % 8)
		if _, err := bundle.Verify(changed, pub); !errors.Is(err, bundle.ErrBundle) {
			t.Fatalf("bit %d of byte %d of %d flipped (0x%x): %v", i%8, i, len(b), b[i], err)
		}
		if _, err := bundle.Verify(b[:i], pub); i%50 == 0 && !errors.Is(err, bundle.ErrBundle) {
			t.Fatalf("cut at %d of %d: %v", i, len(b), err)
		}
	}
	for _, more := range []string{"\x00", "PK", string(b)} {
		if _, err := bundle.Verify(append(bytes.Clone(b), more...), pub); !errors.Is(err, bundle.ErrBundle) {
			t.Errorf("%.2q after it: %v", more, err)
		}
		if _, err := bundle.Verify(append([]byte(more), b...), pub); !errors.Is(err, bundle.ErrBundle) {
			t.Errorf("%.2q before it: %v", more, err)
		}
	}
}

// repacked takes a bundle apart, lets edit change its files, and packs it with a plain
// ZIP writer.
func repacked(t *testing.T, b []byte, method uint16, edit func(map[string]string)) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	var names []string
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(text)
		names = append(names, f.Name)
	}
	edit(files)
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range append(names, "surplus.txt") {
		text, ok := files[name]
		if !ok {
			continue
		}
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestVerifyNamesWhatIsWrong: the first thing, by file.
func TestVerifyNamesWhatIsWrong(t *testing.T) {
	good := pack(t, contents(t))
	files := func(edit func(map[string]string)) []byte { return repacked(t, good, zip.Store, edit) }
	other := func(edit func(*bundle.Contents)) []byte {
		c := contents(t)
		edit(&c)
		return pack(t, c)
	}
	wrongPlace := place(t, signer(t, 1), erase)
	for _, tt := range []struct {
		name string
		b    []byte
		want string
	}{
		{"nothing", nil, "the archive: it is not a ZIP archive, or is cut short"},
		{"something else", []byte("hello"), "the archive: it is not a ZIP archive, or is cut short"},
		{"no manifest", files(func(m map[string]string) { delete(m, "manifest.json") }), "manifest.json: it is missing"},
		{"no certificate", files(func(m map[string]string) { delete(m, "certificate.json") }), "certificate.json: it is missing"},
		{"no request", files(func(m map[string]string) { delete(m, "request.json") }), "request.json: it is missing"},
		{"one more", files(func(m map[string]string) { m["surplus.txt"] = "" }), "surplus.txt: it was added"},
		{"another answer", files(func(m map[string]string) { m["answer.txt"] = "No." }), "answer.txt: it was changed"},
		{"another manifest", files(func(m map[string]string) {
			m["manifest.json"] = strings.Replace(m["manifest.json"], "default", "another", 1)
		}), "manifest.json: its signature does not hold: it was changed"},
		{"no signature", files(func(m map[string]string) { m["manifest.json"] = "{}" }), "manifest.json: it is not a signed document of its kind"},
		{"packed anew", files(func(map[string]string) {}), "the archive: its files are genuine, but it was packed anew, or something was hidden in it"},
		{"compressed", repacked(t, good, zip.Deflate, func(map[string]string) {}), "README.txt: it is not stored as it is"},
		{"another's certificate", other(func(c *bundle.Contents) { c.Certificate = certificate(t, signer(t, 2), "default") }), "certificate.json: it is signed with another key"},
		{"another tenant's", other(func(c *bundle.Contents) { c.Certificate = certificate(t, signer(t, 1), "another") }), "certificate.json: it is of another tenant than the manifest"},
		{"a receipt as certificate", other(func(c *bundle.Contents) { c.Certificate = c.Receipts[0] }), "certificate.json: it is not a signed document of its kind"},
		{"a receipt that was changed", other(func(c *bundle.Contents) {
			c.Receipts[1] = bytes.Replace(c.Receipts[1], []byte(`state":"granted"`), []byte(`state":"refused"`), 1)
		}), "receipts/002.json: its signature does not hold: it was changed"},
		{"the place of another event", other(func(c *bundle.Contents) { c.Place = &wrongPlace }), "manifest.json: the proof that the audit log holds its event does not hold"},
	} {
		r, err := bundle.Verify(tt.b, signer(t, 1).Public())
		if !errors.Is(err, bundle.ErrBundle) || err.Error() != "bundle: "+tt.want || r != nil {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
	_, err := bundle.Verify(good, signer(t, 2).Public())
	if !errors.Is(err, evidence.ErrOtherKey) {
		t.Errorf("with another key: %v", err)
	}
}

func TestPackRefuses(t *testing.T) {
	for name, edit := range map[string]func(*bundle.Contents){
		"not ended":         func(c *bundle.Contents) { c.Request.State = rights.Open },
		"no end":            func(c *bundle.Contents) { c.Request.Ended = time.Time{} },
		"no steps":          func(c *bundle.Contents) { c.Steps = nil },
		"too many receipts": func(c *bundle.Contents) { c.Receipts = make([][]byte, bundle.MaxReceipts+1) },
	} {
		c := contents(t)
		edit(&c)
		if _, err := bundle.Pack(c, signer(t, 1)); !errors.Is(err, bundle.ErrContents) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := contents(t)
	c.Tenant = ""
	if _, err := bundle.Pack(c, signer(t, 1)); !errors.Is(err, evidence.ErrDocument) {
		t.Errorf("no tenant: %v", err)
	}
}

// TestOrderAndTimes: as the package comment says.
func TestOrderAndTimes(t *testing.T) {
	b := pack(t, contents(t))
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
		if got := f.Modified.UTC().Format(time.DateTime); got != "2026-11-02 10:30:00" {
			t.Errorf("%s: %s", f.Name, got)
		}
	}
	const want = "README.txt answer.txt certificate.json export.json manifest.json receipts/001.json receipts/002.json request.json"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if magic := hex.EncodeToString(b[:6]); magic != "504b03041400" {
		t.Errorf("begins with %s", magic)
	}
}
