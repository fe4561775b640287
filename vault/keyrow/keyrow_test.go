package keyrow_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/keyrow"
)

func pack(tb testing.TB, keys ...vault.DataKey) keyrow.Row {
	tb.Helper()
	r, err := keyrow.Pack(keys)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func key(group uint32) vault.DataKey {
	return vault.DataKey{Group: group, Epoch: 1, Version: 1, KEKVersion: 1, Wrapped: []byte("w")}
}

func none(group, epoch uint32) vault.DataKey { return vault.DataKey{Group: group, Epoch: epoch} }

// The golden rows pin the format: they are only ever appended to.
func TestGoldenRows(t *testing.T) {
	for want, keys := range map[string][]vault.DataKey{
		"1 0101 0101010101 77": {key(1)},
		"3 0102" +
			"01 01 01 03 03 766162" +
			"01 07 02 04 02 7663": {
			{Group: 1, Epoch: 1, Version: 1, KEKVersion: 3, Wrapped: []byte("vab")},
			{Group: 2, Epoch: 7, Version: 2, KEKVersion: 4, Wrapped: []byte("vc")},
		},
		"0 0101 02 02 00 00 00": {none(2, 2)},
		"5 0103" +
			"01 02 00 00 00" +
			"ac02 8101 01 05 01 00" +
			"d2fdffff0f ffffffff0f ffffffff0f ffffffff07 01 6c": {
			none(1, 2),
			{Group: 301, Epoch: 129, Version: 1, KEKVersion: 5, Wrapped: []byte{0}},
			{Group: math.MaxUint32, Epoch: math.MaxUint32, Version: math.MaxUint32, KEKVersion: math.MaxInt32, Wrapped: []byte("l")},
		},
	} {
		lowest, packed := want[:1], bytes.ReplaceAll([]byte(want[2:]), []byte(" "), nil)
		r := pack(t, keys...)
		if got := hex.EncodeToString(r.Keys); got != string(packed) || r.KEKVersion != int32(lowest[0]-'0') {
			t.Errorf("%+v is packed as %d, %s, want %s, %s", keys, r.KEKVersion, got, lowest, packed)
		}
		if got, err := r.Unpack(nil); err != nil || !cmp.Equal(keys, got) {
			t.Errorf("%s: %v, %s", packed, err, cmp.Diff(keys, got))
		}
	}
}

func drawKeys(t *rapid.T) []vault.DataKey {
	groups := rapid.SliceOfNDistinct(rapid.Uint32Min(1), 1, 12, rapid.ID[uint32]).Draw(t, "groups")
	slices.Sort(groups)
	keys := make([]vault.DataKey, len(groups))
	for i, g := range groups {
		keys[i] = none(g, rapid.Uint32Min(1).Draw(t, "epoch"))
		if rapid.Bool().Draw(t, "wrapped") {
			keys[i].Version = rapid.Uint32Min(1).Draw(t, "version")
			keys[i].KEKVersion = rapid.Int32Min(1).Draw(t, "kek")
			keys[i].Wrapped = rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "bytes")
		}
	}
	return keys
}

func TestRowRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawKeys(t)
		r, err := keyrow.Pack(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Unpack(nil)
		if err != nil || !cmp.Equal(want, got) || !cmp.Equal(want, r.Load()) {
			t.Fatalf("%v, %s", err, cmp.Diff(want, got))
		}
		low := int32(0)
		for _, k := range want {
			if k.Wrapped != nil && (low == 0 || k.KEKVersion < low) {
				low = k.KEKVersion
			}
		}
		if r.KEKVersion != low {
			t.Fatalf("the lowest version is %d, want %d", r.KEKVersion, low)
		}
	})
}

