package portal_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// TestOwnTextIsPlain: people see, and correct, what was written about them as it stands,
// and the role that gets it redacted does not.
func TestOwnTextIsPlain(t *testing.T) {
	const text = "Call Nikola Tesla or write to nikola@example.net"
	source := strings.Replace(string(sample.Catalog()), "      email:\n        {type: email",
		"      note: {type: text, title: Note, purposes: [support], mask: redact}\n      email:\n        {type: email", 1)
	v := vaulttest.New(t, vaulttest.Options{Catalog: source})
	s := newSite(t, func(c *portal.Config) { c.Vault = v.Vault })
	s.Vault = v
	v.Put(t, "c-1", "customer", "self", map[string]string{"note": text})
	b := s.in(t)
	wantText(t, b.get(t, "/me"), text)
	wantText(t, b.get(t, "/me/correct?collection=customer&record=self"), text)
	keepsLines(t, v, b)
	v.Put(t, "c-1", "customer", "self", map[string]string{"note": text})
	out, err := v.Reveal(t.Context(), v.As("support", "support"), []vault.Item{{Subject: "c-1", Collection: "customer", Record: "self", Fields: []string{"note"}}})
	if err != nil || out[0].Err != nil || out[0].Fields[0].View != accessctl.Masked || string(out[0].Fields[0].Value.Expose()) != "Call [name] or write to [e-mail]" {
		t.Errorf("support: %+v, %v", out, err)
	}
}

// keepsLines: a text of several lines stays as it is when the form is sent without a change,
// with the line breaks that a form sends, and is corrected with those that are stored.
func keepsLines(t *testing.T, v *vaulttest.Vault, b *browser) {
	t.Helper()
	revision := v.Put(t, "c-1", "customer", "self", map[string]string{"note": "One.\nTwo."}).Revision
	wantText(t, b.get(t, "/me/correct?collection=customer&record=self"), "<textarea")
	form := url.Values{"collection": {"customer"}, "record": {"self"}, "value.note": {"One.\r\nTwo."}}
	b.post(t, "/me/correct", form)
	form.Set("value.note", "One.\r\nThree.")
	b.post(t, "/me/correct", form)
	out, err := v.Reveal(t.Context(), v.As("app", "support"), []vault.Item{{Subject: "c-1", Collection: "customer", Record: "self", Fields: []string{"note"}}})
	if err != nil || out[0].Err != nil || out[0].Revision != revision+1 || string(out[0].Fields[0].Value.Expose()) != "One.\nThree." {
		t.Errorf("corrected: %+v, %v; first revision %d", out, err, revision)
	}
}
