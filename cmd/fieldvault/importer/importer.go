// Package importer turns rows of CSV or JSON Lines into records: a mapping says
// which column becomes which field of which collection, and whose.
//
// Rows go in batches, each under an idempotency key made of the file and the
// rows' lines, so that a batch whose answer was lost is not written twice. After
// each batch the caller may save a [State]; a later run goes on behind it. A row
// that is refused is reported by its line and the rule it breaks, never by a value,
// and does not stop the others.
package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// DefaultBatch is how many rows are written at a time.
const DefaultBatch = 500

// A Sink writes a batch under an idempotency key and answers each item.
type Sink func(ctx context.Context, items []vault.Write, key string) ([]vault.Written, error)

// Options say what to import, and where to.
type Options struct {
	// Mapping says what becomes of a row. Required.
	Mapping Mapping
	// Collection is what the catalog says of the mapping's collection. Required.
	Collection *catalog.Collection
	// Rows are read to their end. Required.
	Rows Rows
	// Sink takes the batches. Required.
	Sink Sink
	// File names the input in idempotency keys: a digest of it.
	File string
	// Batch is the rows of a batch; 0: DefaultBatch.
	Batch int
	// After skips rows up to this line: those that an earlier run has written.
	After int
	// Saved, if set, is called after each batch with the last line written.
	Saved func(line int) error
	// Bad, if set, is called for each refused row.
	Bad func(line int, problem string)
	// Progress, if set, is called after each batch.
	Progress func(Summary)
}

// A Summary counts what an import has done so far.
type Summary struct {
	Written int `json:"written"` // rows stored
	Bad     int `json:"bad"`     // rows refused
	Skipped int `json:"skipped"` // rows that an earlier run had written
	Line    int `json:"line"`    // the last line read

	Warnings []Warning `json:"warnings,omitempty"` // by field and kind
}

// A Warning counts rows that were stored with personal data of a kind in a text that the
// catalog does not announce there.
type Warning struct {
	Field string `json:"field"` // "customer.note"
	Kind  string `json:"kind"`  // "phone"
	Rows  int    `json:"rows"`
}

// A Row is one row of the input: its columns by name, and the line it begins on.
type Row struct {
	Line    int
	Columns map[string]string
}

// Rows are read one by one; Next says io.EOF at the end. A *RowError is about
// one row, and reading may go on.
type Rows interface {
	// Next returns the next row; it is the caller's.
	Next() (Row, error)
}

// A RowError says what is wrong with a row, without its values.
type RowError struct {
	Line    int
	Problem string
}

// Error names the line and the problem.
func (e *RowError) Error() string { return "line " + strconv.Itoa(e.Line) + ": " + e.Problem }

// Run imports all rows. It returns what it did also when it fails midway.
func Run(ctx context.Context, o Options) (Summary, error) {
	if o.Rows == nil || o.Sink == nil || o.Collection == nil {
		return Summary{}, errors.New("importer: Rows, Sink and Collection are required")
	}
	if err := o.Mapping.check(o.Collection); err != nil {
		return Summary{}, err
	}
	if o.Batch <= 0 || o.Batch > vault.MaxItems {
		o.Batch = DefaultBatch
	}
	r := run{Options: o}
	for {
		more, err := r.read()
		if err != nil {
			return r.sum, err
		}
		if err := r.flush(ctx); err != nil {
			return r.sum, err
		}
		if !more {
			return r.sum, nil
		}
	}
}

type run struct {
	Options
	sum   Summary
	items []vault.Write
	lines []int
}

// read fills one batch, and says whether there may be more.
func (r *run) read() (more bool, err error) {
	r.items, r.lines = r.items[:0], r.lines[:0]
	for len(r.items) < r.Batch {
		row, err := r.Rows.Next()
		var bad *RowError
		switch {
		case errors.Is(err, io.EOF):
			return false, nil
		case errors.As(err, &bad):
			r.bad(bad.Line, bad.Problem)
			continue
		case err != nil:
			return false, fmt.Errorf("reading rows: %w", err)
		}
		r.sum.Line = row.Line
		if row.Line <= r.After {
			r.sum.Skipped++
			continue
		}
		w, problem := r.Mapping.write(row, r.Collection)
		if problem != "" {
			r.bad(row.Line, problem)
			continue
		}
		r.items, r.lines = append(r.items, w), append(r.lines, row.Line)
	}
	return true, nil
}

func (r *run) bad(line int, problem string) {
	r.sum.Bad++
	r.sum.Line = max(r.sum.Line, line)
	if r.Bad != nil {
		r.Bad(line, problem)
	}
}

// warn counts a row's warnings.
func (r *run) warn(list []vault.Warning) {
	for _, w := range list {
		for _, kind := range w.Kinds {
			same := func(x Warning) bool { return x.Field == w.Field && x.Kind == string(kind) }
			i := slices.IndexFunc(r.sum.Warnings, same)
			if i < 0 {
				i = len(r.sum.Warnings)
				r.sum.Warnings = append(r.sum.Warnings, Warning{Field: w.Field, Kind: string(kind)})
			}
			r.sum.Warnings[i].Rows++
		}
	}
}

// flush writes the batch and reports the rows that were refused.
func (r *run) flush(ctx context.Context) error {
	if len(r.items) == 0 {
		return nil
	}
	key := fmt.Sprintf("import-%s-%d-%d", r.File, r.lines[0], r.lines[len(r.lines)-1])
	out, err := r.Sink(ctx, r.items, key)
	if err != nil {
		return fmt.Errorf("writing lines %d to %d: %w", r.lines[0], r.lines[len(r.lines)-1], err)
	}
	if len(out) != len(r.items) {
		return errors.New("writing a batch: the answer has another number of items")
	}
	for i := range out {
		if out[i].Err != nil {
			r.bad(r.lines[i], out[i].Err.Error())
		} else {
			r.sum.Written++
			r.warn(out[i].Warnings)
		}
	}
	if r.Saved != nil {
		if err := r.Saved(r.lines[len(r.lines)-1]); err != nil {
			return fmt.Errorf("saving the state: %w", err)
		}
	}
	if r.Progress != nil {
		r.Progress(r.sum)
	}
	return nil
}
