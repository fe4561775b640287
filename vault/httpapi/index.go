package httpapi

import (
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// indexOf is how a field can be searched; nil: it cannot be.
func indexOf(x *catalog.Index) *api.FieldIndex {
	if x == nil {
		return nil
	}
	out := &api.FieldIndex{Kind: x.Kind, Bits: x.Bits}
	if p := x.Prefix; p != nil {
		out.Prefix = &api.PrefixIndex{Min: p.Min, Max: p.Max, Bits: p.Bits}
	}
	if n := x.NGrams; n != nil {
		out.NGrams = &api.NGramIndex{N: n.N, Bits: n.Bits}
	}
	if r := x.Range; r != nil {
		out.Range = &api.RangeIndex{Low: r.Low, High: r.High, Width: r.Width, By: r.By, Bits: r.Bits}
	}
	for _, l := range x.Leaks("") {
		out.Leaks = append(out.Leaks, l.Text)
	}
	return out
}
