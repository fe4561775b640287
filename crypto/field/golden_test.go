package field_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

// The golden vectors pin the formats of FORMAT.md. They are only ever appended
// to: what was sealed once must open for ever. To append, add a case below and
// run the tests once with -append.
var appendVectors = flag.Bool("append", false, "append the golden vectors that are missing")

// frozen says how many lines each file has at least, and what their SHA-256 is:
// whoever changes or removes a line fails here. Raise both when lines are added.
var frozen = map[string]struct {
	lines int
	sum   string
}{
	"box.jsonl":       {2, "4922832e27e637f97ac1134b1c861ed3c3a236b07cc898118bf4c7cbb05eced4"},
	"context.jsonl":   {4, "1153d29b47f74dd629caf0517c1fd3da2909258728f409954c8d66353ef24499"},
	"index.jsonl":     {5, "0251723a0ca56d261ed68788a3e7f2eec623f18e14f12d2c0f62d08bdc0e804a"},
	"mac.jsonl":       {4, "62d5b1d2d0bb61434289f822893626f81163a2eceb5662edd9384f26ed186152"},
	"packed.jsonl":    {5, "8130b0fac5df496ba8b824546c82b242bc083f9c8ef08123f5b1d806557539cf"},
	"portable.jsonl":  {4, "f595ba77d725698e75e0d10216def3dbfa925f954770d3c3f8304991c96d58d8"},
	"pseudonym.jsonl": {4, "e243f648ec5ccf5b9a8db6cb051c55609d18e616e0cf4c9e43152bd90abc6a9b"},
	"term.jsonl":      {5, "42ee5c6ad71c89c1a01617938ea7457c1e375b78fee1ee2945fe835ac0437403"},
	"value.jsonl":     {7, "9d2c564f844c406e6169311e9dccc9d35ec394d19c2ce74efdd7aecdf406dfff"},
}

func TestGoldenVectorsAreOnlyAppendedTo(t *testing.T) {
	for name, want := range frozen {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.SplitAfter(b, []byte("\n"))
		if len(lines) < want.lines {
			t.Errorf("%s has lost lines", name)
			continue
		}
		sum := sha256.Sum256(bytes.Join(lines[:want.lines], nil))
		if got := hex.EncodeToString(sum[:]); got != want.sum {
			t.Errorf("%s: its first %d lines have changed: %s", name, want.lines, got)
		}
	}
}

// vector is one line of a file of golden vectors. Bytes are in hex.
type vector struct {
	Name string `json:"name"`

	// value, portable
	Keyset     string       `json:"keyset,omitempty"`
	Place      *goldenPlace `json:"place,omitempty"`
	Generation uint32       `json:"generation,omitempty"`
	Plaintext  string       `json:"plaintext,omitempty"`
	Data       string       `json:"associated_data,omitempty"`

	// index, MAC, box
	Key   string   `json:"key,omitempty"`
	Label string   `json:"label,omitempty"`
	Bits  int      `json:"bits,omitempty"`
	Parts []string `json:"parts,omitempty"`

	Scope []string `json:"scope,omitempty"` // pseudonym: tenant, purpose, recipient

	Fields []goldenSealed `json:"fields,omitempty"` // packed

	Result string `json:"result"`
}

type goldenPlace struct {
	Tenant     string `json:"tenant"`
	UID        string `json:"uid"`
	Group      uint32 `json:"group"`
	Epoch      uint32 `json:"epoch"`
	Collection uint32 `json:"collection"`
	Record     string `json:"record"`
	Field      uint32 `json:"field"`
	Revision   uint64 `json:"revision"`
}

func (g *goldenPlace) place(t *testing.T) field.Place {
	return field.Place{
		Tenant: g.Tenant, UID: [16]byte(mustHex(t, g.UID)), Group: g.Group, Epoch: g.Epoch,
		Collection: g.Collection, Record: g.Record, Field: g.Field, Revision: g.Revision,
	}
}

