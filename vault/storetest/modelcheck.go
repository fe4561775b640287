package storetest

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/vault"
)

// model runs random transactions, some of which are undone, against the store
// and against a twin in memory. After each, all that can be read is the same.
func model(w *world) {
	undo := errors.New("undo")
	rapid.Check(w.T, func(t *rapid.T) {
		m := newTwin(w.tenant())
		for range rapid.IntRange(1, 6).Draw(t, "transactions") {
			ops := rapid.SliceOfN(operations(), 1, 12).Draw(t, "operations")
			undone := rapid.IntRange(0, 4).Draw(t, "undone") == 0
			var next *twin
			err := w.try(func(ctx context.Context, tx vault.Tx) error {
				next = m.clone() // the function may run again
				for _, o := range ops {
					err := applications()[o.kind](ctx, tx, next, o, func(what string, got, want any) {
						if d := diff(want, got); d != "" {
							t.Fatalf("%s of %+v (-want +got):\n%s", what, o, d)
						}
					})
					if err != nil {
						return err
					}
				}
				if undone {
					return undo
				}
				return nil
			})
			switch {
			case undone && !errors.Is(err, undo), !undone && err != nil:
				t.Fatalf("Update: %v", err)
			case !undone:
				m = next
			}
			if d := diff(m.reading(), w.reading(t, m)); d != "" {
				t.Fatalf("the store is not what it should be (-want +got):\n%s", d)
			}
		}
	})
}

// A reading is all that can be read of a tenant.
type reading struct {
	People    []vault.Subject
	Lives     map[uuid.UUID]livesReading
	Loaded    []vault.LoadedItem
	Policy    int64
	Events    []string
	Unswept   int
	Found     map[string][]vault.Candidate
	Shreds    []vault.Shred
	Live      int64
	Wrapped   map[int32]int64
	Directory []vault.Subject
}

type livesReading struct {
	Keys     []vault.DataKey
	Records  []vault.Record
	Consents []vault.Consent
	History  []vault.Consent
}

// modelQueries are the searches of a reading.
func modelQueries(tenant int32) map[string]vault.IndexQuery {
	return map[string]vault.IndexQuery{
		"1x":  query(tenant, 1, entry(0, 1, "x")),
		"1xx": query(tenant, 1, entry(0, 1, "x"), entry(0, 2, "x")),
		"2y":  query(tenant, 2, entry(0, 1, "y")),
		"2x":  query(tenant, 2, entry(0, 1, "x")),
		"xz":  every(query(tenant, 1), entry(0, 1, "x"), entry(0, 1, "z")),
		"yz":  every(query(tenant, 1, entry(0, 2, "x")), entry(0, 1, "z"), entry(0, 1, "x")),
	}
}

// modelUIDs are all uids that a model may use.
func modelUIDs() (out []uuid.UUID) {
	for person := range modelPeople {
		for generation := range uint32(6) {
			out = append(out, modelUID(person, generation))
		}
	}
	return out
}

func modelLoad(tenant int32) vault.LoadQuery {
	q := vault.LoadQuery{Tenant: tenant, Identity: true}
	for person := range modelPeople {
		q.Items = append(q.Items, vault.Ref{Lookup: modelLookup(person)})
		for pick := range 3 {
			r := modelRef(pick)
			q.Items = append(q.Items, vault.Ref{Lookup: modelLookup(person), Collection: r.Collection, Record: r.Record})
		}
	}
	return q
}

// reading reads a twin.
func (m *twin) reading() reading {
	r := reading{Lives: map[uuid.UUID]livesReading{}, Found: map[string][]vault.Candidate{}, Policy: m.policy, Events: m.events}
	for person := range modelPeople {
		if s, ok := m.people[string(modelLookup(person))]; ok {
			r.People = append(r.People, s)
			if s.State == vault.Erased && s.UID != uuid.Nil {
				r.Unswept++
			}
			if s.State == vault.Live {
				r.Live++
			}
		}
	}
	r.Directory = slices.SortedFunc(slices.Values(r.People), func(a, b vault.Subject) int { return slices.Compare(a.Lookup, b.Lookup) })
	r.Wrapped = map[int32]int64{}
	for _, uid := range modelUIDs() {
		r.Lives[uid] = m.lives[uid].reading()
		for _, k := range m.lives[uid].keys {
			if k.Wrapped != nil {
				r.Wrapped[k.KEKVersion]++
			}
		}
		r.Shreds = slices.AppendSeq(r.Shreds, maps.Values(m.lives[uid].shreds))
	}
	slices.SortFunc(r.Shreds, compareShreds)
	for _, ref := range modelLoad(m.tenant).Items {
		r.Loaded = append(r.Loaded, m.load(ref))
	}
	for name, q := range modelQueries(m.tenant) {
		r.Found[name] = m.search(q)
	}
	return r
}

