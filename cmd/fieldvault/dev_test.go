package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

func dev0(t *testing.T, args ...string) *server {
	t.Helper()
	return start(t, nil, append([]string{"dev", "--addr", "127.0.0.1:0"}, args...)...)
}

// The line is a contract that scripts rely on.
func TestDevPrintsOneLineOnceReady(t *testing.T) {
	t.Setenv("TMPDIR", vaulttest.Folder(t))
	s := dev0(t)
	var object map[string]json.RawMessage
	if err := json.Unmarshal(s.line, &object); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"console_url", "dir", "metrics_url", "portal_link", "portal_url", "tokens", "url"}, slices.Sorted(maps.Keys(object))); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	roles := []string{"analyst", "app", "billing", "dpo", "marketing", "operator", "subject", "support"}
	if diff := cmp.Diff(roles, slices.Sorted(maps.Keys(s.Tokens))); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
	if status, body := s.do(t, http.MethodGet, s.URL+"/readyz", "", "", ""); status != http.StatusOK {
		t.Errorf("readyz: %d %s", status, body)
	}
	if status, body := s.email(t, s.Tokens["billing"], "c-1"); status != http.StatusOK || !strings.Contains(body, "luisg@embraer.com.br") {
		t.Errorf("billing: %d %s", status, body)
	}
	own := s.URL + "/v1/subjects/c-17/records/customer/self?fields=email"
	if status, body := s.do(t, http.MethodGet, own, s.Tokens["subject"], "self", ""); status != http.StatusOK || !strings.Contains(body, "plain") {
		t.Errorf("customer 17: %d %s", status, body)
	}
	if status, _ := s.do(t, http.MethodGet, s.Metrics, "", "", ""); status != http.StatusOK {
		t.Errorf("metrics: %d", status)
	}
	if info, err := os.Stat(s.Dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v %v", info, err)
	}
	files, err := filepath.Glob(filepath.Join(s.Dir, "*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files (%v)", len(files), err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may read %s (%v)", f, err)
		}
	}
	s.end(t)
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) != 0 {
		t.Errorf("%d files are left behind (%v)", len(left), err)
	}
	if said := s.stderr.String(); said != "" {
		t.Errorf("it said: %s", said)
	}
}

// With --dir what was changed stays changed, who was erased stays erased, and
// tokens stay good.
func TestDevKeepsItsFolder(t *testing.T) {
	dir := filepath.Join(vaulttest.Folder(t), "data")
	s := dev0(t, "--dir", dir)
	tokens := s.Tokens
	const fields = `{"fields":{"email":"changed@example.org"}}`
	if status, body := s.do(t, http.MethodPatch, s.URL+"/v1/subjects/c-2/records/customer/self", tokens["app"], "", fields); status != http.StatusOK {
		t.Fatalf("patch: %d %s", status, body)
	}
	if status, body := s.do(t, http.MethodPost, s.URL+"/v1/subjects/c-1/erasure", tokens["dpo"], "", `{"reason":"asked for it"}`); status != http.StatusOK {
		t.Fatalf("erasure: %d %s", status, body)
	}
	if status, body := s.do(t, http.MethodDelete, s.URL+"/v1/subjects/c-3/records/customer/self", tokens["app"], "", ""); status != http.StatusNoContent {
		t.Fatalf("delete: %d %s", status, body)
	}
	s.end(t)

	// A day passes: that a row was imported before is not known by its key any more.
	db, err := sql.Open("sqlite", filepath.Join(dir, "fieldvault.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "DELETE FROM effect"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	s = dev0(t, "--dir", dir)
	if status, body := s.email(t, tokens["billing"], "c-1"); status != http.StatusGone {
		t.Errorf("who was erased: %d %s", status, body)
	}
	if status, body := s.email(t, tokens["billing"], "c-2"); status != http.StatusOK || !strings.Contains(body, "changed@example.org") || !strings.Contains(body, `"revision":2,`) {
		t.Errorf("what was changed: %d %s", status, body)
	}
	if status, body := s.email(t, tokens["billing"], "c-3"); status != http.StatusNotFound {
		t.Errorf("what was deleted: %d %s", status, body)
	}
	if status, body := s.email(t, s.Tokens["billing"], "c-59"); status != http.StatusOK {
		t.Errorf("the others: %d %s", status, body)
	}
	s.end(t)
}

// A catalog and policy that somebody applied are not replaced by the sample's.
func TestDevKeepsAnotherCatalog(t *testing.T) {
	dir := vaulttest.Folder(t)
	dev0(t, "--dir", dir, "--no-sample").end(t)
	catalog := filepath.Join(dir, "catalog.yaml")
	write(t, catalog, []byte(`
title: Mine
purposes:
  billing: {title: Billing, text: To bill, benefit: Bills, basis: contract}
collections:
  customer:
    title: Customers
    fields:
      email: {title: E-mail, type: email, purposes: [billing], index: {kind: equality}}
`))
	in := &installation{dir: dir, environ: []string{
		"FIELDVAULT_STORE_URL=sqlite:" + filepath.Join(dir, "fieldvault.db"),
		"FIELDVAULT_KEK_LOCAL_FILE=" + filepath.Join(dir, "kek.json"), "FIELDVAULT_KEK_LOCAL_ALLOW_CLEAR=true", "FIELDVAULT_LEDGER_FILE=" + filepath.Join(dir, "ledger"),
	}}
	in.run(t, "catalog", "apply", catalog)
	s := dev0(t, "--dir", dir, "--no-sample")
	if status, body := s.do(t, http.MethodGet, s.URL+"/v1/catalog", "", "", ""); status != http.StatusOK || !strings.Contains(body, `"Mine"`) {
		t.Errorf("catalog: %d %s", status, body)
	}
	s.end(t)
}

func TestDevNoSample(t *testing.T) {
	dir := vaulttest.Folder(t)
	s := dev0(t, "--dir", dir, "--no-sample")
	if status, body := s.email(t, s.Tokens["billing"], "c-1"); status != http.StatusNotFound {
		t.Errorf("without the sample: %d %s", status, body)
	}
	if status, body := s.do(t, http.MethodGet, s.URL+"/v1/catalog", "", "", ""); status != http.StatusOK {
		t.Errorf("catalog: %d %s", status, body)
	}
	s.end(t)
	s = dev0(t, "--dir", dir)
	if status, body := s.email(t, s.Tokens["billing"], "c-1"); status != http.StatusOK {
		t.Errorf("with the sample: %d %s", status, body)
	}
	s.end(t)
}

// Interrupted before it is ready, it says so, fails, and leaves nothing behind.
func TestDevInterrupted(t *testing.T) {
	tmp := vaulttest.Folder(t)
	t.Setenv("TMPDIR", tmp)
	ctx, interrupt := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for ctx.Err() == nil {
			if made, _ := filepath.Glob(filepath.Join(tmp, "*", "fieldvault.db")); len(made) > 0 {
				interrupt()
			}
			time.Sleep(time.Millisecond)
		}
	}()
	var stdout, stderr safeBuffer
	code := run(ctx, world{args: []string{"dev", "--addr", "127.0.0.1:0"}, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr})
	interrupt()
	<-watched
	if code != 1 || !strings.Contains(stderr.String(), "interrupted") || stdout.String() != "" {
		t.Errorf("exit code %d: %s%s", code, &stdout, &stderr)
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) != 0 {
		t.Errorf("%d files are left behind (%v)", len(left), err)
	}
}
