package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

func consentOf(purpose, decision string, n int) vault.Consent {
	return vault.Consent{
		Purpose: purpose, Decision: decision, Notice: "notice 3", Method: "portal", At: instant(n),
		Receipt: []byte(`{"receipt":1}`), MAC: hash(purpose + decision),
	}
}

func (w *world) consent(tenant int32, uid uuid.UUID, cs ...vault.Consent) {
	w.Helper()
	for _, c := range cs {
		w.update(func(ctx context.Context, tx vault.Tx) error { return tx.PutConsent(ctx, tenant, uid, c) })
	}
}

func (w *world) consents(tenant int32, uid uuid.UUID) (current, history []vault.Consent) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		if current, err = tx.Consents(ctx, tenant, uid); err != nil {
			return err
		}
		history, err = tx.ConsentHistory(ctx, tenant, uid)
		return err
	})
	for _, c := range slices.Concat(current, history) {
		isUTC(w.T, c.At, c.Expires)
	}
	return current, history
}

func consents(w *world) {
	w.run("CurrentAndHistory", func(w *world) {
		tenant, uid := w.tenant(), newUID()
		current, history := w.consents(tenant, uid)
		w.equal("no consents", current, []vault.Consent{})
		w.equal("no history", history, []vault.Consent{})

		full := consentOf("marketing", "granted", 5)
		full.Expires, full.Evidence = instant(5).AddDate(1, 0, 0), allBytes(3)
		bare := vault.Consent{Purpose: "bare", Decision: "refused", At: instant(1)}
		withdrawn := consentOf("marketing", "withdrawn", 4) // a clock that went back
		again := consentOf("analytics", "granted", 6)
		w.consent(tenant, uid, full, bare, again)
		current, history = w.consents(tenant, uid)
		w.equal("current consents by purpose", current, []vault.Consent{again, bare, full})
		w.equal("history, oldest first", history, []vault.Consent{full, bare, again})

		w.consent(tenant, uid, withdrawn, again)
		current, history = w.consents(tenant, uid)
		w.equal("current after a withdrawal", current, []vault.Consent{again, bare, withdrawn})
		w.equal("history keeps all, in the order of arrival", history, []vault.Consent{full, bare, again, withdrawn, again})

		for _, c := range []struct {
			name   string
			tenant int32
			uid    uuid.UUID
		}{{"another person", tenant, newUID()}, {"another tenant", w.tenant(), uid}} {
			current, history = w.consents(c.tenant, c.uid)
			w.equal("consents of "+c.name, current, []vault.Consent{})
			w.equal("history of "+c.name, history, []vault.Consent{})
		}
	})
	w.run("Exact", func(w *world) {
		tenant, uid := w.tenant(), newUID()
		var want []vault.Consent
		for i, s := range exact() {
			want = append(want, vault.Consent{
				Purpose: s, Decision: s, Notice: s, Method: s, At: instant(i).In(zone()), Expires: instant(i).Add(time.Microsecond),
				Evidence: []byte(s), Receipt: allBytes(i), MAC: hash(s),
			})
		}
		w.consent(tenant, uid, want...)
		_, history := w.consents(tenant, uid)
		w.equal("history", history, want)
		slices.SortFunc(want, func(a, b vault.Consent) int { return compareText(a.Purpose, b.Purpose) })
		current, _ := w.consents(tenant, uid)
		w.equal("current", current, want)
	})
}
