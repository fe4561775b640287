package vault_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// A row that was changed or moved by SQL stands for nothing, and fsck names it.
func TestATokenThatWasChangedBySQL(t *testing.T) {
	for what, sql := range map[string]string{
		"moved to another person":   `UPDATE token SET uid = (SELECT uid FROM subject WHERE state = 1 AND uid <> token.uid)`,
		"its end raised":            `UPDATE token SET expires = expires + 86400000000`,
		"its end removed":           `UPDATE token SET expires = NULL`,
		"moved to another field":    `UPDATE token SET field = field + 1`,
		"moved to another record":   `UPDATE token SET record = 'other'`,
		"for another purpose":       `UPDATE token SET purpose = 'support'`,
		"made to be used often":     `UPDATE token SET once = 0`,
		"of another kind":           `UPDATE token SET kind = 2`,
		"of another epoch":          `UPDATE token SET epoch = 2`,
		"of another group":          `UPDATE token SET grp = 3`,
		"with another MAC":          `UPDATE token SET mac = zeroblob(32)`,
		"without one":               `UPDATE token SET mac = zeroblob(0)`,
		"with something kept of it": `UPDATE token SET sealed = x'00'`,
		"under another hash":        `UPDATE token SET hash = zeroblob(32)`,
	} {
		v := withTokens(t, vaulttest.Options{})
		v.Put(t, "c-2", "customer", "self", map[string]string{"email": "other@example.org", "phone": "+49 30 5551234"})
		v.Put(t, "c-1", "customer", "other", map[string]string{"email": "other@example.org"})
		app := v.As("app", "billing")
		in := tokensAs(vault.TokenRandom, emailOf("c-1"))
		in.Life, in.Once = time.Hour, true
		text := tokenOf(t, v.Vault, app, in)
		if _, err := behind(t, v).Exec(sql); err != nil {
			t.Fatal(what, err)
		}
		for _, p := range []accessctl.Purpose{"billing", "support"} {
			is(t, what, behindToken(t, v.Vault, v.As("app", p), text), "not found")
		}
		if errs, err := v.RevokeTokens(t.Context(), app, []string{text}); err != nil || name(errs[0]) != "not found" {
			t.Errorf("%s: revoked: %v, %v", what, errs, err)
		}
		report, err := v.Fsck(t.Context(), v.Operator(), nil)
		if err != nil || len(report.Findings) != 1 || !strings.Contains(report.Findings[0].What, "token does not bear its MAC") {
			t.Errorf("%s: %+v, %v", what, report.Findings, err)
		}
		if codes := codesOf(eventsOf(t, v, accessctl.ActionDetokenise), audit.Failed); len(codes) != 2 || what != "under another hash" && codes[0] != "integrity" {
			t.Errorf("%s: %v", what, codes)
		}
	}
}

