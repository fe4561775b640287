package vault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault/ledger"
)

// A gate stands before everything that shows or stores personal data. It is open
// while the database reflects the whole ledger, which is compared when the service
// starts, and whenever the database has become another incarnation (it was restarted,
// promoted or restored) or its position went back. Erasure, withdrawal, hold and
// restriction pass a closed gate.
type gate struct {
	mu   sync.Mutex // one comparison at a time
	seen atomic.Pointer[compared]
}

// compared is the outcome of the last comparison.
type compared struct {
	incarnation string
	position    int64 // of the database in the ledger
	missing     int64 // entries that the database does not reflect
	why         string
}

func (c *compared) open() bool { return c != nil && c.why == "" }

// compareWithin bounds a comparison that requests wait for.
const compareWithin = 20 * time.Second

// What closes the gate, in words for [Vault.Ready].
const (
	whyBehind  = "the database lacks what the ledger knows, as after a restore: run `fieldvault ledger replay`"
	whyAhead   = "the ledger lacks entries that the database knows it had: it is an older copy or another ledger; put the right one in its place"
	whyCorrupt = "the ledger does not verify: restore it from its copy"
	whySilent  = "the ledger does not answer, and the database may have been restored: see that the ledger can be reached"
)

// guard says whether what was loaded from an incarnation of the database may be
// shown, and compares first if it is a new one.
func (v *Vault) guard(ctx context.Context, incarnation string) error {
	if v.reader == nil {
		return nil
	}
	if c := v.gate.seen.Load(); c != nil && c.incarnation == incarnation {
		if c.open() {
			return nil
		}
		return ErrBehind // until Run finds otherwise
	}
	v.gate.mu.Lock()
	defer v.gate.mu.Unlock()
	c := v.gate.seen.Load()
	if c == nil || c.incarnation != incarnation {
		// For everybody, so no caller's end cuts it short.
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), compareWithin)
		defer cancel()
		c = v.compare(within, incarnation)
	}
	if !c.open() {
		return ErrBehind
	}
	return nil
}

// stillOpen is guard inside a transaction that shows or begins something: a database
// that was restored since the request was let in takes nothing of it.
func (v *Vault) stillOpen(ctx context.Context, tx Tx) error {
	if v.reader == nil {
		return nil
	}
	now, err := tx.Incarnation(ctx)
	if err != nil {
		return fmt.Errorf("reading the incarnation of the database: %w", err)
	}
	if c := v.gate.seen.Load(); c == nil || c.incarnation != now || !c.open() {
		return ErrBehind
	}
	return nil
}

// follow takes in what is new in the ledger. While the gate is open and the database
// is the same, what is new was done by nodes on this very database: nothing has to be
// compared, and the database's position goes on. Else it compares. Run calls it.
func (v *Vault) follow(ctx context.Context) error {
	if v.reader == nil {
		return nil
	}
	l, err := v.store.LoadForReveal(ctx, LoadQuery{Tenant: SystemTenant})
	if err != nil {
		return fmt.Errorf("asking for the database's incarnation: %w", err)
	}
	v.gate.mu.Lock()
	defer v.gate.mu.Unlock()
	was := v.gate.seen.Load()
	if was.open() && was.incarnation == l.Incarnation {
		if same, err := v.goOn(ctx, was); same || err != nil {
			return err
		}
	}
	c := v.compare(ctx, l.Incarnation)
	if was != nil && was.open() != c.open() || !c.open() && was != c && (was == nil || was.why != c.why) {
		v.log.WarnContext(ctx, "the gate before personal data has moved", "open", c.open(), "why", c.why, "missing", c.missing)
	}
	return nil
}

// goOn follows the ledger on a database that has not changed. It says false if it
// has, after all: its position went back, or the ledger is shorter than it was.
func (v *Vault) goOn(ctx context.Context, was *compared) (same bool, err error) {
	position, head, err := v.positions(ctx)
	switch {
	case errors.Is(err, errLedgerShort):
		return false, nil
	case err != nil:
		return false, err
	case position < was.position || head < position:
		return false, nil
	}
	if err := v.learn(ctx, head); err != nil {
		return false, err
	}
	if head == position {
		return true, nil
	}
	if err := v.raisePosition(ctx, head, was.incarnation); err != nil {
		return false, err
	}
	v.gate.seen.Store(&compared{incarnation: was.incarnation, position: head})
	return true, nil
}

