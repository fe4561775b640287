package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/release"
	"github.com/fieldvault/fieldvault/vault/release/parquetfile"
)

// The forms of a released table.
const (
	FormatCSV     = "csv"
	FormatParquet = "parquet"
)

// A ReleaseQuery asks for a table about the people of a collection: what may be in it, and
// what it must meet, is declared in the catalog: [catalog.Releases].
type ReleaseQuery struct {
	Collection string
	// Columns are fields, all that the catalog declares if it is empty. Their order in
	// the table is that of the catalog.
	Columns []string
	// Format is csv or parquet.
	Format string
	// K, L and T, in thousandths, ask for more than the catalog does; 0: for as much.
	K, L int
	T    int64
	// Suppression is the greatest share of people left out, in thousandths, if not nil.
	Suppression *int64
	// MostPeople is how many people may be in the table; 0: any number. More of them is
	// an ErrTooLarge, and a try.
	MostPeople int
	// Progress, if not nil, is told how many records were read so far.
	Progress func(records int)
}

// A Released is a table that meets its model. No row has anything that names a person.
type Released struct {
	Report ReleaseReport
	format string
	result *release.Result
}

// Write writes the table in the form that was asked for.
func (r *Released) Write(w io.Writer) error {
	if r.format == FormatCSV {
		return r.result.WriteCSV(w)
	}
	return parquetfile.Write(w, r.result.Names(), r.result.Rows())
}

// A ReleaseReport says what a released table is, and what it cost.
type ReleaseReport struct {
	// People is how many were in the table before some were left out.
	People int
	// Suppressed is how many of them were left out, whole.
	Suppressed int
	// Asked is what the table was to meet, in words: "k = 10, l = 3 (distinct)".
	Asked string
	// Classes is how many groups of people who look alike there are; K people are in the
	// smallest. L and T are 0 without a sensitive column.
	Classes, K int
	L, T       float64
	// Columns say how coarse each quasi-identifier became.
	Columns []ReleasedColumn
	// AverageClass, Precision, Penalty and Discernibility are those of [release.Loss].
	AverageClass, Precision, Penalty, Discernibility float64
	// Next is from when on another table may be released.
	Next time.Time
}

// A ReleasedColumn is a quasi-identifier of a released table.
type ReleasedColumn struct {
	Name  string
	Level int    // 0: the value itself
	Words string // "in bands of 5"
}

// A ReleaseRefusedError says that no table of these people meets what is asked. It tells of the
// table as a whole, of nobody in it.
type ReleaseRefusedError struct {
	// Reason says what stands in the way and what would help.
	Reason string
}

// Error gives the reason.
func (e *ReleaseRefusedError) Error() string { return e.Reason }

// A TooSoonError says that a table was released, or asked for too often, of late. It is an
// ErrConflict.
type TooSoonError struct {
	Next  time.Time // from when on it may be asked for again
	Tries bool      // no table was released: too many requests came to nothing
}

// Error says when to ask again.
func (e *TooSoonError) Error() string {
	what := "a table of this collection was released for the purpose"
	if e.Tries {
		what = "too many requests for a table of this collection came to nothing"
	}
	return what + ": the next may be made from " + e.Next.UTC().Format(time.RFC3339) + " on"
}

// Unwrap makes it an ErrConflict.
func (e *TooSoonError) Unwrap() error { return ErrConflict }

// Release makes a table about the people of a collection whose data may be used for the
// caller's purpose now: a row for each, made so coarse that it meets the model that the
// catalog declares, or a stricter one. Where a person has several records, the one that was
// written last counts, and of two of the same second the one whose id sorts last. A person
// with a value that the catalog's tree does not name is in no table.
//
// It is not differential privacy and takes nothing from the budget of statistics. In its
// place one table may be released in the time that the catalog declares; a request whose
// data are read takes one of ten tries in that time.
//
// The error is a *ReleaseRefusedError if no table meets the model, a *TooSoonError (an
// ErrConflict) before its time, ErrTooLarge beyond MostPeople, ErrConflict also if catalog
// or policy changed while people were read, ErrIntegrity if the record of earlier releases
// was changed outside the service.
func (v *Vault) Release(ctx context.Context, c accessctl.Caller, q ReleaseQuery) (*Released, error) {
	return again(func() (*Released, error) {
		r, err := v.newReleasing(ctx, c, q)
		if err != nil {
			return nil, err
		}
		if err := r.begin(ctx); err != nil {
			return nil, err
		}
		result, err := r.table(ctx)
		if err != nil {
			return nil, r.failed(ctx, err)
		}
		out := &Released{Report: r.report(result), format: q.Format, result: result}
		if err := r.finish(ctx, &out.Report); err != nil {
			return nil, r.failed(ctx, err)
		}
		return out, nil
	})
}

// A releasing is one table on its way.
type releasing struct {
	v       *Vault
	c       accessctl.Caller
	t       *tenant
	s       *settings
	q       ReleaseQuery
	coll    *catalog.Collection
	declare *catalog.ReleasePurpose
	model   release.Model
	columns []*catalog.ReleaseColumn
	needs   []needed

	event uuid.UUID // that data are read
}

