package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/vault"
)

// A life is what an in-memory store knows of one uid.
type life struct {
	keys    map[uint32]vault.DataKey
	records map[vault.RecordRef]vault.Record
	index   map[vault.RecordRef][]vault.IndexEntry
	current map[string]vault.Consent
	history []vault.Consent
	shreds  map[uint32]vault.Shred
}

// A twin is an in-memory store of one tenant: what a store must be equal to.
type twin struct {
	tenant int32
	people map[string]vault.Subject // by lookup
	lives  map[uuid.UUID]life
	events []string
	policy int64
}

func newTwin(tenant int32) *twin {
	return &twin{tenant: tenant, people: map[string]vault.Subject{}, lives: map[uuid.UUID]life{}}
}

// clone copies a twin, for a transaction that may be undone.
func (m *twin) clone() *twin {
	n := &twin{
		tenant: m.tenant, people: maps.Clone(m.people), lives: map[uuid.UUID]life{},
		events: slices.Clone(m.events), policy: m.policy,
	}
	for uid, l := range m.lives {
		n.lives[uid] = life{maps.Clone(l.keys), maps.Clone(l.records), maps.Clone(l.index), maps.Clone(l.current), slices.Clone(l.history), maps.Clone(l.shreds)}
	}
	return n
}

// life gives what is known of a uid, made if need be.
func (m *twin) life(uid uuid.UUID) life {
	if _, ok := m.lives[uid]; !ok {
		m.lives[uid] = life{
			map[uint32]vault.DataKey{},
			map[vault.RecordRef]vault.Record{},
			map[vault.RecordRef][]vault.IndexEntry{},
			map[string]vault.Consent{},
			nil,
			map[uint32]vault.Shred{},
		}
	}
	return m.lives[uid]
}

// live says whether somebody living has the uid.
func (m *twin) live(uid uuid.UUID) bool {
	for _, s := range m.people {
		if s.UID == uid {
			return s.State == vault.Live
		}
	}
	return false
}

// An operation does the same to a store and to its twin, and reports a
// difference between their answers.
type operation struct {
	person int // which of a few people
	pick   int // which of a few groups, records, purposes
	extra  int // anything else
	kind   int
}

const modelPeople = 3

func modelLookup(person int) []byte { return lookup(fmt.Sprint("model", person)) }

func modelUID(person int, generation uint32) uuid.UUID {
	return uuid.UUID(hash(fmt.Sprint("uid", person, generation))[:16])
}

func modelRef(pick int) vault.RecordRef {
	return []vault.RecordRef{{Collection: 1, Record: "a"}, {Collection: 1, Record: "A"}, {Collection: 2, Record: "a"}}[pick%3]
}

func operations() *rapid.Generator[operation] {
	return rapid.Custom(func(t *rapid.T) operation {
		return operation{
			person: rapid.IntRange(0, modelPeople-1).Draw(t, "person"),
			pick:   rapid.IntRange(0, 2).Draw(t, "pick"),
			extra:  rapid.IntRange(0, 5).Draw(t, "extra"),
			kind:   rapid.IntRange(0, len(applications())-1).Draw(t, "kind"),
		}
	})
}

// An application applies an operation. same reports a difference.
type application func(ctx context.Context, tx vault.Tx, m *twin, o operation, same func(what string, got, want any)) error

func applications() []application {
	return []application{
		applyEnrol, applyEnrol, applyErase, applyForget, applyMark, applyInsertKey, applyInsertKey, applyDestroyGroup,
		applyPut, applyPut, applyDelete, applyIndex, applyIndex, applyConsent, applyEvent, applyPolicy, applySweep,
		applyRewrap, applyReplaceKey, applyPutShred, applyDeleteShred,
	}
}

// uid is the uid of the operation's person, of the first generation if unknown.
func (o operation) uid(m *twin) uuid.UUID {
	if s, ok := m.people[string(modelLookup(o.person))]; ok && s.UID != uuid.Nil {
		return s.UID
	}
	return modelUID(o.person, 1)
}

