package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/audit/evidence"
)

func TestRequestVerify(t *testing.T) {
	const golden = "../../vault/rights/bundle/testdata/v1.zip"
	key := func(b byte) string {
		s, err := evidence.NewSigner(bytes.Repeat([]byte{b}, 32))
		if err != nil {
			t.Fatal(err)
		}
		return evidence.FormatKey(s.Public())
	}
	good, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(t.TempDir(), "changed.zip")
	if err := os.WriteFile(changed, bytes.Replace(good, []byte("All is erased"), []byte("Nothing is so"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{golden + " --key " + key(1), 0, "is done since 2026-11-02", ""},
		{golden + " --json --key " + key(1), 0, `"valid":true`, ""},
		{golden + " --key " + key(2), 1, "", "manifest.json: it is signed with another key"},
		{changed + " --key " + key(1), 1, "", "answer.txt"},
		{golden + " --key nonsense", 1, "", "ed25519:"},
		{"nowhere.zip --key " + key(1), 1, "", "reading the bundle"},
		{golden, 2, "", "--key is required"},
	} {
		var stdout, stderr bytes.Buffer
		args := append([]string{"request", "verify"}, strings.Fields(tt.args)...)
		code := run(t.Context(), world{args: args, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr})
		if code != tt.code || !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
			t.Errorf("%s: code %d, want %d\n%s\n%s", tt.args, code, tt.code, stdout.String(), stderr.String())
		}
	}
}