func (l life) reading() (r livesReading) {
	for _, group := range slices.Sorted(maps.Keys(l.keys)) {
		r.Keys = append(r.Keys, l.keys[group])
	}
	for _, ref := range slices.SortedFunc(maps.Keys(l.records), compareRefs) {
		if rec := l.records[ref]; !rec.Deleted {
			rec.Sealed = nil
			r.Records = append(r.Records, rec)
		}
	}
	for _, purpose := range slices.Sorted(maps.Keys(l.current)) {
		r.Consents = append(r.Consents, l.current[purpose])
	}
	r.History = l.history
	return r
}

// load is what LoadForReveal must answer, said in other words.
func (m *twin) load(ref vault.Ref) (it vault.LoadedItem) {
	s, ok := m.people[string(ref.Lookup)]
	if !ok {
		return it
	}
	it.Subject = &s
	if s.State == vault.Erased {
		return it
	}
	l := m.lives[s.UID]
	it.Keys = l.reading().Keys
	for _, c := range l.reading().Consents {
		c.Evidence, c.Receipt = nil, nil
		it.Consents = append(it.Consents, c)
	}
	if r, ok := l.records[vault.RecordRef{Collection: ref.Collection, Record: ref.Record}]; ok {
		it.Record = &r
	}
	return it
}

func (m *twin) search(q vault.IndexQuery) (out []vault.Candidate) {
	for _, s := range m.people {
		if s.State != vault.Live {
			continue
		}
		for ref, entries := range m.lives[s.UID].index {
			has := func(v vault.IndexEntry) bool {
				return slices.ContainsFunc(entries, func(e vault.IndexEntry) bool {
					return e.Field == q.Field && v.Version == e.Version && slices.Equal(v.Value, e.Value)
				})
			}
			hit := slices.ContainsFunc(q.Values, has) || slices.ContainsFunc(q.Every, func(of vault.IndexEntry) bool {
				return !slices.ContainsFunc(q.Every, func(v vault.IndexEntry) bool { return v.Version == of.Version && !has(v) })
			})
			if hit && ref.Collection == q.Collection {
				out = append(out, candidate(s, ref.Record))
			}
		}
	}
	slices.SortFunc(out, compareCandidates)
	return out
}

// reading reads the store.
func (w *world) reading(t *rapid.T, m *twin) reading {
	r := reading{Lives: map[uuid.UUID]livesReading{}, Found: map[string][]vault.Candidate{}}
	ctx := w.Context()
	err := w.s.View(ctx, func(tx vault.Tx) error { return w.readTx(ctx, tx, m, &r) })
	if err != nil {
		t.Fatalf("reading the store: %v", err)
	}
	loaded, err := w.s.LoadForReveal(ctx, modelLoad(m.tenant))
	if err != nil {
		t.Fatalf("LoadForReveal: %v", err)
	}
	r.Loaded, r.Policy = loaded.Items, loaded.PolicyVersion
	r.Directory = w.scanSubjects(m.tenant, 2)
	return r
}

func (w *world) readTx(ctx context.Context, tx vault.Tx, m *twin, r *reading) error {
	for person := range modelPeople {
		s, err := tx.Subject(ctx, m.tenant, modelLookup(person), vault.NoLock)
		if errors.Is(err, vault.ErrNoRow) {
			continue
		}
		if err != nil {
			return err
		}
		r.People = append(r.People, s)
	}
	for _, uid := range modelUIDs() {
		l, err := readLife(ctx, tx, m.tenant, uid)
		if err != nil {
			return err
		}
		r.Lives[uid] = l
	}
	for name, q := range modelQueries(m.tenant) {
		found, err := tx.SearchIndex(ctx, q)
		if err != nil {
			return err
		}
		r.Found[name] = found
	}
	unswept, err := tx.Unswept(ctx, 100_000)
	if err != nil {
		return err
	}
	for _, s := range unswept {
		if s.Tenant == m.tenant {
			r.Unswept++
		}
	}
	stored, err := tx.Events(ctx, m.tenant, 0, 10_000)
	if err != nil {
		return err
	}
	r.Events = leaves(stored)
	return readWork(ctx, tx, m.tenant, r)
}

func readWork(ctx context.Context, tx vault.Tx, tenant int32, r *reading) (err error) {
	if r.Live, err = tx.CountLive(ctx, tenant); err != nil {
		return err
	}
	if r.Wrapped, _, err = tx.CountKeys(ctx, tenant); err != nil {
		return err
	}
	all, err := tx.Shreds(ctx, 100_000)
	for _, s := range all {
		if s.Tenant == tenant {
			r.Shreds = append(r.Shreds, s)
		}
	}
	return err
}

func readLife(ctx context.Context, tx vault.Tx, tenant int32, uid uuid.UUID) (l livesReading, err error) {
	if l.Keys, err = tx.Keys(ctx, tenant, uid); err != nil {
		return l, err
	}
	if l.Records, err = tx.ListRecords(ctx, tenant, uid, 0, vault.RecordRef{}, 100); err != nil {
		return l, err
	}
	if l.Consents, err = tx.Consents(ctx, tenant, uid); err != nil {
		return l, err
	}
	l.History, err = tx.ConsentHistory(ctx, tenant, uid)
	return l, err
}
