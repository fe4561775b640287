//go:build !race

package catalog_test

import (
	"testing"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

// TestAllocations pins what a value costs on its way in and out: at best a copy, the
// result and what holds it. (The race detector allocates as well: hence the build
// tag.) A telephone number goes through a library that allocates as it likes.
func TestAllocations(t *testing.T) {
	want := map[catalog.Type]struct{ encode, normalise, mask float64 }{
		catalog.TypeEmail:      {6, 8, 3},
		catalog.TypePhone:      {70, 70, 3},
		catalog.TypeName:       {3, 7, 3},
		catalog.TypeDate:       {3, 3, 3},
		catalog.TypeAddress:    {3, 7, 3},
		catalog.TypeNationalID: {4, 4, 3},
		catalog.TypeIBAN:       {4, 4, 4},
		catalog.TypeCard:       {4, 4, 3},
		catalog.TypeText:       {3, 5, 3},
		catalog.TypeNumber:     {3, 3, 3},
		catalog.TypeBoolean:    {2, 3, 3},
	}
	for _, s := range samples(t) {
		w := want[s.Type]
		for _, c := range []struct {
			name string
			want float64
			f    func()
		}{
			{"Encode", w.encode, func() { _, _ = s.Encode(s.json) }},
			{"Normalise", w.normalise, func() { _, _ = s.Normalise(s.value) }},
			{"MaskValue", w.mask, func() { s.MaskValue(s.value) }},
		} {
			if n := testing.AllocsPerRun(100, c.f); n > c.want {
				t.Errorf("%s of %s: %v allocations, want %v", c.name, s.Type, n, c.want)
			}
		}
	}
}
