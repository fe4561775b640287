package field_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

func TestSealOpen(t *testing.T) {
	k := field.NewKey(newAEAD(t))
	for _, value := range []string{"", "a", "luisg@embraer.com.br", "\x00\xff", strings.Repeat("é", field.MaxValue/2)} {
		ct := mustSeal(t, k, place(), value)
		if len(ct) != len(value)+field.Overhead {
			t.Errorf("a value of %d bytes seals to %d, want %d more", len(value), len(ct), field.Overhead)
		}
		got, err := k.Open(place(), ct)
		if err != nil || string(got.Expose()) != value || got.IsZero() {
			t.Errorf("a value of %d bytes does not open as itself: %v", len(value), err)
		}
		if got, err = k.OpenSplit(place(), field.Split(ct)); err != nil || string(got.Expose()) != value || got.IsZero() {
			t.Errorf("a value of %d bytes does not open as itself when its ciphertext is split: %v", len(value), err)
		}
		if bytes.Equal(ct, mustSeal(t, k, place(), value)) {
			t.Error("sealing twice gives the same ciphertext: the nonce repeats")
		}
	}
}

func TestSealRefuses(t *testing.T) {
	k := field.NewKey(newAEAD(t))
	value := secret.FromString("v")
	for _, c := range []struct {
		name  string
		place field.Place
		value secret.Bytes
		want  error
	}{
		{"a value that is too large", place(), secret.New(make([]byte, field.MaxValue+1)), field.ErrTooLarge},
		{"no value", place(), secret.Bytes{}, field.ErrFormat},
		{"no tenant", with(place(), func(p *field.Place) { p.Tenant = "" }), value, field.ErrFormat},
		{"no person", with(place(), func(p *field.Place) { p.UID = [16]byte{} }), value, field.ErrFormat},
		{"no key group", with(place(), func(p *field.Place) { p.Group = 0 }), value, field.ErrFormat},
	} {
		ct, err := k.Seal(c.place, c.value)
		if !errors.Is(err, c.want) || ct != nil {
			t.Errorf("%s: Seal gives %v, want %v", c.name, err, c.want)
		}
		c.place.Record, c.place.Revision = "", 0
		text, err := k.SealPortable(c.place, 1, c.value)
		if !errors.Is(err, c.want) || text != "" {
			t.Errorf("%s: SealPortable gives %v, want %v", c.name, err, c.want)
		}
	}
}

func with(p field.Place, change func(*field.Place)) field.Place {
	change(&p)
	return p
}

// moves are all single steps from a place to another.
func moves() map[string]func(*field.Place) {
	return map[string]func(*field.Place){
		"tenant":     func(p *field.Place) { p.Tenant += "x" },
		"uid":        func(p *field.Place) { p.UID[15]++ },
		"group":      func(p *field.Place) { p.Group++ },
		"epoch":      func(p *field.Place) { p.Epoch++ },
		"collection": func(p *field.Place) { p.Collection++ },
		"record":     func(p *field.Place) { p.Record += "x" },
		"field":      func(p *field.Place) { p.Field++ },
		"revision":   func(p *field.Place) { p.Revision++ },
	}
}

// TestMovedValueDoesNotOpen is I7, step by step: Bound to its place.
func TestMovedValueDoesNotOpen(t *testing.T) {
	k := field.NewKey(newAEAD(t))
	ct := mustSeal(t, k, place(), "v")
	for name, move := range moves() {
		if got, err := k.Open(with(place(), move), ct); !errors.Is(err, field.ErrOpen) || !got.IsZero() {
			t.Errorf("a value moved to another %s: %v, want ErrOpen", name, err)
		}
		if got, err := k.OpenSplit(with(place(), move), field.Split(ct)); !errors.Is(err, field.ErrOpen) || !got.IsZero() {
			t.Errorf("a split value moved to another %s: %v, want ErrOpen", name, err)
		}
	}
	if _, err := field.NewKey(newAEAD(t)).Open(place(), ct); !errors.Is(err, field.ErrOpen) {
		t.Errorf("under another key: %v, want ErrOpen", err)
	}
	for name, p := range map[string]field.Place{
		"no tenant": with(place(), func(p *field.Place) { p.Tenant = "" }),
		"nothing":   {},
	} {
		if _, err := k.Open(p, ct); !errors.Is(err, field.ErrOpen) {
			t.Errorf("at a place with %s: %v, want ErrOpen", name, err)
		}
		if _, err := k.OpenSplit(p, field.Split(ct)); !errors.Is(err, field.ErrOpen) {
			t.Errorf("split, at a place with %s: %v, want ErrOpen", name, err)
		}
	}
}

