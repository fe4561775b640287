package report

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
)

// ReportVersion is the version of the JSON form of a [Report].
const ReportVersion = 1

// Report is what a log says about a breach. Equal events, query, names and
// checkpoint give equal reports.
type Report struct {
	Version   int                 `json:"v"` // ReportVersion
	Tenant    string              `json:"tenant"`
	Actors    []string            `json:"actors"`   // that were asked for, ascending; empty: all
	Purposes  []accessctl.Purpose `json:"purposes"` // that were asked for, ascending; empty: all
	From      time.Time           `json:"from"`     // the window is [From, To)
	To        time.Time           `json:"to"`
	MaskedToo bool                `json:"masked_too"` // else masked views are not counted

	Scanned    Scanned     `json:"scanned"`
	Checkpoint *Checkpoint `json:"checkpoint,omitempty"` // what the report was made from, if that is known

	Totals     Totals         `json:"totals"`
	Categories []Category     `json:"categories"` // ascending by classification
	ByActor    []ActorTotal   `json:"by_actor"`   // ascending by actor
	ByPurpose  []PurposeTotal `json:"by_purpose"` // ascending by purpose

	// Rows are what was shown, ascending by uid, collection id, field id, purpose,
	// actor and How.
	Rows []Row `json:"rows"`

	// NotReleased are what was announced and certainly not released, in the order of
	// Rows. Nothing of it is counted anywhere else.
	NotReleased []Row `json:"not_released"`
}

// Scanned says how much of the log was looked at.
type Scanned struct {
	Events int64 `json:"events"`
	First  int64 `json:"first_index"` // 0 where there are no events
	Last   int64 `json:"last_index"`
	Whole  bool  `json:"whole"` // every event of the checkpoint was looked at, and no other
}

// Checkpoint is the state of the log that a report was made from.
type Checkpoint struct {
	Size     int64     `json:"size"`     // events in the log
	Root     [32]byte  `json:"-"`        // of the Merkle tree; base64 in JSON, as "root"
	Time     time.Time `json:"time"`     // when it was signed
	Verified bool      `json:"verified"` // its signature holds, and the events scanned are those under the root
}

// MarshalJSON gives the form that the tags describe.
func (c Checkpoint) MarshalJSON() ([]byte, error) {
	type plain Checkpoint
	return json.Marshal(struct {
		plain
		Root []byte `json:"root"`
	}{plain(c), c.Root[:]})
}

// Totals are the figures of the whole report.
type Totals struct {
	Events     int64   `json:"events"`      // that showed something
	Partial    int64   `json:"partial"`     // of these, followed by a failure that withheld some of the values
	People     int     `json:"people"`      // uids of whom something was shown, other than masked values
	OnlyMasked int     `json:"only_masked"` // uids of whom nothing but masked values was shown
	Counts     []Count `json:"counts"`      // one for each How that occurs, in their order
}

// Count says how much was shown in one manner.
type Count struct {
	How    How   `json:"how"`
	People int   `json:"people"` // uids
	Fields int   `json:"fields"` // distinct fields of the catalog
	Values int64 `json:"values"` // fields of records, each time one was shown
}

// Category is a category of data, by the classification of the catalog (GDPR
// Art. 33(3)(a)).
type Category struct {
	Classification string  `json:"classification"` // empty: not known
	Special        bool    `json:"special"`        // see [Special]
	People         int     `json:"people"`         // uids of whom something was shown, other than masked values
	Counts         []Count `json:"counts"`         // one for each How that occurs, in their order
}

// ActorTotal is what one actor was shown.
type ActorTotal struct {
	Actor  string `json:"actor"`
	People int    `json:"people"` // uids, in whatever manner
	Events int64  `json:"events"`
	Span
}

// PurposeTotal is what was shown for one purpose.
type PurposeTotal struct {
	Purpose accessctl.Purpose `json:"purpose"` // empty: none was claimed
	Text    string            `json:"text,omitempty"`
	People  int               `json:"people"` // uids, in whatever manner
	Events  int64             `json:"events"`
	Span
}

// Span says between which events of the log something happened. The earliest and
// the first of the log may be different events, since events enter the log a
// little out of order.
type Span struct {
	First      time.Time `json:"first"` // earliest and latest time of an event
	Last       time.Time `json:"last"`
	FirstIndex int64     `json:"first_index"` // lowest and highest index of an event
	LastIndex  int64     `json:"last_index"`
}

