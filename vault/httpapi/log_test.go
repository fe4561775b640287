package httpapi_test

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/audit/tree"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// sequence puts all events into the log.
func (w *world) sequence() {
	w.tb.Helper()
	if _, err := w.vault.Sequence(context.WithoutCancel(w.tb.Context())); err != nil {
		w.tb.Fatal(err)
	}
}

// served is the log as an auditor sees it, over HTTP alone.
type served struct{ w *world }

func (s served) get(path string) ([]byte, error) {
	g := s.w.do(ask{method: "GET", path: "/v1/audit/" + path, token: "operator"})
	if g.status != http.StatusOK {
		return nil, errors.New(path + " is not there")
	}
	return g.body, nil
}

func (s served) Checkpoint(context.Context) ([]byte, error) { return s.get("checkpoint") }

func (s served) Tile(_ context.Context, t tree.Tile) ([]byte, error) { return s.get(t.Path()) }

func (s served) Entries(_ context.Context, n int64, width int) ([][]byte, error) {
	b, err := s.get(tree.EntriesPath(n, width))
	if err != nil {
		return nil, err
	}
	return tree.SplitEntries(b, width)
}

func hashesOf(t *testing.T, list []string) (out []tree.Hash) {
	t.Helper()
	for _, text := range list {
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(b) != 32 {
			t.Fatalf("%q is no hash", text)
		}
		out = append(out, tree.Hash(b))
	}
	return out
}

