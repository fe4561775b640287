package vault_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/freetext"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// textCatalog has texts of each sort: redacted, masked as usual, with kinds announced.
const textCatalog = `
title: Letters
region: DE
purposes:
  support: {title: Support, text: To help, benefit: Help, basis: contract}
collections:
  letter:
    title: Letters
    fields:
      note: {type: text, purposes: [support], mask: redact}
      memo: {type: text, purposes: [support]}
      sender: {type: text, purposes: [support], mask: redact, expects: [name, e-mail]}
      whole: {type: text, purposes: [support], mask: redact, expects: [any]}
      reply: {type: email, purposes: [support]}
`

const textPolicy = `
@id("app") permit(principal in Role::"app", action, resource);
@id("support") permit(principal in Role::"support", action in [Action::"reveal_masked", Action::"list"], resource);
@id("own") permit(principal, action in [Action::"reveal", Action::"export"], resource) when { context.own };
`

// kinds have a datum of each kind, with the sentence that it stands in.
var kinds = []struct {
	kind           freetext.Kind
	before, canary string
}{
	{freetext.Email, "Write to ", "canary.letters@example.net"},
	{freetext.IBAN, "Pay to IBAN ", "DE89370400440532013000"},
	{freetext.Card, "Paid with card ", "4242 4242 4242 4242"},
	{freetext.NationalID, "Steuer-ID ", "47036892816"},
	{freetext.Phone, "Call ", "+49 30 23125 123"},
	{freetext.IPAddress, "Signed in from ", "198.51.100.7"},
	{freetext.BirthDate, "born ", "1971-03-05"},
	{freetext.Name, "Spoke to ", "Nikola Tesla"},
}

func textVault(t testing.TB, log *slog.Logger) *vaulttest.Vault {
	t.Helper()
	o := vaulttest.Options{Catalog: textCatalog, Policy: textPolicy, Logger: log}
	if test, ok := t.(*testing.T); ok {
		return newVault(test, o)
	}
	return vaulttest.New(t, o)
}

func letter(fields map[string]string) vault.Write {
	return vault.Write{Subject: "c-1", Collection: "letter", Record: "one", Fields: vaulttest.Values(fields)}
}

// TestRedactedTexts: what a masked role gets by any door is the text without what was
// found in it, and a plain role gets the text.
func TestRedactedTexts(t *testing.T) {
	v := textVault(t, nil)
	app, support := v.As("app", "support"), v.As("support", "support")
	var text, want strings.Builder
	for _, k := range kinds {
		fmt.Fprintf(&text, "%s%s. ", k.before, k.canary)
		fmt.Fprintf(&want, "%s[%s]. ", k.before, k.kind)
	}
	fields := map[string]string{"note": text.String(), "memo": text.String(), "sender": text.String(), "whole": "Nothing of anybody."}
	v.Put(t, "c-1", "letter", "one", fields)
	raw := vaulttest.Values(fields)["note"]
	sealed, err := v.Encrypt(t.Context(), app, []vault.Plaintext{{Subject: "c-1", Field: "letter.note", Value: raw}})
	if err != nil || sealed[0].Err != nil {
		t.Fatalf("Encrypt = %+v, %v", sealed, err)
	}
	read := func(c accessctl.Caller) map[string]string {
		got := map[string]string{}
		out, err := v.Reveal(t.Context(), c, []vault.Item{{Subject: "c-1", Collection: "letter", Record: "one", Fields: []string{"note", "memo", "sender", "whole"}}})
		if err != nil || out[0].Err != nil {
			t.Fatalf("Reveal = %+v, %v", out, err)
		}
		for _, a := range out[0].Fields {
			got[a.Field.Name] = a.View.String() + ": " + string(a.Value.Expose())
		}
		opened, err := v.Decrypt(t.Context(), c, []vault.Ciphertext{{Subject: "c-1", Field: "letter.note", Ciphertext: sealed[0].Ciphertext}})
		if err != nil || opened[0].Err != nil {
			t.Fatalf("Decrypt = %+v, %v", opened, err)
		}
		got["decrypted"] = opened[0].View.String() + ": " + string(opened[0].Value.Expose())
		return got
	}
	redacted := "masked: " + want.String()
	if diff := cmp.Diff(map[string]string{
		"note": redacted, "sender": redacted, "decrypted": redacted, "memo": "masked: ••••", "whole": "masked: Nothing of anybody.",
	}, read(support)); diff != "" {
		t.Errorf("support (-want +got):\n%s", diff)
	}
	plain := "plain: " + text.String()
	if diff := cmp.Diff(map[string]string{
		"note": plain, "sender": plain, "decrypted": plain, "memo": plain, "whole": "plain: Nothing of anybody.",
	}, read(app)); diff != "" {
		t.Errorf("the application (-want +got):\n%s", diff)
	}
	m, err := v.Export(t.Context(), v.Person("c-1", ""), "c-1")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Records[0].Fields {
		if f.Answer == nil || f.Answer.View != accessctl.Plain {
			t.Errorf("the person gets of %s: %+v", f.Field.Name, f.Answer)
		}
	}
}