func (v *Vault) newReleasing(ctx context.Context, c accessctl.Caller, q ReleaseQuery) (*releasing, error) {
	t, s, err := v.permitRecords(ctx, c, accessctl.ActionRelease, "", q.Collection)
	if err != nil {
		return nil, err
	}
	r := &releasing{v: v, c: c, t: t, s: s, q: q}
	var ok bool
	if r.coll, ok = s.catalog.Collection(q.Collection); !ok {
		return nil, invalid("collection", "is not in the catalog")
	}
	if err := r.resolve(); err != nil {
		return nil, err
	}
	d, ideal := s.decider(c), accessctl.State{Consent: accessctl.ConsentGranted}
	for i := range r.needs {
		if !d.Permit(accessctl.ActionRelease, r.needs[i].fact, ideal).Allowed {
			return nil, v.denied(ctx, t, s, c, accessctl.ActionRelease)
		}
	}
	if r.declare, ok = r.coll.Releases.Purpose(string(c.Purpose)); !ok {
		return nil, invalid("purpose", "has no releases of the collection: the catalog declares them")
	}
	return r, r.ask()
}

// resolve finds the columns.
func (r *releasing) resolve() error {
	if r.q.Format != FormatCSV && r.q.Format != FormatParquet {
		return invalid("format", "must be csv or parquet")
	}
	if r.coll.Releases == nil {
		return invalid("collection", "is in no released table: the catalog declares them")
	}
	for _, name := range r.q.Columns {
		if _, ok := r.coll.Released(name); !ok {
			return invalid("columns", "must name fields that the catalog declares for releases")
		}
	}
	quasi := false
	for i := range r.coll.Releases.Columns {
		col := &r.coll.Releases.Columns[i]
		f, ok := r.coll.Field(col.Field)
		if !ok || len(r.q.Columns) > 0 && !slices.Contains(r.q.Columns, col.Field) {
			continue
		}
		quasi = quasi || !col.Sensitive
		r.columns = append(r.columns, col)
		r.needs = append(r.needs, needed{field: f, fact: describe(r.coll, f, r.c.Purpose), open: true})
	}
	switch {
	case len(r.q.Columns) > 0 && len(r.columns) != len(r.q.Columns):
		return invalid("columns", "must name each field once")
	case !quasi:
		return invalid("columns", "must name a quasi-identifier")
	}
	return nil
}

// ask makes the model: that of the catalog, or one that asks for more.
func (r *releasing) ask() error {
	p := *r.declare
	switch {
	case r.q.K != 0 && r.q.K < p.K:
		return invalid("k", "must be at least "+strconv.Itoa(p.K)+", as the catalog declares")
	case r.q.L != 0 && r.q.L < p.L:
		return invalid("l", "must be at least "+strconv.Itoa(p.L)+", as the catalog declares")
	case r.q.T < 0 || r.q.T > p.T:
		return invalid("t", "must be above 0 and at most "+thousandths(p.T)+", as the catalog declares")
	case r.q.Suppression != nil && (*r.q.Suppression < 0 || *r.q.Suppression > p.Suppression):
		return invalid("max_suppression", "must be from 0 to "+thousandths(p.Suppression)+", as the catalog declares")
	}
	p.K, p.L = max(p.K, r.q.K), max(p.L, r.q.L)
	if r.q.T != 0 {
		p.T = r.q.T
	}
	if r.q.Suppression != nil {
		p.Suppression = *r.q.Suppression
	}
	r.model = p.Model()
	return nil
}

func thousandths(n int64) string { return strconv.FormatFloat(float64(n)/1000, 'f', -1, 64) }

// table reads the people and makes the table.
func (r *releasing) table(ctx context.Context) (*release.Result, error) {
	columns := make([]release.Column, len(r.columns))
	for i, c := range r.columns {
		var err error
		if columns[i], err = c.Column(); err != nil {
			return nil, fmt.Errorf("reading a column of the catalog: %w", err)
		}
	}
	t, err := release.NewTable(columns...)
	if err != nil {
		return nil, fmt.Errorf("reading the columns of the catalog: %w", err)
	}
	s := &survey{
		v: r.v, c: r.c, t: r.t, s: r.s, coll: r.coll, action: accessctl.ActionRelease, needs: r.needs, lacking: true,
		to: &tabling{r: r, t: t, row: make([]string, len(columns))}, progress: r.q.Progress,
	}
	if err := s.walk(ctx); err != nil {
		return nil, err
	}
	result, err := release.Anonymise(t, r.model)
	var refused *release.RefusalError
	switch {
	case errors.As(err, &refused):
		return nil, &ReleaseRefusedError{Reason: refused.Error()}
	case err != nil:
		return nil, fmt.Errorf("making a table coarser: %w", err)
	}
	return result, nil
}

// A tabling puts people into a table: one row for each.
type tabling struct {
	r   *releasing
	t   *release.Table
	row []string // of the record at hand

	at, newest int64 // when it was written, and when best was
	best       []string
}

func (t *tabling) begin(newest int64) {
	t.at = newest
	clear(t.row)
}