func applyEnrol(ctx context.Context, tx vault.Tx, m *twin, o operation, same func(string, any, any)) error {
	lookup := modelLookup(o.person)
	old, known := m.people[string(lookup)]
	s := vault.Subject{
		Tenant: m.tenant, Lookup: lookup, Generation: old.Generation + 1, State: vault.Live,
		Mark: hash("mark"), SealedID: []byte("id"), Created: instant(o.extra),
	}
	s.UID = modelUID(o.person, s.Generation)
	if known && old.State == vault.Erased {
		m.people[string(lookup)] = s
		return tx.UpdateSubject(ctx, s, old.Generation)
	}
	inserted, err := tx.InsertSubject(ctx, s)
	same("InsertSubject", inserted, !known)
	if !known {
		m.people[string(lookup)] = s
	}
	return err
}

func applyErase(ctx context.Context, tx vault.Tx, m *twin, o operation, same func(string, any, any)) error {
	s, known := m.people[string(modelLookup(o.person))]
	if !known || s.State == vault.Erased {
		return nil
	}
	l := m.life(s.UID)
	var want []vault.DataKey
	for _, group := range slices.Sorted(maps.Keys(l.keys)) {
		if k := l.keys[group]; k.Wrapped != nil {
			want = append(want, less(k)...)
		}
	}
	clear(l.keys)
	e := erasedForm(s)
	m.people[string(s.Lookup)] = e
	got, err := tx.DestroyKeys(ctx, m.tenant, s.UID)
	same("DestroyKeys", got, want)
	if err != nil {
		return err
	}
	return tx.UpdateSubject(ctx, e, s.Generation)
}

func applyForget(ctx context.Context, tx vault.Tx, m *twin, o operation, _ func(string, any, any)) error {
	s, known := m.people[string(modelLookup(o.person))]
	if !known || s.State != vault.Erased {
		return nil
	}
	s.UID = uuid.Nil
	m.people[string(s.Lookup)] = s
	return tx.UpdateSubject(ctx, s, s.Generation)
}

// applyMark changes a row, naming the right generation or a wrong one.
func applyMark(ctx context.Context, tx vault.Tx, m *twin, o operation, same func(string, any, any)) error {
	s, known := m.people[string(modelLookup(o.person))]
	if !known {
		s = vault.Subject{Tenant: m.tenant, Lookup: modelLookup(o.person), Generation: 1, State: vault.Live, UID: modelUID(o.person, 1), Mark: hash("m")}
	}
	generation := s.Generation + []uint32{0, 1, 2}[o.pick]
	s.Held, s.Restricted, s.Note = o.extra%2 == 0, o.extra%3 == 0, fmt.Append(nil, o.extra)
	err := tx.UpdateSubject(ctx, s, generation)
	right := known && generation == s.Generation
	same("UpdateSubject of the right generation", err == nil, right)
	if right {
		m.people[string(s.Lookup)] = s
		return err
	}
	if errors.Is(err, vault.ErrStale) {
		return nil
	}
	return err
}

func applyInsertKey(ctx context.Context, tx vault.Tx, m *twin, o operation, same func(string, any, any)) error {
	uid := o.uid(m)
	l := m.life(uid)
	k := dataKey(group(o.pick), []uint32{1, 1, 2, 2, 3, 3}[o.extra])
	if !m.live(uid) {
		_, err := tx.InsertKey(ctx, m.tenant, uid, k)
		same("InsertKey of nobody living", errors.Is(err, vault.ErrNoRow), true)
		return nil
	}
	old, ok := l.keys[k.Group]
	want := !ok || old.Epoch == k.Epoch && old.Wrapped == nil
	got, err := tx.InsertKey(ctx, m.tenant, uid, k)
	same("InsertKey", got, want)
	if want {
		l.keys[k.Group] = k
	}
	return err
}

func applyDestroyGroup(ctx context.Context, tx vault.Tx, m *twin, o operation, same func(string, any, any)) error {
	uid, group := o.uid(m), group(o.pick)
	if !m.live(uid) {
		_, err := tx.DestroyGroup(ctx, m.tenant, uid, group)
		same("DestroyGroup of nobody living", errors.Is(err, vault.ErrNoRow), true)
		return nil
	}
	l := m.life(uid)
	old, ok := l.keys[group]
	if !ok {
		old = vault.DataKey{Group: group, Epoch: 1}
	}
	l.keys[group] = vault.DataKey{Group: group, Epoch: old.Epoch + 1}
	got, err := tx.DestroyGroup(ctx, m.tenant, uid, group)
	same("DestroyGroup", got, less(old)[0])
	return err
}