// TestTextWarnings: a write warns of each kind that the catalog does not announce, by
// field and kind, and of nothing else.
func TestTextWarnings(t *testing.T) {
	var log strings.Builder
	v := textVault(t, slog.New(slog.NewTextHandler(&log, nil)))
	app := v.As("app", "support")
	put := func(w vault.Write, once string) []vault.Warning {
		t.Helper()
		out, err := v.Vault.Put(t.Context(), app, w, vault.Idempotency{Key: once, Request: []byte(once)})
		if err != nil || out.Revision == 0 {
			t.Fatalf("Put = %+v, %v", out, err)
		}
		return out.Warnings
	}
	warn := func(field string, list ...freetext.Kind) vault.Warning {
		return vault.Warning{Field: "letter." + field, Kinds: list}
	}
	check := func(what string, got []vault.Warning, want ...vault.Warning) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	for _, k := range kinds {
		text := k.before + k.canary
		check(string(k.kind), put(letter(map[string]string{"note": text, "whole": text}), ""), warn("note", k.kind))
	}
	all := "Nikola Tesla, canary.letters@example.net, +49 30 23125 123, again +49 30 23125 124"
	check("several fields", put(letter(map[string]string{"sender": all, "memo": all, "whole": all, "reply": "canary.letters@example.net"}), ""),
		warn("memo", freetext.Email, freetext.Phone, freetext.Name), warn("sender", freetext.Phone))
	check("none", put(letter(map[string]string{"note": "The parcel came late."}), ""))

	patch := letter(map[string]string{"memo": "Call +49 30 23125 123"})
	patch.Patch = true
	patch.Fields["note"] = []byte("null")
	for range 2 {
		check("a patch, and its repetition", put(patch, "once"), warn("memo", freetext.Phone))
	}
	out, err := v.PutBatch(t.Context(), app, []vault.Write{
		letter(map[string]string{"note": "nobody"}),
		{Subject: "c-1", Collection: "letter", Record: "two", Fields: vaulttest.Values(map[string]string{"note": all, "reply": "no address"})},
		{Subject: "c-2", Collection: "letter", Record: "one", Fields: vaulttest.Values(map[string]string{"note": all})},
	}, vault.Idempotency{})
	if err != nil || out[0].Err != nil || out[1].Err == nil || out[2].Err != nil {
		t.Fatalf("PutBatch = %+v, %v", out, err)
	}
	check("the first item", out[0].Warnings)
	check("an item that is refused", out[1].Warnings)
	check("the last item", out[2].Warnings, warn("note", freetext.Email, freetext.Phone, freetext.Name))
	for _, k := range kinds {
		if strings.Contains(log.String(), k.canary) {
			t.Errorf("the log holds a text: %s", k.kind)
		}
	}
}

// TestRedactingIsBounded: of more text than one request may redact, the rest is too large
// to the masked role; to the plain one it is not.
func TestRedactingIsBounded(t *testing.T) {
	v := textVault(t, nil)
	const most = 2 << 20 / catalog.MaxValue
	text := strings.Repeat("w", catalog.MaxValue-100) // what is sealed is a little longer
	var writes []vault.Write
	var items []vault.Item
	for i := range most + 1 {
		w := letter(map[string]string{"note": text})
		w.Record = fmt.Sprint("r", i)
		writes = append(writes, w)
		items = append(items, vault.Item{Subject: "c-1", Collection: "letter", Record: w.Record, Fields: []string{"note"}})
	}
	if _, err := v.PutBatch(t.Context(), v.As("app", "support"), writes, vault.Idempotency{}); err != nil {
		t.Fatal(err)
	}
	for _, role := range []accessctl.Role{"support", "app"} {
		out, err := v.Reveal(t.Context(), v.As(role, "support"), items)
		if err != nil {
			t.Fatal(err)
		}
		for i := range out {
			if tooLarge := errors.Is(out[i].Err, vault.ErrTooLarge); tooLarge != (role == "support" && i == most) || !tooLarge && len(out[i].Fields[0].Value.Expose()) != len(text) {
				t.Errorf("%s, item %d: %v", role, i, out[i].Err)
			}
		}
	}
}

// BenchmarkPutText is a put of one field, by what it holds: what it costs more to look at a
// text, which in an address is not done.
func BenchmarkPutText(b *testing.B) {
	const sentence = "Frau Noether bittet um Rückruf unter 030 23125 123 wegen Rechnung 2024-0815. "
	for _, size := range []int{len(sentence), 4 << 10, catalog.MaxValue} {
		for _, typ := range []string{"address", "text"} {
			b.Run(fmt.Sprintf("%s/%d bytes", typ, size), func(b *testing.B) {
				v := vaulttest.New(b, vaulttest.Options{Policy: textPolicy, Catalog: strings.Replace(textCatalog, "memo: {type: text", "memo: {type: "+typ, 1)})
				app, w := v.As("app", "support"), letter(map[string]string{"memo": strings.Repeat(sentence, size/len(sentence))})
				b.ReportAllocs()
				for b.Loop() {
					if _, err := v.Vault.Put(b.Context(), app, w, vault.Idempotency{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
