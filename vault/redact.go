package vault

import (
	"fmt"
	"slices"
	"sync"

	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/freetext"
)

// detectors find personal data in text. They are made once for each region, of which
// there are as many as countries.
type detectors struct {
	mu sync.Mutex
	by map[string]*freetext.Detector
}

// of returns the detector for texts of a catalog, or nil if it has none.
func (d *detectors) of(c *catalog.Catalog) (*freetext.Detector, error) {
	if !hasText(c) {
		return nil, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if found := d.by[c.Region]; found != nil {
		return found, nil
	}
	made, err := freetext.New(freetext.Options{Region: c.Region})
	if err != nil {
		return nil, fmt.Errorf("making a detector for texts: %w", err)
	}
	if d.by == nil {
		d.by = map[string]*freetext.Detector{}
	}
	d.by[c.Region] = made
	return made, nil
}

func hasText(c *catalog.Catalog) bool {
	return slices.ContainsFunc(c.Collections, func(coll catalog.Collection) bool {
		return slices.ContainsFunc(coll.Fields, func(f catalog.Field) bool { return f.Type == catalog.TypeText })
	})
}

// masked is what a caller gets of a value who gets no more than its mask. Every masked
// view comes from here. The work is in proportion to the value, which has at most
// [catalog.MaxValue] bytes.
func (s *settings) masked(f *catalog.Field, v secret.Bytes) secret.Bytes {
	if f.Mask == catalog.MaskRedact && s.texts != nil {
		return secret.FromString(s.texts.Redact(string(v.Expose()))) //nolint:forbidigo // only what Redact leaves of it goes on
	}
	return f.MaskValue(v)
}

// warnings says in which texts of an item there is personal data that the catalog does
// not announce.
func (s *settings) warnings(it *writeItem) (list []Warning) {
	for i := range it.fields {
		f := it.fields[i].field
		if f.Type != catalog.TypeText || it.fields[i].null || f.Announces(catalog.AnyKind) {
			continue
		}
		found := map[freetext.Kind]bool{}
		text := string(it.fields[i].value.Expose()) //nolint:forbidigo // only the kinds of what is found go on
		for _, x := range s.texts.Find(text) {
			found[x.Kind] = true
		}
		var kinds []freetext.Kind
		for _, k := range freetext.Kinds() {
			if found[k] && !f.Announces(string(k)) {
				kinds = append(kinds, k)
			}
		}
		if len(kinds) > 0 {
			list = append(list, Warning{Field: it.coll.Name + "." + f.Name, Kinds: kinds})
		}
	}
	return list
}