func applyPut(ctx context.Context, tx vault.Tx, m *twin, o operation, same func(string, any, any)) error {
	return applyRecord(ctx, tx, m, o, same, store(fmt.Append(nil, "sealed ", o.extra)))
}

func applyDelete(ctx context.Context, tx vault.Tx, m *twin, o operation, same func(string, any, any)) error {
	return applyRecord(ctx, tx, m, o, same, remove)
}

func applyRecord(ctx context.Context, tx vault.Tx, m *twin, o operation, same func(string, any, any), change func(*vault.Record)) error {
	uid, ref := o.uid(m), modelRef(o.pick)
	l := m.life(uid)
	want, ok := l.records[ref]
	if !ok {
		want = vault.Record{Collection: ref.Collection, Record: ref.Record, Deleted: true}
	}
	got, err := tx.LockRecord(ctx, m.tenant, uid, ref)
	same("LockRecord", got, want)
	if err != nil {
		return err
	}
	if o.extra != 0 { // else the row was only locked
		change(&want)
		err = tx.PutRecord(ctx, m.tenant, uid, want)
	}
	l.records[ref] = want
	return err
}

func applyIndex(ctx context.Context, tx vault.Tx, m *twin, o operation, _ func(string, any, any)) error {
	uid, ref := o.uid(m), modelRef(o.pick)
	l := m.life(uid)
	entries := []vault.IndexEntry{entry(1, 1, "x"), entry(2, 1, "y"), entry(1, 2, "x"), entry(1, 1, "z")}[:o.extra%5]
	var fields []uint32
	var kept []vault.IndexEntry
	if o.extra%2 == 0 {
		fields = []uint32{1}
		for _, e := range l.index[ref] {
			if e.Field != 1 {
				kept = append(kept, e)
			}
		}
	}
	l.index[ref] = slices.Concat(kept, entries)
	return tx.ReplaceIndex(ctx, m.tenant, uid, ref, fields, entries)
}

func applyConsent(ctx context.Context, tx vault.Tx, m *twin, o operation, _ func(string, any, any)) error {
	uid := o.uid(m)
	l := m.life(uid)
	c := consentOf(fmt.Sprint("purpose", o.pick), []string{"granted", "refused", "withdrawn"}[o.extra%3], o.extra)
	l.current[c.Purpose] = c
	l.history = append(l.history, c)
	m.lives[uid] = l
	return tx.PutConsent(ctx, m.tenant, uid, c)
}

func applyEvent(ctx context.Context, tx vault.Tx, m *twin, o operation, _ func(string, any, any)) error {
	leaf := fmt.Sprint("event ", o)
	m.events = append(m.events, leaf)
	return tx.AppendEvent(ctx, vault.Intake{Tenant: m.tenant, Leaf: []byte(leaf)})
}

func applyPolicy(ctx context.Context, tx vault.Tx, m *twin, o operation, same func(string, any, any)) error {
	version := m.policy + int64(o.pick)
	err := tx.InsertDocument(ctx, m.tenant, vault.DocumentPolicy, vault.Document{Version: version, Body: []byte("p"), By: "me", Created: instant(0)})
	same("InsertDocument of the next version", err == nil, o.pick == 1)
	if o.pick == 1 {
		m.policy = version
		return err
	}
	if errors.Is(err, vault.ErrStale) {
		return nil
	}
	return err
}

// applySweep sweeps what the person's life before this one left, to the end.
func applySweep(ctx context.Context, tx vault.Tx, m *twin, o operation, _ func(string, any, any)) error {
	s := m.people[string(modelLookup(o.person))]
	uid := modelUID(o.person, s.Generation-1)
	if s.State == vault.Erased {
		uid = modelUID(o.person, s.Generation)
	}
	delete(m.lives, uid)
	for {
		n, err := tx.Sweep(ctx, m.tenant, uid, 2)
		if err != nil || n == 0 {
			return err
		}
	}
}