func (t *tabling) value(i int, plain secret.Bytes) bool {
	t.row[i] = t.r.columns[i].Value(plain)
	return true
}

// end keeps the record if it is the newest of the person; of two of one second, the later
// one in the order of their ids, in which they come.
func (t *tabling) end() {
	if t.best == nil || t.at >= t.newest {
		t.newest, t.best = t.at, append(t.best[:0], t.row...)
	}
}

func (t *tabling) flush(uuid.UUID) error {
	row := t.best
	t.best = nil
	switch err := t.t.Add(row...); {
	case errors.Is(err, release.ErrUnknownValue):
		return nil
	case err != nil:
		return fmt.Errorf("adding a row: %w", err)
	case t.r.q.MostPeople > 0 && t.t.Rows() > t.r.q.MostPeople:
		return fmt.Errorf("%w: more than %d people", ErrTooLarge, t.r.q.MostPeople)
	}
	return nil
}

func (r *releasing) report(result *release.Result) ReleaseReport {
	out := ReleaseReport{
		People: result.Loss.Rows, Suppressed: result.Loss.Suppressed, Asked: r.model.String(),
		Classes: result.Measure.Classes, K: result.Measure.K, L: result.Measure.L, T: result.Measure.T,
		Columns:      make([]ReleasedColumn, len(result.Levels)),
		AverageClass: result.Loss.Average, Precision: result.Loss.Precision, Penalty: result.Loss.Penalty,
		Discernibility: result.Loss.Discernibility,
	}
	for i, l := range result.Levels {
		out.Columns[i] = ReleasedColumn{Name: l.Column, Level: l.Level, Words: l.Words}
	}
	return out
}

// attrRelease says in an event which release of its turn's row it is: 1, 2, and so on.
const attrRelease = "release"

// record is an event about the table, about nobody.
func (r *releasing) record(attrs ...audit.Attr) audit.Event {
	e := r.v.event(r.t, r.s, r.c, accessctl.ActionRelease)
	for i := range r.needs {
		e.Fields = append(e.Fields, audit.FieldView{Collection: r.coll.ID, Field: r.needs[i].field.ID, Count: 1})
	}
	slices.SortFunc(e.Fields, audit.FieldView.Compare)
	e.Subject = append(attrs, report.RolesAttr(r.c.Roles)...)
	slices.SortFunc(e.Subject, func(x, y audit.Attr) int { return strings.Compare(x.Key, y.Key) })
	return e
}

// asked is the event that data are read for a table, before they are.
func (r *releasing) asked(try int64) audit.Event {
	return r.record(
		audit.Attr{Key: "format", Value: r.q.Format},
		audit.Attr{Key: "k", Value: strconv.Itoa(r.model.K)},
		audit.Attr{Key: "l", Value: strconv.Itoa(r.model.L)},
		audit.Attr{Key: "suppression", Value: fraction(r.model.MaxSuppression)},
		audit.Attr{Key: "t", Value: fraction(r.model.T)},
		audit.Attr{Key: "try", Value: strconv.FormatInt(try, 10)},
	)
}

// given is the event that the table is handed on, before it is.
func (r *releasing) given(number int64, p *ReleaseReport) audit.Event {
	levels := make([]string, len(p.Columns))
	for i, c := range p.Columns {
		levels[i] = strconv.Itoa(c.Level)
	}
	return r.record(
		audit.Attr{Key: "asked", Value: r.event.String()},
		audit.Attr{Key: "classes", Value: strconv.Itoa(p.Classes)},
		audit.Attr{Key: "format", Value: r.q.Format},
		audit.Attr{Key: "k", Value: strconv.Itoa(p.K)},
		audit.Attr{Key: "l", Value: fraction(p.L)},
		audit.Attr{Key: "levels", Value: strings.Join(levels, ".")},
		audit.Attr{Key: "loss", Value: fraction(p.Penalty)},
		audit.Attr{Key: "people", Value: strconv.Itoa(p.People)},
		audit.Attr{Key: attrRelease, Value: strconv.FormatInt(number, 10)},
		audit.Attr{Key: "suppressed", Value: strconv.Itoa(p.Suppressed)},
		audit.Attr{Key: "t", Value: fraction(p.T)},
	)
}

func fraction(f float64) string { return strconv.FormatFloat(f, 'f', 3, 64) }

// Why no table was released: none meets the model, or there are too many people.
const (
	codeTable    = "table"
	codeTooLarge = "too_large"
)

// failed records that people's data were read and no table was released.
func (r *releasing) failed(ctx context.Context, cause error) error {
	e := r.v.event(r.t, r.s, r.c, accessctl.ActionRelease)
	e.Outcome, e.Code, e.Refers = audit.Failed, codeKEK, r.event
	var refused *ReleaseRefusedError
	switch {
	case errors.As(cause, &refused):
		e.Code = codeTable
	case errors.Is(cause, ErrTooLarge):
		e.Code = codeTooLarge
	case errors.Is(cause, ErrConflict):
		e.Code = codeConflict
	}
	if err := r.v.record(context.WithoutCancel(ctx), r.t, e); err != nil {
		return err
	}
	return cause
}
