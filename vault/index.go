package vault

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// The label of the key of one version of a field's index.
func (x IndexVersion) label() string {
	return labelIndex + strconv.FormatUint(uint64(x.Collection), 10) + "/" +
		strconv.FormatUint(uint64(x.Field), 10) + "/" + strconv.FormatUint(uint64(x.Version), 10)
}

// parseIndexLabel is the reverse of label.
func parseIndexLabel(label string) (x IndexVersion, ok bool) {
	rest, ok := strings.CutPrefix(label, labelIndex)
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 3 {
		return IndexVersion{}, false
	}
	for i, to := range []*uint32{&x.Collection, &x.Field, &x.Version} {
		n, err := strconv.ParseUint(parts[i], 10, 32)
		if err != nil {
			return IndexVersion{}, false
		}
		*to = uint32(n)
	}
	return x, x.label() == label
}

// indexLabels names the index keys that a catalog needs.
func indexLabels(cat *catalog.Catalog) (labels []string) {
	eachIndex(cat, func(c *catalog.Collection, f *catalog.Field) {
		for _, version := range f.Index.Written() {
			labels = append(labels, IndexVersion{c.ID, f.ID, version}.label())
		}
	})
	return labels
}

// fillingLabels names the index keys whose entries do not cover all records yet.
func fillingLabels(cat *catalog.Catalog) (labels []string) {
	eachIndex(cat, func(c *catalog.Collection, f *catalog.Field) {
		if f.Index.Filling {
			labels = append(labels, IndexVersion{c.ID, f.ID, f.Index.Version}.label())
		}
	})
	return labels
}

func eachIndex(cat *catalog.Catalog, do func(*catalog.Collection, *catalog.Field)) {
	for i := range cat.Collections {
		c := &cat.Collections[i]
		for j := range c.Fields {
			if c.Fields[j].Index != nil {
				do(c, &c.Fields[j])
			}
		}
	}
}

// obsolete says whether no catalog from this one on can need the version again. A
// version that the catalog does not know may be of one that is just being applied.
func obsolete(cat *catalog.Catalog, x IndexVersion) bool {
	c, ok := cat.CollectionByID(x.Collection)
	if !ok {
		return slices.ContainsFunc(cat.RetiredCollections, func(r catalog.Retired) bool { return r.ID == x.Collection })
	}
	f, ok := c.FieldByID(x.Field)
	if !ok {
		return slices.ContainsFunc(c.Retired, func(r catalog.Retired) bool { return r.ID == x.Field })
	}
	return x.Version <= f.IndexVersion && (f.Index == nil || !slices.Contains(f.Index.Written(), x.Version))
}

func (t *tenant) indexKey(label string) *field.IndexKey {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.index[label]
}

// pinned says whether all the keys are at hand.
func (t *tenant) pinned(labels []string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, l := range labels {
		if t.index[l] == nil {
			return false
		}
	}
	return true
}

func (t *tenant) pinIndex(label string, k *field.IndexKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.index[label] = k
}

// unpin forgets the index keys that the settings at hand do not need.
func (t *tenant) unpin() {
	s := t.settings.Load()
	if s == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for label := range t.index {
		if !slices.Contains(s.indexes, label) {
			delete(t.index, label)
		}
	}
}

// versionKey is the key of one version of a field's index.
func (t *tenant) versionKey(c *catalog.Collection, f *catalog.Field, version uint32) (*field.IndexKey, error) {
	k := t.indexKey(IndexVersion{c.ID, f.ID, version}.label())
	if k == nil {
		return nil, fmt.Errorf("%w: an index key is not open", ErrUnavailable)
	}
	return k, nil
}

// markBits are those of the entry that every value of a partial index has: by it, a record
// that was indexed is known from one that was not, though the value may have no terms.
const markBits = 64

// entriesOf are the index entries of a normalised value, of the versions named: one of the
// whole value first, the same for all values where the index is not of equality, then
// those of its terms. None stands twice.
func (t *tenant) entriesOf(c *catalog.Collection, f *catalog.Field, versions []uint32, normalised secret.Bytes) ([]IndexEntry, error) {
	entries := make([]IndexEntry, 0, len(versions))
	for _, version := range versions {
		k, err := t.versionKey(c, f, version)
		if err != nil {
			return nil, err
		}
		whole := IndexEntry{Field: f.ID, Version: version}
		if f.Index.Kind == catalog.IndexEquality {
			whole.Value = k.Index(normalised, f.Index.Bits)
		} else {
			whole.Value = k.Index(secret.Bytes{}, markBits)
		}
		entries = withTerms(append(entries, whole), whole, k, f.Terms(f.Index.Of(version), normalised))
	}
	return entries, nil
}

// withTerms adds the entries of terms, like the one given, but no value that the list has
// of the same version: a value is in the index of a record once.
func withTerms(list []IndexEntry, like IndexEntry, k *field.IndexKey, terms []catalog.Term) []IndexEntry {
	for _, term := range terms {
		e := like
		e.Value = k.Term(termKind(term.Kind), term.Text, term.Bits)
		if !slices.ContainsFunc(list, func(o IndexEntry) bool { return o.Version == e.Version && bytes.Equal(o.Value, e.Value) }) {
			list = append(list, e)
		}
	}
	return list
}

func termKind(k catalog.TermKind) field.TermKind {
	switch k {
	case catalog.TermPrefix:
		return field.TermPrefix
	case catalog.TermNGram:
		return field.TermNGram
	default:
		return field.TermBucket
	}
}

// sought are the entries of which candidates have one of some, or every one of a version
// of every.
func (t *tenant) sought(c *catalog.Collection, f *catalog.Field, s *catalog.Sought) (some, every []IndexEntry, err error) {
	for _, version := range f.Index.SearchedFor(s.Match()) {
		k, err := t.versionKey(c, f, version)
		if err != nil {
			return nil, nil, err
		}
		like := IndexEntry{Field: f.ID, Version: version}
		if s.Match() == catalog.MatchEquals {
			like.Value = k.Index(s.Whole(), f.Index.Bits)
			some = append(some, like)
			continue
		}
		one, all := s.Terms(f.Index.Of(version))
		some, every = withTerms(some, like, k, one), withTerms(every, like, k, all)
	}
	return some, every, nil
}

// indexEntries are the index entries of a stored value. ErrIntegrity if it has no
// index form.
func (t *tenant) indexEntries(c *catalog.Collection, f *catalog.Field, value secret.Bytes) ([]IndexEntry, error) {
	n, err := f.Normalise(value)
	if err != nil {
		return nil, fmt.Errorf("%w: a value has no index form", ErrIntegrity)
	}
	defer n.Wipe()
	return t.entriesOf(c, f, f.Index.Written(), n)
}

// unlessNewer is err, or errRestart if the settings that it comes from are not those
// at hand any longer.
func (t *tenant) unlessNewer(s *settings, err error) error {
	if t.settings.Load() != s {
		return errRestart
	}
	return err
}

// unlessOutdated is err, or errRestart if other settings are in force by now.
func (v *Vault) unlessOutdated(ctx context.Context, t *tenant, s *settings, err error) error {
	if again, look := v.outdated(ctx, t, s); look == nil && again {
		return errRestart
	}
	return err
}