// vectors reads a file of golden vectors, after appending the cases that are
// missing if that was asked for.
func vectors(t *testing.T, name string, cases []vector, make func(*vector)) []vector {
	t.Helper()
	path := "testdata/" + name
	b, err := os.ReadFile(path)
	if err != nil && !*appendVectors {
		t.Fatal(err)
	}
	var list []vector
	known := map[string]bool{}
	for line := range bytes.Lines(b) {
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		var v vector
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		list = append(list, v)
		known[v.Name] = true
	}
	for _, v := range cases {
		if known[v.Name] {
			continue
		}
		if !*appendVectors {
			t.Fatalf("%s has no vector %q: run the tests with -append", name, v.Name)
		}
		make(&v)
		line, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b = append(append(b, line...), '\n')
		list = append(list, v)
	}
	if *appendVectors {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

const goldenUID = "0198c0de000070008000000000000001"

var sealedCases = []vector{
	{Name: "e-mail", Keyset: "one", Place: &goldenPlace{"default", goldenUID, 2, 1, 1, "c-17", 11, 1}, Plaintext: hex.EncodeToString([]byte("luisg@embraer.com.br"))},
	{Name: "empty value", Keyset: "one", Place: &goldenPlace{"default", goldenUID, 2, 0, 1, "c-17", 2, 3}},
	{Name: "text that is not ASCII", Keyset: "one", Place: &goldenPlace{"acme-2", goldenUID, 3, 4, 9, "größe/π", 300, 1 << 40}, Plaintext: hex.EncodeToString([]byte("Luís Gonçalves 日本"))},
	{Name: "largest numbers", Keyset: "one", Place: &goldenPlace{"t", strings.Repeat("ff", 16), 1<<32 - 1, 1<<32 - 1, 1<<32 - 1, "r", 1<<32 - 1, 1<<64 - 1}, Plaintext: "00ff"},
	{Name: "identity group without record", Keyset: "one", Place: &goldenPlace{"default", goldenUID, 1, 1, 0, "", 1, 0}, Plaintext: hex.EncodeToString([]byte("c-17"))},
	{Name: "names of the longest length", Keyset: "one", Place: &goldenPlace{strings.Repeat("a", 63), goldenUID, 2, 1, 1, strings.Repeat("r", 200), 1, 1}, Plaintext: strings.Repeat("61", 64)},
	{Name: "after rotation, under the new key", Keyset: "rotated", Place: &goldenPlace{"default", goldenUID, 2, 1, 1, "c-17", 11, 2}, Plaintext: hex.EncodeToString([]byte("a@example.org"))},
}

func TestGoldenValues(t *testing.T) {
	list := vectors(t, "value.jsonl", sealedCases, func(v *vector) {
		rec := &recorder{AEAD: readAEAD(t, v.Keyset)}
		ct, err := field.NewKey(rec).Seal(v.Place.place(t), secret.New(mustHex(t, v.Plaintext)))
		if err != nil {
			t.Fatal(err)
		}
		v.Data, v.Result = hex.EncodeToString(rec.data), hex.EncodeToString(ct)
	})
	for _, v := range list {
		rec := &recorder{AEAD: readAEAD(t, v.Keyset)}
		got, err := field.NewKey(rec).Open(v.Place.place(t), mustHex(t, v.Result))
		if err != nil || hex.EncodeToString(got.Expose()) != v.Plaintext {
			t.Errorf("%s does not open: %v", v.Name, err)
		}
		if got := hex.EncodeToString(rec.data); got != v.Data {
			t.Errorf("%s: associated data\n got %s\nwant %s", v.Name, got, v.Data)
		}
		if got := openByHand(t, v.Keyset, mustHex(t, v.Result), mustHex(t, v.Data)); got != v.Plaintext {
			t.Errorf("%s does not open by hand", v.Name)
		}
		// What the single keyset sealed still opens after rotation.
		if _, err := field.NewKey(readAEAD(t, "rotated")).Open(v.Place.place(t), mustHex(t, v.Result)); err != nil {
			t.Errorf("%s does not open after rotation: %v", v.Name, err)
		}
	}
}

func TestGoldenPortables(t *testing.T) {
	cases := []vector{
		{Name: "e-mail", Keyset: "one", Generation: 1, Place: &goldenPlace{"default", goldenUID, 2, 1, 1, "", 11, 0}, Plaintext: hex.EncodeToString([]byte("luisg@embraer.com.br"))},
		{Name: "empty value", Keyset: "one", Generation: 2, Place: &goldenPlace{"default", goldenUID, 2, 0, 1, "", 11, 0}},
		{Name: "largest numbers", Keyset: "one", Generation: 1<<32 - 1, Place: &goldenPlace{"t", strings.Repeat("ff", 16), 1<<32 - 1, 1<<32 - 1, 1<<32 - 1, "", 1<<32 - 1, 0}, Plaintext: "00"},
		{Name: "after rotation, under the new key", Keyset: "rotated", Generation: 1, Place: &goldenPlace{"default", goldenUID, 2, 1, 1, "", 11, 0}, Plaintext: "6162"},
	}
	list := vectors(t, "portable.jsonl", cases, func(v *vector) {
		rec := &recorder{AEAD: readAEAD(t, v.Keyset)}
		text, err := field.NewKey(rec).SealPortable(v.Place.place(t), v.Generation, secret.New(mustHex(t, v.Plaintext)))
		if err != nil {
			t.Fatal(err)
		}
		v.Data, v.Result = hex.EncodeToString(rec.data), text
	})
	for _, v := range list {
		c, err := field.ParsePortable(v.Result)
		if err != nil {
			t.Errorf("%s does not parse: %v", v.Name, err)
			continue
		}
		want := field.Portable{
			Generation: v.Generation, Group: v.Place.Group, Epoch: v.Place.Epoch,
			Collection: v.Place.Collection, Field: v.Place.Field, Sealed: c.Sealed,
		}
		if diff := cmp.Diff(want, c); diff != "" {
			t.Errorf("%s: header (-want +got)\n%s", v.Name, diff)
		}
		rec := &recorder{AEAD: readAEAD(t, v.Keyset)}
		got, err := field.NewKey(rec).OpenPortable(v.Place.place(t), c)
		if err != nil || hex.EncodeToString(got.Expose()) != v.Plaintext {
			t.Errorf("%s does not open: %v", v.Name, err)
		}
		if got := hex.EncodeToString(rec.data); got != v.Data {
			t.Errorf("%s: associated data\n got %s\nwant %s", v.Name, got, v.Data)
		}
		if got := openByHand(t, v.Keyset, c.Sealed, mustHex(t, v.Data)); got != v.Plaintext {
			t.Errorf("%s does not open by hand", v.Name)
		}
	}
}

// openByHand opens a ciphertext as FORMAT.md says, with neither Tink nor this
// package.
func openByHand(t *testing.T, keysetName string, sealed, data []byte) string {
	t.Helper()
	var ks struct {
		Key []struct {
			KeyID   uint32 `json:"keyId"`
			KeyData struct {
				Value string `json:"value"`
			} `json:"keyData"`
		} `json:"key"`
	}
	b, err := os.ReadFile("testdata/keyset-" + keysetName + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &ks); err != nil {
		t.Fatal(err)
	}
	for _, k := range ks.Key {
		id := []byte{1, byte(k.KeyID >> 24), byte(k.KeyID >> 16), byte(k.KeyID >> 8), byte(k.KeyID)}
		if !bytes.HasPrefix(sealed, id) {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(k.KeyData.Value)
		if err != nil {
			t.Fatal(err)
		}
		block, err := aes.NewCipher(raw[2:]) // after the tag and length of a protocol buffer
		if err != nil {
			t.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := gcm.Open(nil, sealed[5:17], sealed[17:], data)
		if err != nil {
			t.Errorf("opening by hand: %v", err)
		}
		return hex.EncodeToString(plain)
	}
	t.Error("opening by hand: no key has the id of the ciphertext")
	return ""
}

func TestGoldenIndexValues(t *testing.T) {
	key := strings.Repeat("0b", 32)
	value := hex.EncodeToString([]byte("luisg@embraer.com.br"))
	cases := []vector{
		{Name: "256 bits", Key: key, Plaintext: value, Bits: 256},
		{Name: "64 bits", Key: key, Plaintext: value, Bits: 64},
		{Name: "13 bits", Key: key, Plaintext: value, Bits: 13},
		{Name: "8 bits", Key: key, Plaintext: value, Bits: 8},
		{Name: "empty value", Key: key, Bits: 64},
	}
	index := func(v *vector) string {
		k, err := field.NewIndexKey(secret.New(mustHex(t, v.Key)))
		if err != nil {
			t.Fatal(err)
		}
		return hex.EncodeToString(k.Index(secret.New(mustHex(t, v.Plaintext)), v.Bits))
	}
	for _, v := range vectors(t, "index.jsonl", cases, func(v *vector) { v.Result = index(v) }) {
		if got := index(&v); got != v.Result {
			t.Errorf("%s: %s, want %s", v.Name, got, v.Result)
		}
	}
}

func TestGoldenMACs(t *testing.T) {
	key := strings.Repeat("0c", 32)
	cases := []vector{
		{Name: "no parts", Key: key, Label: "consent/1"},
		{Name: "an empty part", Key: key, Label: "consent/1", Parts: []string{""}},
		{Name: "parts", Key: key, Label: "consent/1", Parts: []string{"0102", "", "ff"}},
		{Name: "a long part", Key: key, Label: "consent/1", Parts: []string{strings.Repeat("61", 300)}},
	}
	sum := func(v *vector) string {
		k, err := field.NewMACKey(secret.New(mustHex(t, v.Key)))
		if err != nil {
			t.Fatal(err)
		}
		var parts [][]byte
		for _, p := range v.Parts {
			parts = append(parts, mustHex(t, p))
		}
		s := k.Sum(v.Label, parts...)
		if !k.Verify(s[:], v.Label, parts...) {
			t.Errorf("%s does not verify", v.Name)
		}
		return hex.EncodeToString(s[:])
	}
	for _, v := range vectors(t, "mac.jsonl", cases, func(v *vector) { v.Result = sum(v) }) {
		if got := sum(&v); got != v.Result {
			t.Errorf("%s: %s, want %s", v.Name, got, v.Result)
		}
	}
}

func TestGoldenBoxes(t *testing.T) {
	key := strings.Repeat("0d", 32)
	cases := []vector{
		{Name: "a cursor", Key: key, Label: "cursor/1", Plaintext: "01020304"},
		{Name: "empty", Key: key, Label: "cursor/1"},
	}
	open := func(v *vector) *field.BoxKey {
		k, err := field.NewBoxKey(secret.New(mustHex(t, v.Key)))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	list := vectors(t, "box.jsonl", cases, func(v *vector) {
		box, err := open(v).Seal(v.Label, mustHex(t, v.Plaintext))
		if err != nil {
			t.Fatal(err)
		}
		v.Result = hex.EncodeToString(box)
	})
	for _, v := range list {
		got, err := open(&v).Open(v.Label, mustHex(t, v.Result))
		if err != nil || hex.EncodeToString(got) != v.Plaintext {
			t.Errorf("%s does not open: %v", v.Name, err)
		}
		data := slices.Concat([]byte("\x08fv/box/1"), []byte{byte(len(v.Label))}, []byte(v.Label))
		plain, err := openXAES(t, mustHex(t, v.Key), mustHex(t, v.Result), data)
		if err != nil || hex.EncodeToString(plain) != v.Plaintext {
			t.Errorf("%s does not open by hand: %v", v.Name, err)
		}
	}
}

// TestXAES shows that what opens boxes by hand is XAES-256-GCM: the two vectors
// of its specification.
func TestXAES(t *testing.T) {
	nonce := []byte("ABCDEFGHIJKLMNOPQRSTUVWX")
	for _, c := range []struct {
		key        byte
		data, want string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		got, err := openXAES(t, bytes.Repeat([]byte{c.key}, 32), append(nonce[:24:24], mustHex(t, c.want)...), []byte(c.data))
		if err != nil || string(got) != "XAES-256-GCM" {
			t.Errorf("key %d: %q, %v", c.key, got, err)
		}
	}
}

// openXAES opens XAES-256-GCM as https://c2sp.org/XAES-256-GCM describes it.
func openXAES(t *testing.T, key, box, data []byte) ([]byte, error) {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	var l, k1 [16]byte
	block.Encrypt(l[:], l[:])
	for i := range k1 {
		k1[i] = l[i] << 1
		if i < 15 {
			k1[i] |= l[i+1] >> 7
		}
	}
	if l[0]&0x80 != 0 {
		k1[15] ^= 0x87
	}
	var derived []byte
	for i := range byte(2) {
		m := append([]byte{0, i + 1, 'X', 0}, box[:12]...)
		for j := range m {
			m[j] ^= k1[j]
		}
		block.Encrypt(m, m)
		derived = append(derived, m...)
	}
	if block, err = aes.NewCipher(derived); err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return gcm.Open(nil, box[12:24], box[24:], data)
}

func TestGoldenContexts(t *testing.T) {
	cases := []vector{
		{Name: "data key", Place: &goldenPlace{Tenant: "default", UID: goldenUID, Group: 2, Epoch: 1}},
		{Name: "data key, largest numbers", Place: &goldenPlace{Tenant: "t", UID: goldenUID, Group: 1<<32 - 1, Epoch: 1<<32 - 1}},
		{Name: "secret", Place: &goldenPlace{Tenant: "default", UID: goldenUID}, Label: "index/1/2/1"},
		{Name: "secret of the service", Place: &goldenPlace{Tenant: "_system", UID: goldenUID}, Label: "signing/1"},
	}
	context := func(v *vector) string {
		if v.Label != "" {
			return hex.EncodeToString(field.SecretContext(v.Place.Tenant, v.Label))
		}
		p := v.Place.place(t)
		return hex.EncodeToString(field.KeyContext(p.Tenant, p.UID, p.Group, p.Epoch))
	}
	for _, v := range vectors(t, "context.jsonl", cases, func(v *vector) { v.Result = context(v) }) {
		if got := context(&v); got != v.Result {
			t.Errorf("%s: %s, want %s", v.Name, got, v.Result)
		}
	}
}