// A row that is put back after its token was used up, revoked or swept: the database alone
// cannot know. Of an erased person it stands for nothing all the same.
func TestATokenRowPutBackAfterTheErasure(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	app := v.As("app", "billing")
	texts := everyKind(t, v, "c-1")
	db := behind(t, v)
	exec := func(sql string) {
		t.Helper()
		if _, err := db.Exec(sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TABLE copy AS SELECT * FROM token`)
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec(`INSERT INTO token SELECT * FROM copy`)
	for what, text := range texts {
		is(t, what+" put back", behindToken(t, v.Vault, app, text), "not found")
	}
	// Under the uid of the person's next life, too.
	if _, err := v.Reenrol(t.Context(), v.As("dpo", ""), "c-1"); err != nil {
		t.Fatal(err)
	}
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email, "phone": phoneOfOne})
	exec(`UPDATE token SET uid = (SELECT uid FROM subject WHERE state = 1)`)
	for what, text := range texts {
		is(t, what+" moved to the next life", behindToken(t, v.Vault, app, text), "not found")
	}
}

// A tenant's token means nothing in another, whoever is erased there.
func TestATokenInAnotherTenant(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	if _, err := v.CreateTenant(t.Context(), v.Operator(), v.Keeper(), "acme"); err != nil {
		t.Fatal(err)
	}
	local := v.Operator()
	local.Tenant = "acme"
	if _, err := v.ApplyCatalog(t.Context(), local, sample.Catalog(), false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := v.ApplyPolicy(t.Context(), local, []byte(`permit (principal, action, resource);`), false); err != nil {
		t.Fatal(err)
	}
	there := v.As("app", "billing")
	there.Tenant = "acme"
	w := vault.Write{Subject: "c-1", Collection: "customer", Record: "self", Fields: vaulttest.Values(map[string]string{"email": email, "phone": phoneOfOne})}
	if _, err := v.Vault.Put(t.Context(), there, w, vault.Idempotency{}); err != nil {
		t.Fatal(err)
	}
	for what, text := range everyKind(t, v, "c-1") {
		is(t, what, behindToken(t, v.Vault, there, text), "not found")
		if errs, err := v.RevokeTokens(t.Context(), there, []string{text}); err != nil || name(errs[0]) != "not found" {
			t.Errorf("%s: revoked: %v, %v", what, errs, err)
		}
		if got := behindToken(t, v.Vault, v.As("app", "billing"), text); !strings.HasPrefix(got, "plain") {
			t.Errorf("%s at home: %s", what, got)
		}
	}
	mine, theirs := tokenOf(t, v.Vault, v.As("app", "billing"), tokensAs(vault.TokenDeterministic, emailOf("c-1"))),
		tokenOf(t, v.Vault, there, tokensAs(vault.TokenDeterministic, emailOf("c-1")))
	if mine == theirs {
		t.Error("two tenants have one token")
	}
}

// A token ends with the key group of its field, and stands for nothing that is stored in it
// later; the clean-up takes the row away.
func TestATokenEndsWithTheGroup(t *testing.T) {
	v := withNote(t)
	app := v.As("app", "support")
	note := vault.TokenItem{Subject: "c-1", Record: "self", Field: "note"}
	dead, stays := tokenOf(t, v.Vault, app, tokensAs(vault.TokenDeterministic, note)), tokenOf(t, v.Vault, app, tokensAs(vault.TokenDeterministic, emailOf("c-1")))
	is(t, "before", behindToken(t, v.Vault, app, dead), "plain allergic")
	eraseGroups(t, v, "c-1", "care")
	is(t, "erased", behindToken(t, v.Vault, app, dead), "not found")
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email, "note": "allergic"})
	is(t, "stored again", behindToken(t, v.Vault, app, dead), "not found")
	if next := tokenOf(t, v.Vault, app, tokensAs(vault.TokenDeterministic, note)); next == dead {
		t.Error("the token is back")
	}
	is(t, "the other group", behindToken(t, v.Vault, app, stays), "plain "+email)
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(allTokens(t, v)); n != 2 {
		t.Errorf("%d rows are left, want those of the living", n)
	}
}

// What retention removes takes its tokens along.
func TestRetentionRemovesTokens(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: retaining, Policy: plainPolicy})
	app := v.As("app", "records")
	put := func() {
		v.Put(t, "c-1", "customer", "self", map[string]string{"phone": "555-0100", "first_name": "Luis"})
	}
	put()
	gone := tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, phoneIn("c-1")))
	stays := tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, vault.TokenItem{Subject: "c-1", Record: "self", Field: "first_name"}))
	v.Clock.Advance(31 * 24 * time.Hour)
	retain(t, v, nil)
	put()
	is(t, "removed and stored again", behindToken(t, v.Vault, app, gone), "not found")
	is(t, "what is kept for ever", behindToken(t, v.Vault, app, stays), "plain Luis")
}

// Neither a token nor what it was made for stands in the files in clear.
func TestNoTokenStandsInTheDatabase(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	for what, text := range everyKind(t, v, "c-1") {
		if onDisk(t, v, []byte(text)) {
			t.Errorf("the %s token stands in a file", what)
		}
	}
	if onDisk(t, v, []byte(phoneOfOne)) {
		t.Error("a value stands in a file")
	}
}

// I1: a load that has become old is decided again; a single-use token is not lost by that,
// and after an erasure meanwhile nothing is shown.
func TestASingleUseTokenOverAnOldLoad(t *testing.T) {
	for what, erase := range map[string]bool{"plain " + email: false, "not found": true} {
		v := withTokens(t, vaulttest.Options{})
		app := v.As("app", "billing")
		in := tokensAs(vault.TokenRandom, emailOf("c-1"))
		in.Once = true
		text := tokenOf(t, v.Vault, app, in)
		v.Ring.Forget(vaulttest.Tenant, subjectUID(t, v, "c-1"))
		v.KEK.Stop()
		answer := make(chan string, 1)
		go func() { answer <- behindToken(t, v.Vault, app, text) }()
		v.KEK.AwaitHeld(1)
		if erase {
			if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1"}); err != nil {
				t.Fatal(err)
			}
		}
		v.Clock.Advance(6 * time.Second)
		v.KEK.Continue()
		is(t, "after 6 s", <-answer, what)
		is(t, "again", behindToken(t, v.Vault, app, text), "not found")
	}
}

// Many ask for the deterministic token of one field at once: all get one.
func TestDeterministicTokensMadeAtOnce(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	app, got := v.As("app", "billing"), make([]string, 32)
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() { got[i] = tokenOf(t, v.Vault, app, tokensAs(vault.TokenDeterministic, emailOf("c-1"))) })
	}
	all.Wait()
	for _, s := range got {
		isToken(t, "one of many", s)
		is(t, "one of many", s, got[0])
	}
	if n := len(allTokens(t, v)); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// Tokens are made while the person is erased: none stands afterwards.
func TestTokensMadeDuringAnErasure(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	app := v.As("app", "billing")
	var all sync.WaitGroup
	made := make([][]string, 8)
	for i := range made {
		all.Go(func() {
			for range 20 {
				made[i] = append(made[i], tokenOf(t, v.Vault, app, tokensAs(vault.TokenDeterministic, emailOf("c-1"))), tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, phoneIn("c-1"))))
			}
		})
	}
	all.Go(func() {
		if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1"}); err != nil {
			t.Error(err)
		}
	})
	all.Wait()
	for _, list := range made {
		for _, text := range list {
			is(t, "afterwards", behindToken(t, v.Vault, app, text), "not found")
		}
	}
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(allTokens(t, v)); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}