func TestTheLogIsServed(t *testing.T) {
	w := serve(t)
	origin, key := vaulttest.Origin+"/"+vaulttest.Tenant, w.vault.VerifierKey()
	w.do(ask{method: "GET", path: "/v1/audit/checkpoint", token: "operator"}).refused(api.NotFound)
	for _, path := range []string{
		"checkpoint", "entries", "proof?index=0", "consistency?from=0", "tile/0/000.p/1", "tile/entries/000.p/1",
	} {
		w.do(ask{method: "GET", path: "/v1/audit/" + path, token: "app"}).refused(api.Denied)
	}
	w.put(self, `{"email":"luisg@embraer.com.br"}`).want(201)
	w.sequence()
	first := w.do(ask{method: "GET", path: "/v1/audit/checkpoint", token: "operator"})
	if !strings.HasPrefix(first.header.Get("Content-Type"), "text/plain") {
		t.Errorf("a checkpoint is %s", first.header.Get("Content-Type"))
	}
	before := opened(t, first.body, origin, key)
	for range 300 {
		w.do(ask{method: "GET", path: self + "?fields=email", token: "app", purpose: "support"}).want(200)
	}
	w.sequence()
	r, err := tree.Verification{Source: served{w}, Origin: origin, Key: key, Tenant: vaulttest.Tenant}.Run(t.Context())
	if err != nil || r.Checkpoint.Size < before.Size+300 {
		t.Fatalf("%+v, %v", r, err)
	}

	var proof api.LogProof
	w.do(ask{method: "GET", path: "/v1/audit/proof?index=7", token: "operator"}).want(200, &proof)
	var page api.LogEvents
	w.do(ask{method: "GET", path: "/v1/audit/entries?from_index=7&limit=2", token: "operator"}).want(200, &page)
	c := opened(t, []byte(proof.Checkpoint), origin, key)
	if err := tree.CheckInclusion(c, 7, tree.LeafHash(page.Events[0].Event), hashesOf(t, proof.Hashes)); err != nil {
		t.Error(err)
	}
	if len(page.Events) != 2 || page.Events[0].Index != 7 || page.Next != 9 {
		t.Errorf("%+v", page)
	}
	w.do(ask{method: "GET", path: "/v1/audit/proof?index=1&size=" + itoa(before.Size), token: "operator"}).want(200, &proof)
	if proof.Checkpoint != string(first.body) {
		t.Errorf("the proof leads to\n%s\nwant\n%s", proof.Checkpoint, first.body)
	}
	var grown api.LogConsistency
	w.do(ask{method: "GET", path: "/v1/audit/consistency?from=" + itoa(before.Size), token: "operator"}).want(200, &grown)
	if err := tree.CheckConsistency(before, opened(t, []byte(grown.Checkpoint), origin, key), hashesOf(t, grown.Hashes)); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]api.Code{
		"proof": api.Invalid, "proof?index=-1": api.Invalid, "proof?index=01": api.Invalid, "proof?index=99999": api.NotFound,
		"proof?index=0&size=99999": api.NotFound, "consistency?from=99999": api.NotFound, "consistency": api.Invalid,
		"entries?limit=0": api.Invalid, "entries?limit=1001": api.Invalid, "entries?from=yesterday": api.Invalid,
		"tile/0/999": api.NotFound, "tile/0/x001/000": api.NotFound, "tile/0/1": api.NotFound, "tile/entries/999": api.NotFound,
		"tile/9/000": api.NotFound, "tile/0/000.p/0": api.NotFound, "tile/../checkpoint": api.NotFound, "tile/0/000/": api.NotFound,
	} {
		t.Log(path)
		w.do(ask{method: "GET", path: "/v1/audit/" + path, token: "operator"}).refused(want)
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func opened(t *testing.T, signed []byte, origin string, key ed25519.PublicKey) tree.Checkpoint {
	t.Helper()
	c, err := tree.OpenCheckpoint(signed, origin, key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEntriesAreFound(t *testing.T) {
	w := serve(t)
	w.put(self, `{"email":"luisg@embraer.com.br"}`).want(201)
	w.do(ask{method: "GET", path: self + "?fields=email", token: "app", purpose: "support"}).want(200)
	w.sequence()
	list := func(query string) (kinds []string) {
		var page api.LogEvents
		w.do(ask{method: "GET", path: "/v1/audit/entries?" + query, token: "operator"}).want(200, &page)
		for _, x := range page.Events {
			e, err := audit.ParseLeaf(x.Event)
			if err != nil {
				t.Fatal(err)
			}
			kinds = append(kinds, string(e.Action))
		}
		return kinds
	}
	if d := cmp.Diff([]string{"write", "reveal"}, list("subject=c-17")); d != "" {
		t.Error(d)
	}
	actor := url.QueryEscape("https://issuer.example.org#app")
	if d := cmp.Diff([]string{"write", "reveal"}, list("actor="+actor)); d != "" {
		t.Error(d)
	}
	if got := list("subject=c-18"); got != nil {
		t.Errorf("of somebody unknown: %v", got)
	}
	if got := list("to=2026-01-01T00:00:00Z"); got != nil {
		t.Errorf("of an earlier time: %v", got)
	}
	if got := list("from=2026-01-01T00:00:00Z&limit=1000"); len(got) < 5 {
		t.Errorf("of this time: %v", got)
	}
}

// What somebody has rewritten or removed by SQL is not shown as an event of the log.
func TestAlteredEntriesAreMarked(t *testing.T) {
	w := serve(t)
	for range 3 {
		w.put(self, `{"email":"luisg@embraer.com.br"}`)
	}
	w.sequence()
	list := func() (altered, absent []int64) {
		var page api.LogEvents
		w.do(ask{method: "GET", path: "/v1/audit/entries?limit=1000", token: "operator"}).want(200, &page)
		for _, x := range page.Events {
			if x.Altered {
				altered = append(altered, x.Index)
			}
			if x.Event == nil {
				absent = append(absent, x.Index)
			}
		}
		return altered, absent
	}
	if altered, absent := list(); altered != nil || absent != nil {
		t.Errorf("of a log as it was written %v are altered and %v absent", altered, absent)
	}
	w.vault.Tampered()
	db, err := sql.Open("sqlite", w.vault.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the test ends
	for _, q := range []string{
		`DROP TRIGGER event_intake_stands`, `DROP TRIGGER event_intake_stays`,
		`UPDATE event_intake SET leaf = CAST(replace(CAST(leaf AS TEXT), 'allowed', 'denied') AS BLOB) WHERE id = (SELECT intake FROM audit_leaf WHERE tenant = 1 AND idx = 2)`,
		`UPDATE event_intake SET leaf = x'7b' WHERE id = (SELECT intake FROM audit_leaf WHERE tenant = 1 AND idx = 3)`,
		`DELETE FROM event_intake WHERE id = (SELECT intake FROM audit_leaf WHERE tenant = 1 AND idx = 4)`,
	} {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	altered, absent := list()
	if want := []int64{2, 3, 4}; !slices.Equal(altered, want) || !slices.Equal(absent, want) {
		t.Errorf("%v are altered and %v absent, want %v", altered, absent, want)
	}
}

func TestAccessHistory(t *testing.T) {
	w := serve(t)
	path := "/v1/subjects/c-17/access-history"
	w.put(self, `{"email":"luisg@embraer.com.br","phone":"+55 12 3923-5555"}`).want(201)
	w.do(ask{method: "GET", path: self + "?fields=email,phone", token: "support", purpose: "support"}).want(200)
	w.do(ask{method: "PUT", path: "/v1/subjects/c-17/hold", token: "dpo", body: `{"reason":"a claim"}`}).want(204)
	w.do(ask{method: "DELETE", path: "/v1/subjects/c-17/hold", token: "dpo"}).want(204)
	w.sequence()
	var own, officers api.AccessHistory
	w.do(ask{method: "GET", path: path, token: "subject:c-17"}).want(200, &own)
	if len(own.Entries) != 2 {
		t.Fatalf("%+v", own)
	}
	read := own.Entries[1]
	if read.Who != "https://issuer.example.org#support" || read.Purpose != "support" || read.PurposeText == "" || read.What == "" {
		t.Errorf("%+v", read)
	}
	var fields []string
	for _, f := range read.Fields {
		fields = append(fields, f.Field+" "+f.View)
	}
	if d := cmp.Diff([]string{"customer.phone masked", "customer.email masked"}, fields); d != "" {
		t.Error(d)
	}
	w.do(ask{method: "GET", path: path, token: "dpo"}).want(200, &officers)
	if len(officers.Entries) != 4 {
		t.Errorf("an officer sees %d entries, want the holds, too", len(officers.Entries))
	}
	w.do(ask{method: "GET", path: path, token: "subject:c-18"}).refused(api.Denied)
	w.do(ask{method: "GET", path: path, token: "marketing"}).refused(api.Denied)
	w.sequence()
	w.do(ask{method: "GET", path: path + "?from_index=" + itoa(own.Entries[1].Index) + "&limit=1", token: "subject:c-17"}).want(200, &own)
	if len(own.Entries) != 1 || own.Next == 0 {
		t.Errorf("a page is %+v", own)
	}

	w.do(ask{method: "POST", path: "/v1/subjects/c-17/erasure", token: "dpo", body: `{"reason":"asked"}`}).want(200)
	w.sequence()
	w.do(ask{method: "GET", path: path, token: "dpo"}).refused(api.Gone)
}

// Certificates and receipts bear the proof that the log has their events.
func TestDocumentsBearTheirInclusion(t *testing.T) {
	w := serve(t)
	pub := w.vault.VerifierKey()
	w.put(self, `{"email":"luisg@embraer.com.br"}`).want(201)
	w.do(ask{method: "PUT", path: "/v1/subjects/c-17/consents/marketing", token: "dpo", body: `{"decision":"granted","method":"api"}`}).want(200)
	consents := func() []byte {
		var all api.Consents
		w.do(ask{method: "GET", path: "/v1/subjects/c-17/consents", token: "dpo"}).want(200, &all)
		return all.Consents[2].Receipt
	}
	if _, _, err := evidence.VerifyInclusion(consents(), pub); !errors.Is(err, evidence.ErrNoInclusion) {
		t.Errorf("before it is sequenced: %v", err)
	}
	w.sequence()
	if log, _, err := evidence.VerifyInclusion(consents(), pub); err != nil || log != vaulttest.Origin+"/"+vaulttest.Tenant {
		t.Errorf("a receipt: %q %v", log, err)
	}
	cert := w.do(ask{method: "POST", path: "/v1/subjects/c-17/erasure", token: "dpo", body: `{"reason":"asked"}`})
	cert.want(200)
	c, _, err := evidence.OpenCertificate(cert.body, pub)
	if err != nil {
		t.Fatal(err)
	}
	w.sequence()
	again := w.do(ask{method: "GET", path: "/v1/erasures/" + c.ID.String(), token: "dpo"})
	again.want(200)
	if _, _, err := evidence.VerifyInclusion(again.body, pub); err != nil {
		t.Errorf("a certificate: %v", err)
	}
}
