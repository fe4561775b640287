package vault_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// A watched store counts the rows that a sequencer reads.
type watchedStore struct {
	trail.Store
	read, looked int
}

func (c *watchedStore) View(ctx context.Context, f func(trail.Tx) error) error {
	return c.Store.View(ctx, func(tx trail.Tx) error { return f(watchedTx{tx, c}) })
}

type watchedTx struct {
	trail.Tx
	c *watchedStore
}

func (t watchedTx) Pending(ctx context.Context, after int64, named []int64, limit int) ([]trail.Row, error) {
	rows, err := t.Tx.Pending(ctx, after, named, limit)
	t.c.read += len(rows)
	return rows, err
}

func (t watchedTx) Known(ctx context.Context, tenant int32, events []uuid.UUID) (map[uuid.UUID]int64, error) {
	t.c.looked += len(events)
	return t.Tx.Known(ctx, tenant, events)
}

// A scribe writes events as a process does that may lead.
type scribe struct {
	v     *vaulttest.Vault
	s     *trail.Sequencer
	store *watchedStore
}

func newScribe(t testing.TB, v *vaulttest.Vault, owner string) *scribe {
	t.Helper()
	c := &watchedStore{Store: vault.LogStore(v.Store)}
	key := signer{ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	s, err := trail.New(trail.Config{
		Store: c, Origin: "hand.example.org", Owner: owner, Now: v.Clock.Now, Logger: slog.New(slog.DiscardHandler), Batch: 50,
		Signer: func() trail.Signer { return key },
		Tenant: func(int32) (trail.Tenant, bool) {
			return trail.Tenant{Name: vaulttest.Tenant, Vouches: func([]tree.Hash, []byte) bool { return true }, Keeps: func(*audit.Event) bool { return true }}, true
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &scribe{v, s, c}
}

// A writing is events on their way.
type writing struct {
	intake   []vault.Intake
	rows     []int64
	expected *trail.Expected
}

// begin tells the sequencer of events in rows of so many each.
func (x *scribe) begin(t testing.TB, rows ...int) *writing {
	t.Helper()
	w := &writing{}
	var events []audit.Event
	var leaves []tree.Hash
	var ends []int
	var pack trail.Packer
	for _, n := range rows {
		first := trail.FirstID(vaulttest.NewID())
		for part := range n {
			e := audit.Event{
				ID: trail.PartID(first, part), Tenant: vaulttest.Tenant, Time: x.v.Clock.Now(), UID: vaulttest.NewID(),
				Actor: "https://issuer.example.org#app", Action: "reveal", Outcome: audit.Allowed,
			}
			leaf, err := e.AppendLeaf(nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := pack.Add(leaf); err != nil {
				t.Fatal(err)
			}
			events, leaves = append(events, e), append(leaves, tree.LeafHash(leaf))
		}
		w.intake, ends = append(w.intake, vault.Intake{Tenant: 1, Leaf: pack.Append(nil), MAC: []byte{1}}), append(ends, len(events))
	}
	w.expected = x.s.Expect(1, events, leaves, ends)
	return w
}

// store makes them durable.
func (x *scribe) write(t testing.TB, w *writing) []int64 {
	t.Helper()
	rows, err := x.v.Store.AppendEvents(t.Context(), w.intake)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func (x *scribe) step(t testing.TB) {
	t.Helper()
	for {
		n, err := x.s.Step(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// stands checks that the log has the events of each row once, and where it says; in which
// row does not matter if there are several.
func stands(t testing.TB, v *vaulttest.Vault, intake []vault.Intake, times int) {
	t.Helper()
	var all []trail.Entry
	err := v.Store.View(t.Context(), func(tx vault.Tx) (err error) {
		all, err = tx.Entries(t.Context(), 1, 0, 1<<40)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for i := range all {
		e, err := audit.ParseLeaf(all[i].Body)
		if err != nil || e.ID != all[i].Event || e.UID != all[i].About || !e.Time.Equal(all[i].At) {
			t.Errorf("entry %d says something else than its row: %v", i, err)
		}
		count[string(all[i].Body)]++
	}
	for i := range intake {
		leaves, err := trail.Unpack(intake[i].Leaf)
		if err != nil {
			t.Fatal(err)
		}
		for _, leaf := range leaves {
			if n := count[string(leaf)]; n != times {
				t.Errorf("an event is %d times in the log, want %d", n, times)
			}
		}
	}
}

// ledBy is a scribe that leads, on a log with what its vault has written so far.
func ledBy(t *testing.T) *scribe {
	t.Helper()
	v := vaulttest.New(t)
	v.Tampered() // another key signs
	x := newScribe(t, v, "one")
	x.step(t)
	return x
}

// What a process has written itself is put into the log without being read back.
func TestOwnEventsAreNotReadBack(t *testing.T) {
	x := ledBy(t)
	read, looked := x.store.read, x.store.looked
	w := x.begin(t, 1, 3, 1)
	w.expected.Written(x.write(t, w))
	x.step(t)
	stands(t, x.v, w.intake, 1)
	if x.store.read != read || x.store.looked != looked {
		t.Errorf("%d rows were read and %d events looked for", x.store.read-read, x.store.looked-looked)
	}
	log := trail.Log{Store: vault.LogStore(x.v.Store), Tenant: 1, Origin: "hand.example.org/" + vaulttest.Tenant, Key: signer{ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}.Public()}
	c, _, err := log.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Authentic(t.Context(), c); err != nil {
		t.Error(err)
	}
}

// Rows of others that stand between, below or above are found all the same.
func TestRowsBetweenOwnEventsAreRead(t *testing.T) {
	x := ledBy(t)
	other := newScribe(t, x.v, "two")
	var all []vault.Intake
	for range 5 {
		foreign := other.begin(t, 1, 2)
		other.write(t, foreign)
		w := x.begin(t, 1, 2, 1)
		w.expected.Written(x.write(t, w))
		all = append(append(all, foreign.intake...), w.intake...)
	}
	last := other.begin(t, 1)
	other.write(t, last)
	x.step(t)
	stands(t, x.v, append(all, last.intake...), 1)
	if g := x.s.Stats().Gaps; g != 0 {
		t.Errorf("%d ids are missing", g)
	}
}

// While an event is on its way, neither its row nor a copy of it is let in.
func TestACopyOfAnEventOnItsWayIsRefused(t *testing.T) {
	x := ledBy(t)
	w := x.begin(t, 1, 3)
	rows := x.write(t, w)
	copies := x.write(t, &writing{intake: w.intake})
	if _, err := x.s.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	stands(t, x.v, w.intake, 0)
	w.expected.Written(rows)
	x.step(t)
	stands(t, x.v, w.intake, 1)
	if n := x.s.Stats().Refused; n != int64(len(copies)) {
		t.Errorf("%d rows were refused, want the copies", n)
	}
	x.step(t)
	if s := x.s.Stats(); s.Gaps != 0 || s.Refused != int64(len(copies)) {
		t.Errorf("afterwards %d ids are missing, and %d were refused", s.Gaps, s.Refused)
	}
}

// The same with a copy that stands before the event, in an id that nobody has used.
func TestACopyThatStandsBeforeItsEventIsRefused(t *testing.T) {
	v, conn := onPostgres(t)
	v.Tampered() // another key signs
	x := newScribe(t, v, "one")
	x.step(t)
	var gap int64
	if err := conn.QueryRow(t.Context(), `SELECT nextval(pg_get_serial_sequence('event_intake', 'id'))`).Scan(&gap); err != nil {
		t.Fatal(err)
	}
	w := x.begin(t, 1)
	rows := x.write(t, w)
	exec(t, conn, `INSERT INTO event_intake (id, tenant, leaf, mac) OVERRIDING SYSTEM VALUE
		SELECT $1, tenant, leaf, mac FROM event_intake WHERE id = $2`, gap, rows[0])
	if _, err := x.s.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	stands(t, v, w.intake, 0)
	w.expected.Written(rows)
	x.step(t)
	stands(t, v, w.intake, 1)
	if all := logged(t, v); all[len(all)-1].Row != rows[0] {
		t.Errorf("the log names row %d, want the event's own %d", all[len(all)-1].Row, rows[0])
	}
}

// An event whose row was changed or removed before it was in the log is in it as it was
// written; the row is found to be another.
func TestARowThatIsRemovedBeforeItsTurnIsMissed(t *testing.T) {
	for _, how := range []string{
		`UPDATE event_intake SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), '"action":"reveal"', '"action":"search"'), 'UTF8') WHERE id = $1`,
		`DELETE FROM event_intake WHERE id = $1`,
	} {
		v, conn := onPostgres(t)
		v.Tampered()
		v.Put(t, "c-1", "customer", "self", map[string]string{"email": email})
		sequence(t, v.Vault)
		before := len(logged(t, v))
		if _, err := v.Reveal(t.Context(), v.As("app", "support"), []vault.Item{{Subject: "c-1", Collection: "customer", Record: "self", Fields: []string{"email"}}}); err != nil {
			t.Fatal(err)
		}
		var row int64
		if err := conn.QueryRow(t.Context(), `SELECT max(id) FROM event_intake`).Scan(&row); err != nil {
			t.Fatal(err)
		}
		exec(t, conn, `SET session_replication_role = replica`)
		exec(t, conn, how, row)
		sequence(t, v.Vault)
		all := logged(t, v)
		if len(all) != before+1 || all[before].Row != row {
			t.Fatalf("%d events are in the log, want %d", len(all), before+1)
		}
		var bad *tree.BadError
		if _, err := v.Check(vault.Tenant{ID: 1, Name: vaulttest.Tenant}).Run(t.Context()); !errors.As(err, &bad) || bad.Index != int64(before) {
			t.Errorf("after %s the check says %v, want the index %d", how, err, before)
		}
	}
}

// What became of events that nobody knows of is read from the store.
func TestAnUnknownOutcomeIsReadFromTheStore(t *testing.T) {
	x := ledBy(t)
	w, lost := x.begin(t, 1, 4), x.begin(t, 2)
	x.write(t, w)
	x.step(t)
	stands(t, x.v, w.intake, 0)
	w.expected.Written(nil)
	lost.expected.Written(nil)
	x.step(t)
	stands(t, x.v, w.intake, 1)
	stands(t, x.v, lost.intake, 0)
}

// What a process wrote before it has lost the lead does not come twice when another has
// put it into the log, and it leads again.
func TestWhatOneLedTheOtherDoesNotRepeat(t *testing.T) {
	x := ledBy(t)
	y := newScribe(t, x.v, "two")
	held, late := x.begin(t, 1, 2), x.begin(t, 2, 1)
	held.expected.Written(x.write(t, held))
	rows := x.write(t, late)
	x.v.Clock.Advance(time.Minute)
	y.step(t)
	stands(t, x.v, append(held.intake, late.intake...), 1)
	if _, err := x.s.Step(t.Context()); err == nil {
		t.Fatal("both lead")
	}
	x.v.Clock.Advance(time.Minute)
	x.step(t)
	late.expected.Written(rows)
	x.step(t)
	stands(t, x.v, append(held.intake, late.intake...), 1)
}

// A settledStore says what it waited for.
type settledStore struct {
	trail.Store
	settled func()
}

func (s settledStore) Settle(context.Context) error {
	s.settled()
	return nil
}

// What was still under way when a process comes to lead again is waited for anew: what it
// had waited for when it led before says nothing of it.
func TestWhoLeadsAgainWaitsAgain(t *testing.T) {
	x := ledBy(t)
	ctx, stop := context.WithCancel(t.Context())
	x.store.Store = settledStore{x.store.Store, stop}
	db := behind(t, x.v)
	w := x.begin(t, 1, 1, 1, 1)
	w.expected.Written(nil)
	first := x.write(t, &writing{intake: w.intake[:1]})[0]
	put := func(row int64, i int) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), `INSERT INTO event_intake (id, tenant, leaf) VALUES (?, 1, ?)`, row, w.intake[i].Leaf); err != nil {
			t.Fatal(err)
		}
	}
	put(first+2, 1)                      // the one before was rolled back
	if err := x.s.Run(ctx); err != nil { // until that is settled
		t.Fatal(err)
	}
	x.v.Clock.Advance(time.Minute)
	put(first+4, 2) // the one before still runs
	newScribe(t, x.v, "two").step(t)
	x.v.Clock.Advance(time.Minute)
	x.step(t)
	put(first+3, 3) // and ends
	x.step(t)
	stands(t, x.v, w.intake, 1)
}

// Whatever is written, copied, lost and handed over in whatever order: every event that
// is durable is in the log once, in the end.
func TestEveryEventIsInTheLogOnce(t *testing.T) {
	v := vaulttest.New(t)
	v.Tampered() // another key signs
	rapid.Check(t, func(rt *rapid.T) {
		scribes := []*scribe{newScribe(t, v, vaulttest.NewID().String()), newScribe(t, v, vaulttest.NewID().String())}
		of := func() *scribe { return scribes[rapid.IntRange(0, 1).Draw(rt, "of")] }
		var begun []*writing // not written
		var open []*writing  // written, and not told of
		var durable []vault.Intake
		pick := func(list *[]*writing) *writing {
			i := rapid.IntRange(0, len(*list)-1).Draw(rt, "which")
			w := (*list)[i]
			*list = append((*list)[:i:i], (*list)[i+1:]...)
			return w
		}
		write := func() {
			w := pick(&begun)
			w.rows = scribes[0].write(t, w)
			open, durable = append(open, w), append(durable, w.intake...)
		}
		tell := func() {
			w := pick(&open)
			if rapid.IntRange(0, 3).Draw(rt, "lost") == 0 {
				w.rows = nil
			}
			w.expected.Written(w.rows)
		}
		for range rapid.IntRange(1, 40).Draw(rt, "acts") {
			switch act := rapid.IntRange(0, 6).Draw(rt, "act"); {
			case act == 0:
				begun = append(begun, of().begin(t, rapid.SliceOfN(rapid.IntRange(1, 5), 1, 20).Draw(rt, "rows")...))
			case act == 1 && len(begun) > 0:
				write()
			case act == 2 && len(open) > 0:
				tell()
			case act == 3 && len(durable) > 0:
				scribes[0].write(t, &writing{intake: durable[rapid.IntRange(0, len(durable)-1).Draw(rt, "copied"):][:1]})
			case act == 4:
				v.Clock.Advance(time.Minute)
			default:
				_, _ = of().s.Step(t.Context()) // one of them does not lead
			}
		}
		for len(begun) > 0 {
			write()
		}
		for len(open) > 0 {
			tell()
		}
		v.Clock.Advance(time.Minute)
		of().step(t)
		stands(t, v, durable, 1)
		v.Clock.Advance(time.Minute)
	})
}

// A gatedStore reads nothing before something was waited for.
type gatedStore struct {
	settledStore
	open <-chan struct{}
}

func (s gatedStore) View(ctx context.Context, f func(trail.Tx) error) error {
	<-s.open
	return s.settledStore.View(ctx, f)
}

// A step takes about as many events as it may take rows. Rows that it has read and has no
// room for are read again, also where nothing else can come in their place any more.
func TestAStepIsBoundedByEvents(t *testing.T) {
	v, conn := onPostgres(t)
	v.Tampered()
	x := newScribe(t, v, "one")
	x.step(t)
	w, last := x.begin(t, slices.Repeat([]int{3}, 60)...), x.begin(t, 1)
	w.expected.Written(nil)
	last.expected.Written(nil)
	exec(t, conn, `BEGIN`)
	for i := range w.intake {
		exec(t, conn, `INSERT INTO event_intake (tenant, leaf, mac) VALUES (1, $1, $2)`, w.intake[i].Leaf, w.intake[i].MAC)
	}
	x.write(t, last)
	x.step(t)
	if g := x.s.Stats().Gaps; g != 60 {
		t.Fatalf("%d ids are missing, want 60", g)
	}
	exec(t, conn, `COMMIT`)
	before := x.s.Stats().Sequenced
	n, err := x.s.Step(t.Context())
	if got := x.s.Stats().Sequenced - before; err != nil || n != 16 || got != 48 {
		t.Errorf("a step that may take 50 takes %d rows of %d events: %v", n, got, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	settled := make(chan struct{})
	x.store.Store = gatedStore{settledStore{x.store.Store, sync.OnceFunc(func() { close(settled) })}, settled}
	done := make(chan error, 1)
	go func() { done <- x.s.Run(ctx) }()
	wait(t, "all are in the log", func() bool { return x.s.Stats().Sequenced-before == 180 || x.s.Stats().Gaps == 0 })
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	stands(t, v, append(w.intake, last.intake...), 1)
}

// Rows with ids that nobody gave are refused once, and keep the sequencer from nothing,
// however many events they claim to hold.
func TestRowsFarBeyondKeepNobodyBusy(t *testing.T) {
	v, conn := onPostgres(t)
	v.Tampered()
	x := newScribe(t, v, "one")
	x.step(t)
	exec(t, conn, `INSERT INTO event_intake (id, tenant, leaf) OVERRIDING SYSTEM VALUE
		SELECT 1000000000000000 + g, 1, '\x0120' FROM generate_series(1, 40) g`)
	w := x.begin(t, 1, 3)
	w.expected.Written(nil)
	x.write(t, w)
	x.step(t)
	stands(t, v, w.intake, 1)
	v.Clock.Advance(time.Hour)
	n, err := x.s.Step(t.Context())
	if s := x.s.Stats(); err != nil || n != 0 || s.Lag != 0 || s.Refused != 40 {
		t.Errorf("a step with nothing to do takes %d rows, the lag is %v, and %d were refused: %v", n, s.Lag, s.Refused, err)
	}
}

// Rows of many events are all taken, by steps that read little more than they take.
func TestABacklogOfLargeRowsIsCaughtUpWith(t *testing.T) {
	x := ledBy(t)
	other := newScribe(t, x.v, "two")
	w := other.begin(t, slices.Repeat([]int{20}, 100)...)
	other.write(t, w)
	read := x.store.read
	x.step(t)
	stands(t, x.v, w.intake, 1)
	if n := x.store.read - read; n > 400 {
		t.Errorf("%d rows were read for 100", n)
	}
	small := other.begin(t, slices.Repeat([]int{1}, 45)...)
	other.write(t, small)
	before := x.s.Stats().Sequenced
	for steps := 1; ; steps++ {
		if _, err := x.s.Step(t.Context()); err != nil || steps > 10 {
			t.Fatal(steps, err)
		}
		x.v.Clock.Advance(time.Second)
		if s := x.s.Stats(); s.Sequenced-before == 45 {
			break
		} else if s.Lag == 0 {
			t.Fatalf("after %d steps the lag is nothing, and %d rows of 45 are in the log", steps, s.Sequenced-before)
		}
	}
	x.step(t)
	if s := x.s.Stats(); s.Lag != 0 {
		t.Errorf("the lag is %v", s.Lag)
	}
}

// A row whose events have ids or times that do not belong together is refused, whoever
// vouches for it: none of them could be found by its id, or by its time.
func TestEventsThatDoNotBelongTogetherAreRefused(t *testing.T) {
	v := newVault(t, vaulttest.Options{})
	v.Tampered()
	x := newScribe(t, v, "a")
	x.step(t)
	for name, change := range map[string]func(first, e *audit.Event){
		"ids that do not follow each other": func(first, e *audit.Event) { e.ID = trail.PartID(first.ID, 2) },
		"an id of its own":                  func(_, e *audit.Event) { e.ID = trail.FirstID(vaulttest.NewID()) },
		"one id twice":                      func(first, e *audit.Event) { e.ID = first.ID },
		"another time":                      func(_, e *audit.Event) { e.Time = e.Time.Add(time.Microsecond) },
	} {
		var pack trail.Packer
		var first audit.Event
		for part := range 2 {
			e := audit.Event{
				ID: trail.PartID(first.ID, part), Tenant: vaulttest.Tenant, Time: v.Clock.Now(), UID: vaulttest.NewID(),
				Actor: "https://issuer.example.org#app", Action: "reveal", Outcome: audit.Allowed,
			}
			if part == 0 {
				e.ID = trail.FirstID(vaulttest.NewID())
				first = e
			} else {
				change(&first, &e)
			}
			leaf, err := e.AppendLeaf(nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := pack.Add(leaf); err != nil {
				t.Fatal(err)
			}
		}
		before, refused := len(logged(t, v)), x.s.Stats().Refused
		w := &writing{intake: []vault.Intake{{Tenant: 1, Leaf: pack.Append(nil), MAC: []byte{1}}}}
		x.write(t, w)
		v.Clock.Advance(2 * time.Second)
		x.step(t)
		if n, r := len(logged(t, v))-before, x.s.Stats().Refused-refused; n != 0 || r != 1 {
			t.Errorf("%s: %d events are in the log and %d rows were refused", name, n, r)
		}
	}
}
