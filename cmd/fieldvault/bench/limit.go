package bench

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

// rawAEAD is Tink as its documentation says to use it.
func rawAEAD() (tink.AEAD, error) {
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return aead.New(h)
}

// noted is an AEAD that keeps the associated data of its last use.
type noted struct {
	tink.AEAD
	data []byte
}

func (a *noted) Encrypt(plaintext, data []byte) ([]byte, error) {
	a.data = append(a.data[:0], data...)
	return a.AEAD.Encrypt(plaintext, data)
}

// fieldVsTink is how many operations a second crypto/field does over raw Tink with the
// same value and associated data, by one goroutine: the medians of rounds that take turns.
func fieldVsTink(rounds int, each time.Duration) (seal, open Ratio, err error) {
	raw, err := rawAEAD()
	if err != nil {
		return Ratio{}, Ratio{}, err
	}
	mine, err := rawAEAD()
	if err != nil {
		return Ratio{}, Ratio{}, err
	}
	note := &noted{AEAD: mine}
	place := field.Place{Tenant: "default", UID: [16]byte{1}, Group: 2, Epoch: 1, Collection: 1, Record: "self", Field: 7, Revision: 1}
	value := secret.FromString(text(People{}, 0, 64))
	if _, err := field.NewKey(note).Seal(place, value); err != nil {
		return Ratio{}, Ratio{}, err
	}
	key := field.NewKey(mine)
	clear := []byte(text(People{}, 0, 64))
	sealed, err := key.Seal(place, value)
	if err != nil {
		return Ratio{}, Ratio{}, err
	}
	stored := field.Split(sealed) // as a record has it, and is opened by a reveal
	var opener field.Opener
	defer opener.Close()
	boxed, err := raw.Encrypt(clear, note.data)
	if err != nil {
		return Ratio{}, Ratio{}, err
	}
	loops := []func() error{
		func() error { _, err := raw.Encrypt(clear, note.data); return err },
		func() error { _, err := key.Seal(place, value); return err },
		func() error { _, err := raw.Decrypt(boxed, note.data); return err },
		func() error { _, err := opener.Open(key, &place, stored); return err },
	}
	rates := make([][]float64, len(loops))
	for range rounds {
		for i, f := range loops {
			rate, err := repeat(each, f)
			if err != nil {
				return Ratio{}, Ratio{}, err
			}
			rates[i] = append(rates[i], rate)
		}
	}
	return ratio("seals a second", rates[1], rates[0]), ratio("opens a second", rates[3], rates[2]), nil
}

// repeat is how often a second f runs.
func repeat(each time.Duration, f func() error) (float64, error) {
	start, n := time.Now(), 0
	for time.Since(start) < each {
		for range 500 {
			if err := f(); err != nil {
				return 0, err
			}
		}
		n += 500
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

// A limit is raw Tink with a key and a value for each of many people: nothing that
// keeps a key a person opens values faster.
type limit struct {
	keys  []tink.AEAD
	boxes [][]byte
	data  []byte
}

func newLimit(keys, size int) (*limit, error) {
	l := &limit{data: []byte("as much associated data as a value of a record has, nearly: 96 bytes, all of them authenticated.")}
	for n := range keys {
		a, err := rawAEAD()
		if err != nil {
			return nil, err
		}
		box, err := a.Encrypt([]byte(text(People{}, int64(n), size)), l.data)
		if err != nil {
			return nil, err
		}
		l.keys, l.boxes = append(l.keys, a), append(l.boxes, box)
	}
	return l, nil
}

// opens is how many values a second all cores open, ten of each person in a row.
func (l *limit) opens(each time.Duration) (float64, error) {
	var n atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, runtime.NumCPU())
	start := time.Now()
	for c := range runtime.NumCPU() {
		wg.Go(func() {
			for i := c * 7919; time.Since(start) < each; i++ {
				k := i % len(l.keys)
				for range 10 {
					if _, err := l.keys[k].Decrypt(l.boxes[k], l.data); err != nil {
						failed <- err
						return
					}
				}
				n.Add(10)
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	select {
	case err := <-failed:
		return 0, err
	default:
		return float64(n.Load()) / took.Seconds(), nil
	}
}
