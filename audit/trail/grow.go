package trail

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/tree"
)

// A growing log is the compact form of one that is in the store.
type growing struct {
	tenant Tenant
	tree   tree.Range
}

// A place is an event that a plan puts into a log.
type place struct {
	index int64
	event *audit.Event
}

// A plan is what one step does to the log of one tenant.
type plan struct {
	growth Growth
	log    growing // as it is then
	places []place
	oldest time.Time
}

// Why a row is refused, for operators.
const (
	whyForm   = "it is no event, or another tenant's"
	whyMAC    = "it does not bear the service's MAC: it was written or changed by SQL"
	whyFar    = "its id was not given by the database: it was written by SQL"
	whyTwice  = "its event is in the log already: it was copied by SQL"
	whyBroken = "the log does not fit its signed checkpoint"
)

// plan decides about the rows of a batch.
func (s *Sequencer) plan(ctx context.Context, b *batch) ([]plan, error) {
	by := byTenant(b.rows)
	if slices.ContainsFunc(b.rows, func(r Row) bool { return r.own == nil }) {
		b.held = s.hand.holds()
	}
	var plans []plan
	for id, rows := range by {
		t, open := s.cfg.Tenant(id)
		if !open || s.isAltered(id) {
			b.after.wait(id, rows[0].ID)
			continue
		}
		p, err := s.planOf(ctx, id, t, rows, b)
		switch {
		case errors.Is(err, ErrAltered):
			s.noteAltered(ctx, id, t)
			b.after.wait(id, rows[0].ID)
		case err != nil:
			s.drop()
			return nil, err
		case len(p.places) > 0:
			plans = append(plans, p)
		}
	}
	return plans, nil
}

// byTenant sorts rows by tenant; those of each stay in their order.
func byTenant(rows []Row) map[int32][]Row {
	many := map[int32]int{}
	for i := range rows {
		many[rows[i].Tenant]++
	}
	by := make(map[int32][]Row, len(many))
	for id, n := range many {
		if n == len(rows) {
			by[id] = rows
			return by
		}
		by[id] = make([]Row, 0, n)
	}
	for i := range rows {
		by[rows[i].Tenant] = append(by[rows[i].Tenant], rows[i])
	}
	return by
}

func (in *intake) wait(tenant int32, id int64) {
	if have, ok := in.waiting[tenant]; !ok || id < have {
		in.waiting[tenant] = id
	}
}

func (s *Sequencer) isAltered(tenant int32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.altered[tenant] != ""
}

func (s *Sequencer) noteAltered(ctx context.Context, tenant int32, t Tenant) {
	s.mu.Lock()
	s.altered[tenant] = whyBroken
	s.mu.Unlock()
	s.cfg.Logger.ErrorContext(ctx, "the audit log does not fit its signed checkpoint and is not grown: run `fieldvault audit verify --store`", "tenant", t.Name)
	s.cfg.Refused(tenant, 0, whyBroken)
}

// planOf appends the rows of one tenant that count to a copy of its log. Those whose
// events are held in the hand wait.
func (s *Sequencer) planOf(ctx context.Context, id int32, t Tenant, rows []Row, b *batch) (plan, error) {
	log, err := s.logOf(ctx, id, t)
	if err != nil {
		return plan{}, err
	}
	roots := log.tree.Roots()
	copied, err := tree.NewRange(log.tree.Size(), slices.Clone(roots))
	if err != nil {
		return plan{}, fmt.Errorf("%w: %w", ErrAltered, err)
	}
	p := plan{log: growing{tenant: t, tree: copied}, growth: Growth{Tenant: id, From: copied.Size()}}
	parsed := parseRows(t, rows)
	known, err := s.known(ctx, id, rows, parsed)
	if err != nil {
		return plan{}, err
	}
	n := 0
	for i := range parsed {
		n += len(parsed[i].events)
	}
	p.growth.Leaves, p.places = make([]Leaf, 0, n), make([]place, 0, n)
	for i := range parsed {
		x := &parsed[i]
		if rows[i].own == nil && x.why == "" {
			if x.in(b.held) {
				b.after.missing[rows[i].ID] = s.round.Load()
				b.later++
				continue
			}
			if x.taken(known) {
				x.why = whyTwice
			}
		}
		if x.why != "" {
			s.refuse(ctx, &rows[i], x.why)
			continue
		}
		p.add(rows[i].ID, x)
	}
	if len(p.places) > 0 {
		err = p.sign(s.cfg.Origin, s.cfg.Signer(), s.cfg.Now())
	}
	return p, err
}

// A parsedRow is its events and the hashes of their leaves, or why it does not count.
type parsedRow struct {
	events []audit.Event
	hashes []tree.Hash
	why    string
}

// in says whether one of the row's events is in a set.
func (x *parsedRow) in(set map[uuid.UUID]bool) bool {
	return slices.ContainsFunc(x.events, func(e audit.Event) bool { return set[e.ID] })
}