func drawPlace(t *rapid.T) field.Place {
	return field.Place{
		Tenant:     rapid.StringMatching(`[a-z][a-z0-9-]{0,62}`).Draw(t, "tenant"),
		UID:        [16]byte(append(rapid.SliceOfN(rapid.Byte(), 15, 15).Draw(t, "uid"), 1)),
		Group:      rapid.Uint32Min(1).Draw(t, "group"),
		Epoch:      rapid.Uint32().Draw(t, "epoch"),
		Collection: rapid.Uint32().Draw(t, "collection"),
		Record:     rapid.String().Draw(t, "record"),
		Field:      rapid.Uint32().Draw(t, "field"),
		Revision:   rapid.Uint64().Draw(t, "revision"),
	}
}

// TestMovedValueDoesNotOpenAnywhere is I7 for any two places.
func TestMovedValueDoesNotOpenAnywhere(t *testing.T) {
	k := field.NewKey(newAEAD(t))
	rapid.Check(t, func(t *rapid.T) {
		from, to := drawPlace(t), drawPlace(t)
		if rapid.Bool().Draw(t, "near") { // most places are far apart
			to = from
			names := []string{"tenant", "uid", "group", "epoch", "collection", "record", "field", "revision"}
			moves()[rapid.SampledFrom(names).Draw(t, "move")](&to)
		}
		value := rapid.SliceOf(rapid.Byte()).Draw(t, "value")
		ct, err := k.Seal(from, secret.New(bytes.Clone(value)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Open(from, ct); err != nil || !bytes.Equal(got.Expose(), value) {
			t.Fatalf("does not open where it was sealed: %v", err)
		}
		if _, err := k.Open(to, ct); from != to && !errors.Is(err, field.ErrOpen) {
			t.Fatalf("opens elsewhere: %v", err)
		}
	})
}

// TestTwoPlacesNeverShareAssociatedData shifts characters across the borders of
// parts, where a binding without lengths would not notice.
func TestTwoPlacesNeverShareAssociatedData(t *testing.T) {
	rec := &recorder{AEAD: newAEAD(t)}
	k := field.NewKey(rec)
	seen := map[string]field.Place{}
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlace(t)
		p.Tenant = rapid.StringMatching(`[a\x00\x04]{1,4}`).Draw(t, "tenant")
		p.Record = rapid.StringMatching(`[a\x00\x04]{0,4}`).Draw(t, "record")
		if _, err := k.Seal(p, secret.FromString("v")); err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[string(rec.data)]; ok && other != p {
			t.Fatalf("%+v and %+v have the same associated data", p, other)
		}
		seen[string(rec.data)] = p
	})
}

// TestAssociatedDataOfAnyLength is FORMAT.md's list, written out here, for texts whose
// lengths are around where a length takes a second byte and a buffer is full.
func TestAssociatedDataOfAnyLength(t *testing.T) {
	rec := &recorder{AEAD: newAEAD(t)}
	k := field.NewKey(rec)
	lengths := []int{1, 7, 30, 45, 60, 126, 127, 128, 129, 300}
	for _, tenant := range lengths {
		for _, record := range append([]int{0}, lengths...) {
			p := place()
			p.Tenant, p.Record = strings.Repeat("t", tenant), strings.Repeat("r", record)
			u32 := func(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }
			var want []byte
			for _, part := range []string{
				"fv/value/1", p.Tenant, string(p.UID[:]), u32(p.Group), u32(p.Epoch), u32(p.Collection), p.Record, u32(p.Field),
				string(binary.BigEndian.AppendUint64(nil, p.Revision)),
			} {
				want = append(binary.AppendUvarint(want, uint64(len(part))), part...)
			}
			if _, err := k.Seal(p, secret.FromString("v")); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(rec.data, want) {
				t.Errorf("a tenant of %d bytes and a record of %d: %x, want %x", tenant, record, rec.data, want)
			}
		}
	}
}

