package vault

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// SetHoney makes a person bait, or ends that: someone made up, whom nobody has a
// reason to read, so that who does gives himself away. Nothing that is answered about
// the person tells it, nor does their access history; it stands in the audit log, which
// needs the action audit. Erased people are no bait any more. The error is ErrNotFound,
// ErrGone or ErrIntegrity.
func (v *Vault) SetHoney(ctx context.Context, c accessctl.Caller, subject string, honey bool) error {
	t, s, err := v.permitPerson(ctx, c, accessctl.ActionHoney, subject)
	if err != nil {
		return err
	}
	do := act{caller: c, tenant: t, set: s, action: accessctl.ActionHoney, subject: subject, lock: ExclusiveLock}
	return v.onPerson(ctx, do, func(tx Tx, p *Subject, e *audit.Event) error {
		e.Subject = []audit.Attr{{Key: attrHoney, Value: yesNo(honey)}}
		if honey {
			return tx.PutHoney(ctx, t.honey(p.UID))
		}
		return tx.DeleteHoney(ctx, t.row.ID, p.UID)
	})
}

// attrHoney is the fact of an event that says whether the person is bait from then on.
const attrHoney = "honey"

// honey is the row of a person who is bait.
func (t *tenant) honey(uid uuid.UUID) Honey {
	mac := t.mac.Sum("honey", uid[:])
	return Honey{Tenant: t.row.ID, UID: uid, MAC: mac[:]}
}

// genuineHoney says whether the service has written a row.
func (t *tenant) genuineHoney(h *Honey) bool {
	return h.Tenant == t.row.ID && t.mac.Verify(h.MAC, "honey", h.UID[:])
}

// IsHoney says whether a person is bait, as far as the events go that this process has
// put into the log. Only the process that sequences knows, while it runs with
// [LogConfig.Seen]; it is quick, and asks nobody.
func (v *Vault) IsHoney(tenant string, uid uuid.UUID) bool {
	t, open := v.lookupTenant(tenant)
	if !open {
		return false
	}
	h, ok := v.bait.get(honeyPlace{t.row.ID, uid})
	return ok && t.genuineHoney(&h)
}

// A honeyPlace names a person.
type honeyPlace struct {
	tenant int32
	uid    uuid.UUID
}

// A honeySet is what this process knows of honey people. Rows may be of anybody's
// making: they are verified where they matter.
type honeySet struct {
	mu      sync.Mutex
	rows    map[honeyPlace]Honey
	changes int64 // by events
}

func (s *honeySet) get(p honeyPlace) (Honey, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.rows[p]
	return h, ok
}

// note takes in what an event says.
func (s *honeySet) note(h Honey, honey bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	p := honeyPlace{h.Tenant, h.UID}
	if !honey {
		delete(s.rows, p)
		return
	}
	if s.rows == nil {
		s.rows = map[honeyPlace]Honey{}
	}
	s.rows[p] = h
}

func (s *honeySet) seen() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changes
}

// replace sets all rows, unless an event came since `seen` that they may not reflect.
func (s *honeySet) replace(rows map[honeyPlace]Honey, seen int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes != seen {
		return false
	}
	s.rows = rows
	return true
}

// noteHoney takes in an event of the log that makes somebody bait or ends that, so that
// no event that follows is missed.
func (v *Vault) noteHoney(tenant string, e *audit.Event) {
	if e.Action != accessctl.ActionHoney || e.Outcome != audit.Allowed {
		return
	}
	if t, open := v.lookupTenant(tenant); open && len(e.Subject) == 1 && e.Subject[0].Key == attrHoney {
		v.bait.note(t.honey(e.UID), e.Subject[0].Value == yesNo(true))
	}
}

// honeyPage is how many rows one statement reads.
const honeyPage = 1000

// loadHoney reads who is bait. What an event says meanwhile counts, and the next load
// goes on from there.
func (v *Vault) loadHoney(ctx context.Context) error {
	seen, rows := v.bait.seen(), map[honeyPlace]Honey{}
	at := honeyPlace{}
	for {
		var page []Honey
		err := v.store.View(ctx, func(tx Tx) (err error) {
			page, err = tx.ListHoney(ctx, at.tenant, at.uid, honeyPage)
			return err
		})
		if err != nil {
			return fmt.Errorf("reading who is bait: %w", err)
		}
		for _, h := range page {
			at = honeyPlace{h.Tenant, h.UID}
			rows[at] = h
		}
		if len(page) < honeyPage {
			v.bait.replace(rows, seen)
			return nil
		}
	}
}

// honeyEvery is how often who is bait is read again: events tell what is new, and the
// rows who was erased.
const honeyEvery = 2 * time.Second

// runHoney reads who is bait until ctx ends, and closes loaded after the first time.
func (v *Vault) runHoney(ctx context.Context, loaded chan<- struct{}) {
	tick := time.NewTicker(honeyEvery)
	defer tick.Stop()
	first, failing := true, false
	for {
		err := v.loadHoney(ctx)
		switch {
		case err == nil && first:
			close(loaded)
			first, failing = false, false
		case err == nil:
			failing = false
		case ctx.Err() == nil && !failing:
			failing = true
			v.log.WarnContext(ctx, "who is bait could not be read; trying again", "every", honeyEvery, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// bait compares rows of honey people with the log.
func (f *checking) bait(ctx context.Context, t *tenant) error {
	stands := map[uuid.UUID]bool{}
	at := uuid.Nil
	for {
		var page []Honey
		err := f.v.store.View(ctx, func(tx Tx) (err error) {
			page, err = tx.ListHoney(ctx, t.row.ID, at, honeyPage)
			return err
		})
		if err != nil {
			return fmt.Errorf("reading who is bait: %w", err)
		}
		full := len(page) == honeyPage
		page = slices.DeleteFunc(page, func(h Honey) bool { return h.Tenant != t.row.ID })
		for i := range page {
			at = page[i].UID
			if !t.genuineHoney(&page[i]) {
				f.report.add(t, at, uuid.Nil, "a row that says bait does not bear its MAC: it was written by SQL and does not count")
				continue
			}
			stands[at] = true
		}
		if !full || len(page) < honeyPage {
			break
		}
	}
	for uid, p := range f.told.people {
		if p.live && p.honey != "" && (p.honey == yesNo(true)) != stands[uid] {
			f.report.add(t, uid, uuid.Nil, "whether this person is bait is not what the log says: a row was removed or put back by SQL")
		}
	}
	return nil
}