// Row is what was shown of one field of one person, for one purpose, to one actor,
// in one manner.
type Row struct {
	UID            uuid.UUID         `json:"uid"`
	CollectionID   uint32            `json:"collection_id,omitempty"` // 0: the row is about no field
	FieldID        uint32            `json:"field_id,omitempty"`
	Collection     string            `json:"collection,omitempty"` // empty: the name is not known
	Field          string            `json:"field,omitempty"`
	Classification string            `json:"classification,omitempty"`
	Purpose        accessctl.Purpose `json:"purpose,omitempty"`
	Actor          string            `json:"actor"`
	How            How               `json:"how"`
	Events         int64             `json:"events"`
	Partial        int64             `json:"partial,omitempty"` // events that were followed by a failure that withheld some of their values
	Values         int64             `json:"values,omitempty"`  // in how many records, each time it was shown
	Span
}

// Report returns what was seen. names may be nil: fields then have numbers only.
// made is the checkpoint of the log that was scanned, or nil.
//
// It settles all that was seen; call it last.
func (b *Breach) Report(names Names, made *Checkpoint) *Report {
	b.settle(func(*announcement) bool { return true })
	n := newNamer(names)
	r := &Report{
		Version: ReportVersion, Tenant: b.q.Tenant,
		Actors: sortedSet(b.q.Actors), Purposes: sortedSet(b.q.Purposes),
		From: b.q.From.UTC(), To: b.q.To.UTC(), MaskedToo: b.q.MaskedToo,
		Scanned:     Scanned{Events: b.scanned.events, First: b.scanned.first, Last: b.scanned.last},
		Rows:        b.rows(&b.released, n),
		NotReleased: b.rows(&b.withheld, n),
	}
	if made != nil {
		c := *made
		c.Time = c.Time.UTC()
		r.Checkpoint = &c
		s := &r.Scanned
		s.Whole = s.Events == c.Size && (c.Size == 0 || s.First == 0 && s.Last == c.Size-1)
	}
	r.count()
	b.sumUp(r, n)
	return r
}

// sortedSet returns the distinct items of list, ascending; never nil.
func sortedSet[T cmp.Ordered](list []T) []T {
	set := append(make([]T, 0, len(list)), list...)
	slices.Sort(set)
	return slices.Compact(set)
}

// rows returns the rows of a tally, sorted; never nil.
func (b *Breach) rows(t *tally, n *namer) []Row {
	sorted := t.sorted(b.words.ranks())
	rows := make([]Row, len(sorted))
	for i, e := range sorted {
		f := n.field(fieldID{e.collection, e.field})
		rows[i] = Row{
			UID: e.uid, CollectionID: e.collection, FieldID: e.field,
			Collection: f.collection, Field: f.field, Classification: f.classification,
			Purpose: accessctl.Purpose(b.words.list[e.purpose]), Actor: b.words.list[e.actor], How: e.how,
			Events: e.events, Partial: e.partial, Values: e.values, Span: e.span(),
		}
	}
	return rows
}

func (s *sum) span() Span {
	return Span{
		First: time.UnixMicro(s.first).UTC(), Last: time.UnixMicro(s.last).UTC(),
		FirstIndex: s.firstIndex, LastIndex: s.lastIndex,
	}
}

// count fills in the totals and categories, from the rows.
func (r *Report) count() {
	all, classes := newCensus(), map[string]*census{}
	for i := range r.Rows {
		row := &r.Rows[i]
		all.add(row)
		if row.CollectionID != 0 {
			of(classes, row.Classification, newCensus).add(row)
		}
	}
	r.Totals = Totals{People: all.people.n, OnlyMasked: all.anyone.n - all.people.n, Counts: all.counts()}
	r.Categories = make([]Category, 0, len(classes))
	for _, c := range slices.Sorted(maps.Keys(classes)) {
		r.Categories = append(r.Categories, Category{
			Classification: c, Special: Special(c), People: classes[c].people.n, Counts: classes[c].counts(),
		})
	}
}

// sumUp fills in what rows cannot say: how many events there were.
func (b *Breach) sumUp(r *Report, n *namer) {
	actors, purposes := map[string]*heads{}, map[string]*heads{}
	for i := range r.Rows {
		row := &r.Rows[i]
		of(actors, row.Actor, newHeads).add(row.UID)
		of(purposes, string(row.Purpose), newHeads).add(row.UID)
	}
	t := &b.released
	r.Totals.Events, r.Totals.Partial = t.all.events, t.all.partial
	r.ByActor = make([]ActorTotal, 0, len(actors))
	for _, a := range slices.Sorted(maps.Keys(actors)) {
		s := t.actors[b.words.of(a)]
		r.ByActor = append(r.ByActor, ActorTotal{Actor: a, People: actors[a].n, Events: s.events, Span: s.span()})
	}
	r.ByPurpose = make([]PurposeTotal, 0, len(purposes))
	for _, p := range slices.Sorted(maps.Keys(purposes)) {
		s, id := t.purposes[b.words.of(p)], accessctl.Purpose(p)
		r.ByPurpose = append(r.ByPurpose, PurposeTotal{
			Purpose: id, Text: n.purpose(id), People: purposes[p].n, Events: s.events, Span: s.span(),
		})
	}
}
