package vault

import (
	"slices"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// A want is what one item asks for.
type want struct {
	at       int // index of the item
	subject  string
	own      bool
	lookup   []byte
	coll     *catalog.Collection
	record   string
	names    []string // as they were asked for; nil: all, or none of a record
	fields   []*catalog.Field
	facts    []accessctl.Field
	all      bool            // "*": what is stored decides fields
	portable *field.Portable // set: open this, not a record
	token    *TokenRow       // set: asked for by a token
	spent    bool            // the token was used up by another
}

// A wantKey is what two items of one record share.
type wantKey struct {
	subject, record string
	collection      uint32
}

func (w *want) key() wantKey { return wantKey{w.subject, w.record, w.coll.ID} }

// want resolves names by the catalog.
func (r *reading) want(it *Item) (want, error) {
	if err := checkID("subject", it.Subject); err != nil {
		return want{}, err
	}
	if err := checkID("record", it.Record); err != nil {
		return want{}, err
	}
	coll, ok := r.s.catalog.Collection(it.Collection)
	if !ok {
		return want{}, invalid("collection", "is not in the catalog")
	}
	w := want{
		subject: it.Subject, own: own(r.c, it.Subject), lookup: r.t.hash(it.Subject),
		coll: coll, record: it.Record,
	}
	return w, r.wantFields(&w, it.Fields)
}

func (r *reading) wantFields(w *want, names []string) error {
	if len(names) == 1 && names[0] == "*" {
		if !r.d.Has(accessctl.ActionExport, r.s.fields) {
			r.refused = true
			return ErrDenied
		}
		w.all = true
		for i := range w.coll.Fields {
			w.add(&w.coll.Fields[i], r.c.Purpose)
		}
		return nil
	}
	if len(names) == 0 {
		return invalid("fields", "is required: name the fields that you need")
	}
	if before := r.last(); before != nil && before.coll == w.coll && slices.Equal(before.names, names) {
		w.names, w.fields, w.facts = before.names, before.fields, before.facts
		return nil
	}
	w.fields, w.facts = make([]*catalog.Field, 0, len(names)), make([]accessctl.Field, 0, len(names))
	for i, name := range names {
		f, ok := w.coll.Field(name)
		if !ok {
			return invalid("fields", "must name fields of the collection")
		}
		for _, before := range names[:i] {
			if before == name {
				return invalid(w.coll.Name+"."+f.Name, "is named twice")
			}
		}
		w.add(f, r.c.Purpose)
	}
	w.names = names
	return nil
}

// last is what the item before asks for, of which this one mostly asks the same fields.
func (r *reading) last() *want {
	if len(r.wants) == 0 {
		return nil
	}
	return &r.wants[len(r.wants)-1]
}

func (w *want) add(f *catalog.Field, p accessctl.Purpose) {
	w.fields = append(w.fields, f)
	w.facts = append(w.facts, describe(w.coll, f, p))
}