// taken says whether one of the row's events is known, or twice in it; else all are known
// from then on.
func (x *parsedRow) taken(known map[uuid.UUID]int64) bool {
	for i := range x.events {
		id := x.events[i].ID
		if _, twice := known[id]; twice || slices.ContainsFunc(x.events[:i], func(e audit.Event) bool { return e.ID == id }) {
			return true
		}
	}
	for i := range x.events {
		known[x.events[i].ID] = 0
	}
	return false
}

// known says which events of rows are in the log already. What this process has written
// itself is not looked for: nothing that holds it was let in.
func (s *Sequencer) known(ctx context.Context, id int32, rows []Row, parsed []parsedRow) (map[uuid.UUID]int64, error) {
	var ids []uuid.UUID
	for i := range parsed {
		if rows[i].own == nil {
			for j := range parsed[i].events {
				ids = append(ids, parsed[i].events[j].ID)
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	var known map[uuid.UUID]int64
	err := s.cfg.Store.View(ctx, func(tx Tx) (err error) {
		known, err = tx.Known(ctx, id, ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for events in the log: %w", err)
	}
	if known == nil {
		known = map[uuid.UUID]int64{}
	}
	for i := range rows {
		for j := range rows[i].own {
			known[rows[i].own[j].ID] = 0
		}
	}
	return known, nil
}

// parseRows reads rows on all cores, so that requests that keep them busy leave the
// sequencer more than the turn of one of them.
func parseRows(t Tenant, rows []Row) []parsedRow {
	const part = 256
	list := make([]parsedRow, len(rows))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (len(rows)+part-1)/part) {
		wg.Go(func() {
			for from := int(next.Add(part)) - part; from < len(rows); from = int(next.Add(part)) - part {
				for i := from; i < min(from+part, len(rows)); i++ {
					list[i] = t.parse(&rows[i])
				}
			}
		})
	}
	wg.Wait()
	return list
}

func (t *Tenant) parse(r *Row) parsedRow {
	if r.own != nil {
		return parsedRow{events: r.own, hashes: r.hashes}
	}
	keepers := len(r.MAC) == 0
	if keepers && eventsIn(r.Leaf) > 1 {
		return parsedRow{why: whyMAC}
	}
	leaves, err := Unpack(r.Leaf)
	if err != nil {
		return parsedRow{why: whyForm}
	}
	x := parsedRow{hashes: make([]tree.Hash, len(leaves))}
	for i, leaf := range leaves {
		x.hashes[i] = tree.LeafHash(leaf)
	}
	if !keepers && !t.Vouches(x.hashes, r.MAC) {
		return parsedRow{why: whyMAC}
	}
	x.events = make([]audit.Event, len(leaves))
	for i, leaf := range leaves {
		if x.events[i], err = audit.ParseLeaf(leaf); err != nil || x.events[i].Tenant != t.Name || !together(&x.events[0], &x.events[i], i) {
			return parsedRow{why: whyForm}
		}
	}
	if keepers && !t.Keeps(&x.events[0]) {
		return parsedRow{why: whyMAC}
	}
	return x
}

// together says whether an event may be the one of the given number in the row of another.
func together(first, e *audit.Event, part int) bool {
	return e.ID == PartID(FirstID(first.ID), part) && e.Time.Equal(first.Time)
}

func (s *Sequencer) refuse(ctx context.Context, r *Row, why string) {
	s.refused.Add(1)
	s.cfg.Logger.ErrorContext(ctx, "a row of the audit intake is refused", "row", r.ID, "tenant", r.Tenant, "why", why)
	s.cfg.Refused(r.Tenant, r.ID, why)
}

// add appends the events of a row.
func (p *plan) add(row int64, x *parsedRow) {
	for i := range x.events {
		index, e := p.log.tree.Size(), &x.events[i]
		p.log.tree.Append(x.hashes[i], func(level int, n int64, h tree.Hash) {
			p.growth.Nodes = append(p.growth.Nodes, Node{Level: level, N: n, Hash: h})
		})
		p.growth.Leaves = append(p.growth.Leaves, Leaf{Index: index, Row: row, Part: i, Hash: x.hashes[i], Event: e.ID, About: e.UID, At: e.Time})
		p.places = append(p.places, place{index, e})
		if p.oldest.IsZero() || e.Time.Before(p.oldest) {
			p.oldest = e.Time
		}
	}
}

// sign makes the checkpoint.
func (p *plan) sign(service string, by Signer, now time.Time) error {
	c := tree.Checkpoint{Origin: Origin(service, p.log.tenant.Name), Size: p.log.tree.Size(), Root: p.log.tree.Root()}
	signed, err := c.Sign(by.Public(), by.SignNote)
	if err != nil {
		return fmt.Errorf("signing a checkpoint: %w", err)
	}
	p.growth.Head = Head{Size: c.Size, At: now, Signed: signed}
	return nil
}

// logOf returns the log of a tenant as it stands in the store, checked against its
// last checkpoint.
func (s *Sequencer) logOf(ctx context.Context, id int32, t Tenant) (*growing, error) {
	if log := s.logs[id]; log != nil {
		return log, nil
	}
	var log *growing
	err := s.cfg.Store.View(ctx, func(tx Tx) (err error) {
		log, err = load(ctx, tx, id, t, Origin(s.cfg.Origin, t.Name), s.cfg.Signer())
		return err
	})
	if err != nil {
		return nil, err
	}
	s.logs[id] = log
	return log, nil
}

func load(ctx context.Context, tx Tx, id int32, t Tenant, origin string, by Signer) (*growing, error) {
	head, err := tx.Head(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading the head of the log: %w", err)
	}
	_, beyond, err := firstBeyond(ctx, tx, id, head.Size)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the head of the log: %w", err)
	case beyond:
		return nil, fmt.Errorf("%w: there are leaves, hashes or an index of people beyond it", ErrAltered)
	}
	if head.Size == 0 {
		return &growing{tenant: t}, nil
	}
	c, err := tree.OpenCheckpoint(head.Signed, origin, by.Public())
	if err != nil || c.Size != head.Size {
		return nil, fmt.Errorf("%w: the checkpoint does not verify", ErrAltered)
	}
	r, err := rangeOf(ctx, tx, id, c.Size)
	if err != nil {
		return nil, err
	}
	if r.Root() != c.Root {
		return nil, ErrAltered
	}
	return &growing{tenant: t, tree: r}, nil
}

// firstBeyond looks for leaves, hashes and what finds entries by person that a log of the
// given size does not have, and returns the first index that they are of.
func firstBeyond(ctx context.Context, tx Tx, tenant int32, size int64) (index int64, found bool, err error) {
	leaves, err := tx.FindEntries(ctx, tenant, Find{FromIndex: size, Limit: 1})
	if err != nil {
		return 0, false, err
	}
	if len(leaves) > 0 {
		return leaves[0].Index, true, nil
	}
	for level := 1; level*tree.Height < 63; level++ {
		nodes, err := tx.Hashes(ctx, tenant, level, size>>(level*tree.Height), math.MaxInt64)
		if err != nil || len(nodes) > 0 {
			return size, len(nodes) > 0, err
		}
	}
	return tx.Misfiled(ctx, tenant, size, math.MaxInt64)
}

// rangeOf reads the compact form of a log of the given size.
func rangeOf(ctx context.Context, tx Tx, tenant int32, size int64) (tree.Range, error) {
	var roots []tree.Hash
	begin := int64(0)
	for i := bits.Len64(uint64(size)) - 1; i >= 0; i-- { //nolint:gosec // not negative
		width := int64(1) << i
		if size&width == 0 {
			continue
		}
		level, per := i/tree.Height, int64(1)<<(i%tree.Height)
		from := begin >> (level * tree.Height)
		list, err := tx.Hashes(ctx, tenant, level, from, from+per)
		if err != nil {
			return tree.Range{}, fmt.Errorf("reading the tree: %w", err)
		}
		if int64(len(list)) != per {
			return tree.Range{}, fmt.Errorf("%w: a part of the tree is not there", ErrAltered)
		}
		var sub tree.Range
		for _, h := range list {
			sub.Append(h, nil)
		}
		roots = append(roots, sub.Root())
		begin += width
	}
	r, err := tree.NewRange(size, roots)
	if err != nil {
		return r, fmt.Errorf("%w: %w", ErrAltered, err)
	}
	return r, nil
}

// store makes what was planned durable, and then tells of it.
func (s *Sequencer) store(ctx context.Context, b *batch, plans []plan) error {
	settled := b.after.settled()
	if len(plans) > 0 || settled > s.lease.Settled {
		gs := make([]Growth, len(plans))
		for i := range plans {
			gs[i] = plans[i].growth
		}
		err := s.cfg.Store.Update(ctx, func(tx Tx) error { return tx.Grow(ctx, s.lease, settled, gs) })
		if err != nil {
			s.drop() // it may stand all the same
			return fmt.Errorf("growing the logs: %w", err)
		}
		s.lease.Settled = settled
	}
	s.intake = b.after
	s.gaps.Store(int64(len(s.intake.missing)))
	s.tell(plans)
	return nil
}

// tell adopts the logs as they are now and passes their events on.
func (s *Sequencer) tell(plans []plan) {
	lag, now := time.Duration(0), s.cfg.Now()
	for i := range plans {
		p := &plans[i]
		s.logs[p.growth.Tenant] = &p.log
		s.sequenced.Add(int64(len(p.places)))
		lag = max(lag, now.Sub(p.oldest))
		for j := range p.places {
			s.cfg.Seen(p.log.tenant.Name, p.places[j].index, p.places[j].event)
		}
	}
	s.lag.Store(lag.Microseconds())
}