// TestChangedCiphertextsFailAlike flips every bit, cuts at every length and
// extends: the same error, word for word, and nothing of the value.
func TestChangedCiphertextsFailAlike(t *testing.T) {
	k := field.NewKey(newAEAD(t))
	ct := mustSeal(t, k, place(), "luisg@embraer.com.br")
	check := func(what string, sealed []byte) {
		t.Helper()
		got, err := k.Open(place(), sealed)
		if err != field.ErrOpen || !got.IsZero() { //nolint:errorlint // the very same error, not one that wraps it
			t.Errorf("%s: %v, want ErrOpen itself", what, err)
		}
		got, err = k.OpenSplit(place(), field.Split(sealed))
		if err != field.ErrOpen || !got.IsZero() { //nolint:errorlint // as above
			t.Errorf("%s, split: %v, want ErrOpen itself", what, err)
		}
	}
	for i := range ct {
		for bit := range 8 {
			changed := slices.Clone(ct)
			changed[i] ^= 1 << bit
			check(fmt.Sprintf("bit %d of byte %d flipped", bit, i), changed)
		}
		check(fmt.Sprintf("cut to %d bytes", i), ct[:i])
		check(fmt.Sprintf("begun at byte %d", i+1), ct[i+1:])
	}
	check("nothing", nil)
	check("extended by a zero byte", append(slices.Clone(ct), 0))
	check("twice", slices.Concat(ct, ct))
	check("beyond the largest value", make([]byte, field.MaxValue+field.Overhead+1))
	long := field.Ciphertext{KeyID: field.Split(ct).KeyID, Body: make([]byte, field.MaxValue+field.Overhead)}
	if _, err := k.OpenSplit(place(), long); err != field.ErrOpen { //nolint:errorlint // as above
		t.Errorf("a body beyond the largest value: %v, want ErrOpen itself", err)
	}
}

// TestSplitTakesWhatSealMade, and gives nothing of anything else: what it gives
// of that does not open, is not current and does not pack.
func TestSplitTakesWhatSealMade(t *testing.T) {
	k := field.NewKey(readAEAD(t, "one"))
	ct := append(make([]byte, 0, 2*field.Overhead), mustSeal(t, k, place(), "")...)
	c := field.Split(ct)
	if c.KeyID != binary.BigEndian.Uint32(ct[1:5]) || !bytes.Equal(c.Body, ct[5:]) || &c.Body[0] != &ct[5] || cap(c.Body) != len(c.Body) {
		t.Errorf("%x is split into %x and %x", ct, c.KeyID, c.Body)
	}
	for name, bad := range map[string][]byte{
		"nothing":        nil,
		"too short":      ct[:field.Overhead-1],
		"too long":       slices.Concat(ct, make([]byte, field.MaxValue+1)),
		"another prefix": slices.Concat([]byte{0}, ct[1:]),
	} {
		c := field.Split(bad)
		if c.KeyID != 0 || c.Body != nil || k.CurrentSplit(c) {
			t.Errorf("%s: split into %x and %x", name, c.KeyID, c.Body)
		}
		if _, err := k.OpenSplit(place(), c); !errors.Is(err, field.ErrOpen) {
			t.Errorf("%s: %v, want ErrOpen", name, err)
		}
	}
}

// TestCurrentIsOfTheKeyThatSeals: what an earlier primary sealed opens and is not
// current; of what is cut or of no key, nothing is.
func TestCurrentIsOfTheKeyThatSeals(t *testing.T) {
	before, now := field.NewKey(readAEAD(t, "one")), field.NewKey(readAEAD(t, "rotated"))
	old, fresh := mustSeal(t, before, place(), "v"), mustSeal(t, now, place(), "v")
	for _, c := range []struct {
		what   string
		key    *field.Key
		sealed []byte
		want   bool
	}{
		{"what the only key sealed", before, old, true},
		{"what the new key sealed", now, fresh, true},
		{"what the old key sealed", now, old, false},
		{"what is cut", now, fresh[:field.Overhead-1], false},
		{"what has another prefix", now, slices.Concat([]byte{0}, fresh[1:]), false},
		{"nothing", now, nil, false},
	} {
		if got := c.key.Current(c.sealed); got != c.want {
			t.Errorf("%s is current: %v, want %v", c.what, got, c.want)
		}
		if got := c.key.CurrentSplit(field.Split(c.sealed)); got != c.want {
			t.Errorf("%s, split, is current: %v, want %v", c.what, got, c.want)
		}
	}
	if v, err := now.OpenSplit(place(), field.Split(old)); err != nil || string(v.Expose()) != "v" {
		t.Errorf("what the old key sealed does not open: %v", err)
	}
	if now.CurrentSplit(field.Ciphertext{KeyID: field.Split(fresh).KeyID}) {
		t.Error("a key id without a body is current")
	}
	wrong := field.Split(old)
	wrong.KeyID = field.Split(fresh).KeyID
	if _, err := now.OpenSplit(place(), wrong); !errors.Is(err, field.ErrOpen) {
		t.Errorf("under the id of another key: %v, want ErrOpen", err)
	}
}

func TestOpenLeavesInputAlone(t *testing.T) {
	k := field.NewKey(newAEAD(t))
	ct := mustSeal(t, k, place(), "value")
	before := slices.Clone(ct)
	got, err := k.Open(place(), ct)
	if err != nil {
		t.Fatal(err)
	}
	got.Wipe()
	if !bytes.Equal(before, ct) {
		t.Error("wiping an opened value changes the ciphertext: they share memory")
	}
}

