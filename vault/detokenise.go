package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
)

// A Detokenised answers one token. Err is ErrNotFound where nothing stands for it, whatever
// the cause, and ErrIntegrity to who may know of the person if the value does not open.
type Detokenised struct {
	Answer
	Err error
}

// Detokenise shows what stands in the fields for which up to MaxItems tokens of the caller's
// purpose stand, in order: plain, masked or hidden, just as [Vault.Reveal] of the field would
// show it to the same caller for the same purpose. It needs the action detokenise on the
// field, too. The values are the caller's to wipe.
//
// One that expired, was revoked or used up, of another purpose or tenant, of a field, record,
// group or person that is gone, whose row was changed outside the service, and what was never
// one are alike: ErrNotFound. Each call is on record, also one that found nothing.
//
// Of calls that use the same single-use token at once, one is answered. The token is used up
// before anything is opened: if that then fails, so is the token. A call that policy, consent
// or the state of the person lets see nothing leaves it as it is.
//
// The error is for the call as a whole, as in [Vault.Reveal].
func (v *Vault) Detokenise(ctx context.Context, c accessctl.Caller, tokens []string) ([]Detokenised, error) {
	if len(tokens) > MaxItems {
		return nil, ErrTooLarge
	}
	q := &detokenising{texts: tokens, spent: map[string]TokenRow{}}
	revealed, err := v.read(ctx, c, accessctl.ActionDetokenise, len(tokens), func(r *reading) {
		r.tokens = q
		q.err = q.resolve(ctx, r)
	})
	if err == nil {
		err = q.err
	}
	if err != nil {
		return nil, err
	}
	out := make([]Detokenised, len(tokens))
	for i := range revealed {
		out[i].Err = revealed[i].Err
		switch {
		case errors.Is(out[i].Err, ErrGone):
			out[i].Err = ErrNotFound // a token tells nobody that it once stood for something
		case out[i].Err != nil:
		case len(revealed[i].Fields) == 1:
			out[i].Answer = revealed[i].Fields[0]
		default:
			out[i].Err = ErrNotFound
		}
	}
	return out, nil
}

// A detokenising is one call, over all its attempts.
type detokenising struct {
	texts []string
	spent map[string]TokenRow // single-use tokens that this call has used up, by hash
	err   error               // why the tokens could not be looked up
}

// resolve turns tokens into what a reveal asks for.
func (q *detokenising) resolve(ctx context.Context, r *reading) error {
	hashes := r.t.hashesOf(q.texts)
	owners, err := r.v.tokenOwners(ctx, r.t, hashes, q.spent)
	if err != nil {
		return err
	}
	r.wants = make([]want, 0, len(hashes))
	once := map[string]bool{}
	for i, h := range hashes {
		o, ok := owners[string(h)]
		if !ok {
			r.noToken(i, codeNotFound)
			continue
		}
		w, code := r.wantToken(o)
		if code == "" && o.row.Once {
			if once[string(h)] {
				code = codeNotFound // named twice: used up by the first
			}
			once[string(h)] = true
		}
		if code != "" {
			r.noToken(i, code)
			continue
		}
		w.at = i
		r.wants = append(r.wants, w)
	}
	return nil
}

// noToken answers an item for which nothing stands: one event for all of them.
func (r *reading) noToken(item int, code string) {
	r.people.of(nil).fail(code)
	r.out[item].Err = ErrNotFound
}

// wantToken is what a token asks for; else why it asks for nothing, as a code.
func (r *reading) wantToken(o tokenOwner) (want, string) {
	switch {
	case !r.t.tokenStands(o.row):
		return want{}, codeIntegrity
	case o.row.Purpose != string(r.c.Purpose), tokenExpired(o.row, r.v.now()):
		return want{}, codeNotFound
	}
	coll, f := r.s.tokenField(o.row)
	if f == nil {
		return want{}, codeNotFound
	}
	w := want{
		lookup: o.lookup, own: r.c.Person != "" && string(r.t.hash(r.c.Person)) == string(o.lookup),
		coll: coll, record: o.row.Place.Record, token: o.row,
	}
	w.add(f, r.c.Purpose)
	return w, ""
}

// spend uses up the single-use tokens by which something is about to be shown, and says
// whether others had done so before with one of them: nothing stands for it any more.
func (r *reading) spend(ctx context.Context) (lost bool, err error) {
	q := r.tokens
	if q == nil {
		return false, nil
	}
	var hashes [][]byte
	var last *want
	for i := range r.open.list {
		w := r.open.list[i].want
		if w == last || w.token == nil || !w.token.Once {
			continue
		}
		last = w
		if _, mine := q.spent[string(w.token.Hash)]; !mine {
			hashes = append(hashes, w.token.Hash)
		}
	}
	if len(hashes) == 0 {
		return false, nil
	}
	var spent [][]byte
	err = r.v.store.Update(ctx, func(tx Tx) (err error) {
		if err := r.v.stillOpen(ctx, tx); err != nil {
			return err
		}
		spent, err = tx.SpendTokens(ctx, r.t.row.ID, hashes)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("using tokens up: %w", err)
	}
	r.v.unclean.Store(true)
	mine := make(map[string]bool, len(spent))
	for _, h := range spent {
		mine[string(h)] = true
	}
	for i := range r.wants {
		w := &r.wants[i]
		if w.token == nil || !w.token.Once {
			continue
		}
		switch h := string(w.token.Hash); {
		case mine[h]:
			q.spent[h] = *w.token
		case containsHash(hashes, h):
			w.spent, lost = true, true
		}
	}
	return lost, nil
}

// startOver forgets what was decided, but for what stood for nothing from the start.
func (r *reading) startOver() {
	nobody := r.people.by[personKey{}]
	r.people, r.open = people{}, openings{}
	if nobody != nil {
		r.people.of(nil).fail(nobody.code)
	}
	for i := range r.wants {
		r.out[r.wants[i].at] = Revealed{}
	}
}

func containsHash(list [][]byte, h string) bool {
	for i := range list {
		if string(list[i]) == h {
			return true
		}
	}
	return false
}

// tokenOwners looks tokens up, and whose they are: two statements on one snapshot. also
// are tokens that stand although they are no longer in the store.
func (v *Vault) tokenOwners(ctx context.Context, t *tenant, hashes [][]byte, also map[string]TokenRow) (map[string]tokenOwner, error) {
	ask := make([][]byte, 0, len(hashes))
	for _, h := range hashes {
		if h != nil {
			ask = append(ask, h)
		}
	}
	var rows []TokenRow
	var lookups map[uuid.UUID][]byte
	err := v.store.View(ctx, func(tx Tx) (err error) {
		if rows, err = tx.TokensByHash(ctx, t.row.ID, ask); err != nil {
			return err
		}
		for _, r := range also {
			rows = append(rows, r)
		}
		if len(rows) == 0 {
			return nil
		}
		uids := make([]uuid.UUID, len(rows))
		for i := range rows {
			uids[i] = rows[i].UID
		}
		lookups, err = tx.LookupsByUID(ctx, t.row.ID, uids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking tokens up: %w", err)
	}
	return ownersOf(rows, lookups), nil
}
