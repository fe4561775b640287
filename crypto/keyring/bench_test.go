package keyring_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/cryptotest"
	"github.com/fieldvault/fieldvault/crypto/keyring"
)

// BenchmarkOpen opens keys of as many people, warm and cold. The KEK is in
// memory, so that the cold figures are this package's own cost.
func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{1, 100} {
		kek := cryptotest.NewKEK(b)
		keys := stored(b, kek, people(n)...)
		for _, c := range []struct {
			name    string
			entries int
		}{{"warm", 0}, {"cold", -1}} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				r := newRing(b, keyring.Config{KEK: kek, MaxEntries: c.entries})
				b.ReportAllocs()
				for b.Loop() {
					if _, errs, err := r.Open(context.Background(), keys); err != nil || errs != nil {
						b.Fatal(errs, err)
					}
				}
			})
		}
	}
}

func BenchmarkMake(b *testing.B) {
	r := cryptotest.NewRing(b)
	ids := people(1)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := r.Make(context.Background(), ids); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseWrapped(b *testing.B) {
	s := stored(b, cryptotest.NewKEK(b), id(0))[0]
	text, err := s.Wrapped.Text()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keyring.ParseWrapped(text); err != nil {
			b.Fatal(err)
		}
	}
}
