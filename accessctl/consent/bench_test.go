package consent_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/consent"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

// typical is a grant that expires.
func typical() consent.Event {
	return event(consent.Granted, func(e *consent.Event) {
		e.Notice = "7"
		e.Expires = now.Add(time.Hour)
	})
}

// BenchmarkUnder is what a consent permits, as every read asks it.
func BenchmarkUnder(b *testing.B) {
	e := typical()
	b.ReportAllocs()
	for b.Loop() {
		if e.Under(7, now) != accessctl.ConsentGranted {
			b.Fatal("no consent")
		}
	}
}

// BenchmarkCheck is what a new event costs before it is recorded.
func BenchmarkCheck(b *testing.B) {
	e := typical()
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Check(now); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify checks the MAC over a consent row, as every read does.
func BenchmarkVerify(b *testing.B) {
	k := macKey(b)
	e, uid := typical(), uuid.MustParse("5f0c8a52-3a55-4f0e-9a53-0c6f3b1d2e4f")
	mac := k.Sum(consent.Label, consent.Canonical("default", uid, e)...)
	b.ReportAllocs()
	for b.Loop() {
		if !k.Verify(mac[:], consent.Label, consent.Canonical("default", uid, e)...) {
			b.Fatal("the MAC is not that of the row")
		}
	}
}

func macKey(tb testing.TB) *field.MACKey {
	tb.Helper()
	k, err := field.NewMACKey(secret.New(bytes.Repeat([]byte{7}, field.KeySize)))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}