// positions are how far the database reflects the ledger, and how far the ledger goes.
func (v *Vault) positions(ctx context.Context) (position, head int64, err error) {
	err = v.store.View(ctx, func(tx Tx) (err error) {
		position, err = tx.LedgerPosition(ctx)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("reading the ledger's position: %w", err)
	}
	if head, err = v.reader.Head(ctx); err != nil {
		return 0, 0, fmt.Errorf("asking the ledger: %w", err)
	}
	if head < v.known.Position() {
		return 0, 0, errLedgerShort // it had more
	}
	return position, head, nil
}

// errMoved: the database has become another incarnation since it was compared.
var errMoved = fmt.Errorf("%w: the database has just been restarted", ErrUnavailable)

// raisePosition notes how far the database reflects the ledger, if it still is the
// one that was compared.
func (v *Vault) raisePosition(ctx context.Context, head int64, incarnation string) error {
	err := v.store.Update(ctx, func(tx Tx) error {
		now, err := tx.Incarnation(ctx)
		if err != nil {
			return err
		}
		if now != incarnation {
			return errMoved
		}
		return tx.RaiseLedgerPosition(ctx, head)
	})
	if err != nil {
		return fmt.Errorf("noting the ledger's position: %w", err)
	}
	return nil
}

// compare compares the database with the ledger, and keeps the outcome. A ledger
// that does not answer leaves a gate open that was compared in this incarnation.
func (v *Vault) compare(ctx context.Context, incarnation string) *compared {
	c := &compared{incarnation: incarnation}
	var err error
	for range 3 { // what others do meanwhile can look like a difference once
		c.missing, c.position, err = v.missing(ctx, incarnation)
		if err != nil || c.missing == 0 {
			break
		}
		if err = v.drain(ctx); err != nil {
			break
		}
	}
	switch {
	case errors.Is(err, errLedgerShort):
		c.why = whyAhead
	case errors.Is(err, ledger.ErrCorrupt):
		c.why = whyCorrupt
	case err != nil:
		if was := v.gate.seen.Load(); was.open() && was.incarnation == incarnation {
			return was
		}
		c.why = whySilent
	case c.missing > 0:
		c.why = whyBehind
	}
	if err != nil {
		v.log.WarnContext(ctx, "comparing with the ledger", "error", err)
	}
	v.gate.seen.Store(c)
	return c
}

// errLedgerShort: the ledger has fewer entries than the database knows of.
var errLedgerShort = errors.New("the ledger is shorter than the database says")

// missing counts entries of the ledger that the database does not reflect, from
// where it last did, and feeds the index in memory. When there are none it notes
// in the database how far it got.
func (v *Vault) missing(ctx context.Context, incarnation string) (n, reached int64, err error) {
	position, head, err := v.positions(ctx)
	if err != nil {
		return 0, 0, err
	}
	if head < position {
		return 0, 0, errLedgerShort
	}
	if err := v.learn(ctx, head); err != nil {
		return 0, 0, err
	}
	if head == position {
		return 0, head, nil
	}
	d := newDifference(v, head, false)
	if err := d.read(ctx, position); err != nil {
		return 0, 0, err
	}
	if n, err = d.count(ctx); err != nil || n > 0 {
		return n, position, err
	}
	return 0, head, v.raisePosition(ctx, head, incarnation)
}

// learn feeds the index in memory up to the head.
func (v *Vault) learn(ctx context.Context, head int64) error {
	for v.known.Position() < head {
		page, err := v.reader.Read(ctx, v.known.Position(), ledgerPage)
		if err != nil {
			return fmt.Errorf("reading the ledger: %w", err)
		}
		if len(page) == 0 {
			return fmt.Errorf("reading the ledger: %w", ledger.ErrCorrupt)
		}
		if err := v.verify(page); err != nil {
			return err
		}
		if err := v.known.Add(page); err != nil {
			return err
		}
	}
	return nil
}

// verify checks the MACs of entries. Those of a tenant that is not open here, or
// that the database does not have, speak of nobody whom it could show.
func (v *Vault) verify(page []ledger.Placed) error {
	for i := range page {
		if t, open := v.lookupTenant(page[i].Tenant); open && !t.genuine(&page[i].Entry) {
			return fmt.Errorf("%w: position %d bears no MAC of its tenant", ledger.ErrCorrupt, page[i].Position)
		}
	}
	return nil
}

// erasedBefore says whether the ledger knows that this life was erased: a row that
// was put back by SQL opens nothing.
func (v *Vault) erasedBefore(t *tenant, uid uuid.UUID) bool {
	return v.reader != nil && v.known.Erased(t.row.Name, uid)
}

// living leaves out keys of epochs that the ledger knows to be dead.
func (v *Vault) living(t *tenant, uid uuid.UUID, keys []DataKey) []DataKey {
	if v.reader == nil {
		return keys
	}
	for i := range keys {
		if keys[i].Wrapped != nil && keys[i].Epoch < v.known.GroupEpoch(t.row.Name, uid, keys[i].Group) {
			keys[i].Wrapped = nil
		}
	}
	return keys
}

// revived says whether a group is of an epoch that the ledger knows to be dead.
func (v *Vault) revived(t *tenant, uid uuid.UUID, keys []DataKey) bool {
	if v.reader == nil {
		return false
	}
	for i := range keys {
		if keys[i].Epoch < v.known.GroupEpoch(t.row.Name, uid, keys[i].Group) {
			return true
		}
	}
	return false
}

// ledgerEvery is how often Run follows the ledger.
const ledgerEvery = time.Second
