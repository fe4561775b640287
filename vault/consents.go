package vault

import (
	"context"
	"fmt"

	"github.com/fieldvault/fieldvault/accessctl"
)

// Consents says, for each purpose of the catalog, what the person decided and
// what that permits now.
func (v *Vault) Consents(ctx context.Context, c accessctl.Caller, subject string) ([]ConsentStatus, error) {
	t, s, err := v.permitPerson(ctx, c, accessctl.ActionConsentRead, subject)
	if err != nil {
		return nil, err
	}
	var list []ConsentStatus
	a := act{caller: c, tenant: t, set: s, action: accessctl.ActionConsentRead, subject: subject}
	err = v.seePerson(ctx, a, func(tx Tx, p *Subject) error {
		rows, _, err := t.consents(ctx, tx, p)
		if err != nil {
			return err
		}
		list = v.statuses(t, s, p, rows)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Receipt = v.includedReceipt(ctx, t, list[i].Receipt)
	}
	return list, nil
}

func (v *Vault) statuses(t *tenant, s *settings, p *Subject, rows []Consent) []ConsentStatus {
	list := make([]ConsentStatus, 0, len(s.catalog.Purposes))
	for i := range s.catalog.Purposes {
		why := &s.catalog.Purposes[i]
		id := accessctl.Purpose(why.ID)
		st := ConsentStatus{Purpose: id, State: t.consentFor(s.catalog, p.UID, rows, id, v.now())}
		for j := range rows {
			if r := &rows[j]; r.Purpose == string(id) {
				st.Decision, st.Notice, st.Method = r.Decision, r.Notice, r.Method
				st.At, st.Expires, st.Receipt = r.At, r.Expires, r.Receipt
				st.AskFrom = askFrom(consentEvent(r))
			}
		}
		list = append(list, st)
	}
	return list
}

// Decisions lists all that a person has decided, oldest first, each with its receipt:
// also what was decided about purposes that the catalog has no longer. A decision that
// does not bear the tenant's MAC is left out: [Fsck] names it.
func (v *Vault) Decisions(ctx context.Context, c accessctl.Caller, subject string) ([]ConsentStatus, error) {
	t, s, err := v.permitPerson(ctx, c, accessctl.ActionConsentRead, subject)
	if err != nil {
		return nil, err
	}
	var list []ConsentStatus
	a := act{caller: c, tenant: t, set: s, action: accessctl.ActionConsentRead, subject: subject}
	err = v.seePerson(ctx, a, func(tx Tx, p *Subject) error {
		rows, err := tx.ConsentHistory(ctx, t.row.ID, p.UID)
		if err != nil {
			return fmt.Errorf("reading decisions: %w", err)
		}
		list = nil
		for i := range rows {
			r := &rows[i]
			if !t.stamped(p.UID, r) {
				continue
			}
			list = append(list, ConsentStatus{
				Purpose: accessctl.Purpose(r.Purpose), State: consentEvent(r).State(v.now()), Decision: r.Decision,
				Notice: r.Notice, Method: r.Method, At: r.At, Expires: r.Expires, Receipt: r.Receipt,
			})
		}
		return nil
	})
	return list, err
}