func TestPackRefuses(t *testing.T) {
	change := func(f func(*vault.DataKey)) vault.DataKey {
		k := key(5)
		f(&k)
		return k
	}
	many := make([]vault.DataKey, 4097)
	for i := range many {
		many[i] = key(uint32(i + 1))
	}
	for name, keys := range map[string][]vault.DataKey{
		"none":                            {},
		"group 0":                         {change(func(k *vault.DataKey) { k.Group = 0 })},
		"epoch 0":                         {change(func(k *vault.DataKey) { k.Epoch = 0 })},
		"a key without a version":         {change(func(k *vault.DataKey) { k.Version = 0 })},
		"a key under no version":          {change(func(k *vault.DataKey) { k.KEKVersion = 0 })},
		"a key under a version below 0":   {change(func(k *vault.DataKey) { k.KEKVersion = -1 })},
		"a version without a key":         {change(func(k *vault.DataKey) { k.Wrapped, k.KEKVersion = nil, 0 })},
		"a version that wraps nothing":    {change(func(k *vault.DataKey) { k.Wrapped, k.Version = nil, 0 })},
		"an empty key":                    {change(func(k *vault.DataKey) { k.Wrapped = []byte{} })},
		"a group twice":                   {key(5), key(5)},
		"groups that are not in order":    {key(5), key(4)},
		"what stands for unreadable keys": vault.UnreadableKeys([]byte("x")),
		"too many":                        many,
	} {
		if r, err := keyrow.Pack(keys); err == nil || r.Keys != nil {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
	if _, err := pack(t, many[:4096]...).Unpack(nil); err != nil {
		t.Errorf("as many as there may be: %v", err)
	}
}

// TestRowIsCutNowhere: no prefix of a row reads, and nothing may follow it.
func TestRowIsCutNowhere(t *testing.T) {
	r := pack(t, key(1), none(2, 3), key(300))
	for i := range r.Keys {
		if _, err := (keyrow.Row{KEKVersion: 1, Keys: r.Keys[:i]}).Unpack(nil); !errors.Is(err, vault.ErrIntegrity) {
			t.Errorf("cut to %d of %d bytes: %v", i, len(r.Keys), err)
		}
	}
	if _, err := (keyrow.Row{KEKVersion: 1, Keys: append(r.Keys, 0)}).Unpack(nil); !errors.Is(err, vault.ErrIntegrity) {
		t.Errorf("with a byte behind: %v", err)
	}
}

func TestUnpackRefuses(t *testing.T) {
	one := func(b ...byte) []byte { return slices.Concat([]byte{1, 1}, b) }
	most := binary.AppendUvarint(nil, math.MaxUint64)
	for name, bad := range map[string][]byte{
		"nothing":                             nil,
		"the format alone":                    {1},
		"format 0":                            {0, 1, 1, 1, 1, 1, 1, 'w'},
		"another format":                      {2, 1, 1, 1, 1, 1, 1, 'w'},
		"no keys":                             {1, 0},
		"no count of keys, yet a key":         {1, 0, 1, 1, 1, 1, 1, 'w'},
		"a count beyond the keys":             {1, 2, 1, 1, 1, 1, 1, 'w'},
		"a count that is not the shortest":    {1, 0x81, 0, 1, 1, 1, 1, 1, 'w'},
		"too large a count":                   slices.Concat([]byte{1}, binary.AppendUvarint(nil, 4097), make([]byte, 30_000)),
		"a count of 2^64-1":                   slices.Concat([]byte{1}, most),
		"group 0":                             one(0, 1, 1, 1, 1, 'w'),
		"epoch 0":                             one(1, 0, 1, 1, 1, 'w'),
		"version 0":                           one(1, 1, 0, 1, 1, 'w'),
		"version 0 of the key-encryption key": one(1, 1, 1, 0, 1, 'w'),
		"a version of what is destroyed":      one(1, 2, 1, 0, 0),
		"a KEK version of what is destroyed":  one(1, 2, 0, 1, 0),
		"a group that is not the shortest":    one(0x81, 0, 1, 1, 1, 1, 'w'),
		"an epoch that is not the shortest":   one(1, 0x81, 0, 1, 1, 1, 'w'),
		"a version that is not the shortest":  one(1, 1, 0x81, 0, 1, 1, 'w'),
		"a length that is not the shortest":   one(1, 1, 1, 1, 0x81, 0, 'w'),
		"a group beyond 32 bits":              one(0x80, 0x80, 0x80, 0x80, 0x10, 1, 1, 1, 1, 'w'),
		"an epoch beyond 32 bits":             one(1, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 1, 1, 'w'),
		"a version beyond 32 bits":            one(1, 1, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 1, 'w'),
		"a KEK version beyond 31 bits":        one(1, 1, 1, 0x80, 0x80, 0x80, 0x80, 0x08, 1, 'w'),
		"a length beyond the end":             one(1, 1, 1, 1, 2, 'w'),
		"a length of 2^64-1":                  slices.Concat(one(1, 1, 1, 1), most, []byte("w")),
		"a group of 2^64-1":                   slices.Concat([]byte{1, 1}, most, []byte{1, 1, 1, 1, 'w'}),
		"a group that overflows":              slices.Concat([]byte{1, 2, 1, 1, 1, 1, 1, 'w'}, binary.AppendUvarint(nil, math.MaxUint32), []byte{1, 1, 1, 1, 'w'}),
		"a group twice":                       {1, 2, 1, 1, 1, 1, 1, 'w', 0, 1, 1, 1, 1, 'w'},
		"a byte more":                         one(1, 1, 1, 1, 1, 'w', 0),
	} {
		r := keyrow.Row{KEKVersion: 1, Keys: bad}
		if got, err := r.Unpack(nil); !errors.Is(err, vault.ErrIntegrity) || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if got := r.Load(); !cmp.Equal(got, vault.UnreadableKeys(bad)) {
			t.Errorf("%s loads as %v", name, got)
		}
	}
	good := one(1, 1, 1, 1, 1, 'w')
	for version, want := range map[int32]error{1: nil, 0: vault.ErrIntegrity, 2: vault.ErrIntegrity, -1: vault.ErrIntegrity} {
		if _, err := (keyrow.Row{KEKVersion: version, Keys: good}).Unpack(nil); !errors.Is(err, want) {
			t.Errorf("a key under version 1 in a row of version %d: %v, want %v", version, err, want)
		}
	}
}

// FuzzUnpack: what reads is exactly what is packed, and of what does not, nothing comes.
func FuzzUnpack(f *testing.F) {
	f.Add(int32(1), pack(f, key(1), key(2)).Keys)
	f.Add(int32(0), pack(f, none(2, 2)).Keys)
	f.Add(int32(7), []byte{})
	f.Fuzz(func(t *testing.T, version int32, b []byte) {
		r := keyrow.Row{KEKVersion: version, Keys: b}
		keys, err := r.Unpack(nil)
		if err != nil {
			if keys != nil || r.Lost() != nil {
				t.Fatal("keys beside an error")
			}
			return
		}
		again, err := keyrow.Pack(keys)
		if err != nil || again.KEKVersion != version || !bytes.Equal(again.Keys, b) {
			t.Fatalf("%d %x reads, and is packed as %d %x, %v", version, b, again.KEKVersion, again.Keys, err)
		}
	})
}

func TestWhatEndsWithAPerson(t *testing.T) {
	r := pack(t, key(1), none(2, 3), key(4))
	want := []vault.DataKey{{Group: 1, Epoch: 1, Version: 1, KEKVersion: 1}, {Group: 4, Epoch: 1, Version: 1, KEKVersion: 1}}
	if got := r.Lost(); !cmp.Equal(want, got) {
		t.Error(cmp.Diff(want, got))
	}
}

func TestBelowAndCount(t *testing.T) {
	uid := uuid.New()
	high := key(4)
	high.KEKVersion = 3
	r, bad := pack(t, key(1), none(2, 3), high), keyrow.Row{KEKVersion: 2, Keys: []byte("x")}
	for below, want := range map[int32][]vault.PlacedKey{1: nil, 2: {{UID: uid, DataKey: key(1)}}, 4: {{UID: uid, DataKey: key(1)}, {UID: uid, DataKey: high}}} {
		if got := r.Below(below, uid); !cmp.Equal(want, got) {
			t.Errorf("below %d: %s", below, cmp.Diff(want, got))
		}
	}
	if got := bad.Below(3, uid); len(got) != 1 || got[0].Group != 0 || got[0].KEKVersion != 0 {
		t.Errorf("keys that cannot be read: %v", got)
	}
	counts, keys := map[int32]int64{}, []vault.DataKey(nil)
	for _, row := range []keyrow.Row{r, bad, r} {
		keys = row.Count(counts, keys)
	}
	if want := map[int32]int64{0: 1, 1: 2, 3: 2}; !cmp.Equal(want, counts) {
		t.Error(cmp.Diff(want, counts))
	}
}

// TestNothingComesBack: whatever is done in whatever order, a key that was destroyed is
// not there again, and epochs and groups only grow.
func TestNothingComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var keys []vault.DataKey
		dead := map[string]bool{}
		epochs := map[uint32]uint32{}
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			g := rapid.Uint32Range(1, 4).Draw(t, "group")
			at := slices.IndexFunc(keys, func(k vault.DataKey) bool { return k.Group == g })
			k := vault.DataKey{Group: g, Epoch: rapid.Uint32Range(1, 4).Draw(t, "epoch"), Version: 1, KEKVersion: rapid.Int32Range(1, 3).Draw(t, "kek"), Wrapped: []byte{byte(g), byte(i)}}
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				var stored bool
				want := at < 0 || keys[at].Wrapped == nil && keys[at].Epoch == k.Epoch
				if keys, stored = keyrow.Insert(keys, k); stored != want {
					t.Fatalf("Insert: %v, want %v", stored, want)
				}
			case 1:
				if at >= 0 && keys[at].Wrapped != nil {
					dead[string(keys[at].Wrapped)] = true
				}
				var was vault.DataKey
				if keys, was = keyrow.Destroy(keys, g); was.Group != g || was.Wrapped != nil {
					t.Fatalf("Destroy: %+v", was)
				}
			case 2:
				old := vault.DataKey{Group: g, Epoch: k.Epoch, Version: 1, KEKVersion: k.KEKVersion}
				stands := at >= 0 && keys[at].Wrapped != nil && keys[at].Epoch == old.Epoch && keys[at].Version == 1 && keys[at].KEKVersion == old.KEKVersion
				if keyrow.Replace(keys, old, vault.DataKey{Epoch: k.Epoch, Version: 1, KEKVersion: 2, Wrapped: k.Wrapped}) != stands {
					t.Fatal("Replace is not as the key stood")
				}
			case 3:
				stands := at >= 0 && keys[at].Wrapped != nil && keys[at].Epoch == k.Epoch && keys[at].KEKVersion == k.KEKVersion
				r := vault.Rewrapped{Group: g, Epoch: k.Epoch, Version: 1, KEKVersion: k.KEKVersion, Next: 3, Wrapped: k.Wrapped}
				if keyrow.Rewrap(keys, r) != stands {
					t.Fatal("Rewrap is not as the key stood")
				}
			}
			for _, k := range keys {
				if dead[string(k.Wrapped)] && k.Wrapped != nil {
					t.Fatalf("%+v is back", k)
				}
				if k.Epoch < epochs[k.Group] {
					t.Fatalf("the epoch of group %d went back", k.Group)
				}
				epochs[k.Group] = k.Epoch
			}
			if len(keys) > 0 {
				if _, err := keyrow.Pack(keys); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