// TestKeyIsConcurrent shares one key among goroutines; the race detector looks
// on.
func TestKeyIsConcurrent(t *testing.T) {
	k := field.NewKey(newAEAD(t))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				p := place()
				p.Field, p.Revision = uint32(g+1), uint64(i)
				p.Record = strings.Repeat("r", i) // beyond the spare buffer, too
				want := fmt.Sprint(g, i)
				ct, err := k.Seal(p, secret.FromString(want))
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := k.Open(p, ct); err != nil || string(got.Expose()) != want {
					t.Errorf("opens as another value: %v", err)
				}
				if got, err := k.OpenSplit(p, field.Split(ct)); err != nil || string(got.Expose()) != want {
					t.Errorf("split, opens as another value: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

// TestKeysDoNotPrint prints each kind of key in every way.
func TestKeysDoNotPrint(t *testing.T) {
	raw := []byte("0123456789abcdef0123456789ABCDEF")
	index, err := field.NewIndexKey(secret.New(bytes.Clone(raw)))
	if err != nil {
		t.Fatal(err)
	}
	mac, err := field.NewMACKey(secret.New(bytes.Clone(raw)))
	if err != nil {
		t.Fatal(err)
	}
	box, err := field.NewBoxKey(secret.New(bytes.Clone(raw)))
	if err != nil {
		t.Fatal(err)
	}
	sealing := field.NewKey(singleAEAD(t, raw))
	for name, k := range map[string]any{"Key": sealing, "IndexKey": index, "MACKey": mac, "BoxKey": box} {
		type hidden struct{ k any }
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
			if got := fmt.Sprintf(verb, k); got != "[key]" {
				t.Errorf("%s with %s prints %s", name, verb, got)
			}
			inside := fmt.Sprintf(verb, hidden{k}) + fmt.Sprintf(verb, &hidden{k}) + fmt.Sprintf(verb, []hidden{{k}})
			if showsKey(inside, raw) {
				t.Errorf("a struct with a %s, with %s, prints the key: %s", name, verb, inside)
			}
		}
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(&out, nil)).Info("a line", "key", k, "hidden", hidden{k})
		if showsKey(out.String(), raw) || !strings.Contains(out.String(), `"key":"[key]"`) {
			t.Errorf("%s is logged as %s", name, out.String())
		}
		if b, err := json.Marshal(k); err != nil || string(b) != `"[key]"` {
			t.Errorf("%s is JSON %s, %v", name, b, err)
		}
	}
}

func showsKey(text string, raw []byte) bool {
	part := raw[:5]
	decimal := strings.Trim(fmt.Sprint(part), "[]")
	return strings.Contains(text, string(part)) || strings.Contains(text, hex.EncodeToString(part)) ||
		strings.Contains(text, decimal) || strings.Contains(text, fmt.Sprintf("%#v", part)[len("[]byte{"):30])
}

// What an Opener opens, it opens as OpenSplit does, whatever it opened or refused before,
// for other keys and places, and after Close.
func TestOpener(t *testing.T) {
	keys := []*field.Key{field.NewKey(newAEAD(t)), field.NewKey(newAEAD(t))}
	var o field.Opener
	o.Close() // of one that has opened nothing
	for i, size := range []int{0, 64, field.MaxValue, 1, 300, 64} {
		k, p := keys[i%2], place()
		p.Field, p.Record = uint32(i+1), strings.Repeat("r", 50*i)
		value := strings.Repeat(string(rune('a'+i)), size)
		c := field.Split(mustSeal(t, k, p, value))
		if got, err := o.Open(k, &p, c); err != nil || string(got.Expose()) != value {
			t.Errorf("value %d does not open: %v", i, err)
		}
		other := p
		other.Field++
		for what, refused := range map[string]func() (secret.Bytes, error){
			"another place": func() (secret.Bytes, error) { return o.Open(k, &other, c) },
			"another key":   func() (secret.Bytes, error) { return o.Open(keys[(i+1)%2], &p, c) },
			"no place":      func() (secret.Bytes, error) { return o.Open(k, &field.Place{}, c) },
			"no ciphertext": func() (secret.Bytes, error) { return o.Open(k, &p, field.Ciphertext{}) },
		} {
			if got, err := refused(); !errors.Is(err, field.ErrOpen) || !got.IsZero() {
				t.Errorf("value %d with %s: %v", i, what, err)
			}
		}
		if i == 3 {
			o.Close()
		}
	}
	o.Close()
}
