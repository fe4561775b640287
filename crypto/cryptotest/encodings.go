package cryptotest

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // searched for, not relied on
	"crypto/sha1" //nolint:gosec // searched for, not relied on
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// encoded is one form of a value.
type encoded struct {
	name string
	text []byte
}

// forms returns every form in which a value is searched for: its spellings,
// plain and in the encodings that change every letter, and the value itself in
// those that change a few.
func forms(value string) []encoded {
	var list []encoded
	for _, s := range spellings(value) {
		for _, e := range wholesale(s.text) {
			list = append(list, encoded{strings.TrimPrefix(s.name+", "+e.name, ", "), e.text})
		}
	}
	list = append(list, escapes(value)...)
	list = append(list, lists([]byte(value))...)
	return append(list, digests([]byte(value))...)
}

func spellings(value string) []encoded {
	reversed := []rune(value)
	slices.Reverse(reversed)
	backwards := []byte(value)
	slices.Reverse(backwards)
	return []encoded{
		{"", []byte(value)},
		{"lower case", []byte(strings.ToLower(value))},
		{"upper case", []byte(strings.ToUpper(value))},
		{"reversed", []byte(string(reversed))},
		{"reversed bytes", backwards},
	}
}

// wholesale returns text in the encodings that know no escapes.
func wholesale(text []byte) []encoded {
	list := []encoded{
		{"raw", text},
		{"hex", []byte(hex.EncodeToString(text))},
		{"HEX", bytes.ToUpper([]byte(hex.EncodeToString(text)))},
		{"UTF-16LE", utf16Bytes(text, binary.LittleEndian)},
		{"UTF-16BE", utf16Bytes(text, binary.BigEndian)},
	}
	if latin := latin1(text); latin != nil {
		list = append(list, encoded{"Latin-1", latin})
	}
	for offset := range 3 {
		list = append(list,
			encoded{fmt.Sprintf("base64, offset %d", offset), aligned(text, offset, 3, 6, base64.RawStdEncoding)},
			encoded{fmt.Sprintf("base64url, offset %d", offset), aligned(text, offset, 3, 6, base64.RawURLEncoding)})
	}
	for offset := range 5 {
		list = append(list,
			encoded{fmt.Sprintf("base32, offset %d", offset), aligned(text, offset, 5, 5, base32.StdEncoding.WithPadding(base32.NoPadding))})
	}
	return list
}

// escapes returns value in the encodings that leave most letters as they are.
func escapes(value string) []encoded {
	quoted := strconv.Quote(value)
	ascii := strconv.QuoteToASCII(value)
	list := []encoded{
		{"URL query", []byte(url.QueryEscape(value))},
		{"URL path", []byte(url.PathEscape(value))},
		{"URL, every byte", each(value, "%%%02X")},
		{"url, every byte", each(value, "%%%02x")},
		{"Go quoted", []byte(quoted[1 : len(quoted)-1])},
		{"Go quoted, ASCII", []byte(ascii[1 : len(ascii)-1])},
		{"JSON, ASCII", jsonASCII(value, "\\u%04x")},
		{"JSON, ascii", jsonASCII(value, "\\u%04X")},
		{"JSON, every unit", units(value, "\\u%04x")},
		{"HTML", []byte(html.EscapeString(value))},
		{"HTML, every character", runes(value, "&#%d;")},
		{"SQL", []byte(strings.ReplaceAll(value, "'", "''"))},
		{"bytea escape", octal(value)},
		{"CSV", []byte(strings.ReplaceAll(value, `"`, `""`))},
		{"quoted-printable", quotedPrintable(value)},
		{"C escapes", each(value, "\\x%02x")},
	}
	for _, escapeHTML := range []bool{false, true} {
		list = append(list, encoded{fmt.Sprintf("JSON, escapeHTML=%t", escapeHTML), jsonText(value, escapeHTML)})
	}
	slashes := strings.ReplaceAll(string(jsonText(value, false)), "/", `\/`)
	return append(list, encoded{"JSON, escaped slashes", []byte(slashes)})
}

// lists returns the ways in which careless code prints bytes.
func lists(value []byte) []encoded {
	decimal := fmt.Sprint(value)
	decimal = decimal[1 : len(decimal)-1]
	return []encoded{
		{"decimal bytes", []byte(decimal)},
		{"decimal bytes, commas", []byte(strings.ReplaceAll(decimal, " ", ","))},
		{"decimal bytes, commas and spaces", []byte(strings.ReplaceAll(decimal, " ", ", "))},
		{"hex bytes", fmt.Appendf(nil, "% x", value)},
		{"HEX bytes", fmt.Appendf(nil, "% X", value)},
		{"Go bytes", []byte(strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", value), "[]byte{"), "}"))},
	}
}

// digests returns what identifies a value to those who can guess it.
func digests(value []byte) []encoded {
	s256, s1, m5 := sha256.Sum256(value), sha1.Sum(value), md5.Sum(value) //nolint:gosec // searched for, not relied on
	var list []encoded
	for _, d := range []encoded{{"SHA-256", s256[:]}, {"SHA-1", s1[:]}, {"MD5", m5[:]}} {
		list = append(list,
			d,
			encoded{d.name + ", hex", []byte(hex.EncodeToString(d.text))},
			encoded{d.name + ", base64", []byte(base64.RawStdEncoding.EncodeToString(d.text))},
			encoded{d.name + ", base64url", []byte(base64.RawURLEncoding.EncodeToString(d.text))})
	}
	return list
}

type textEncoding interface{ EncodeToString([]byte) string }

// aligned returns those characters of an encoding of bits a character that text
// alone decides when offset bytes stand before it in its block.
func aligned(text []byte, offset, block, bits int, enc textEncoding) []byte {
	padded := slices.Concat(make([]byte, offset), text, make([]byte, block))
	first := (offset*8 + bits - 1) / bits
	last := (offset + len(text)) * 8 / bits
	return []byte(enc.EncodeToString(padded)[first:last])
}

func utf16Bytes(text []byte, order binary.AppendByteOrder) (b []byte) {
	for _, u := range utf16.Encode([]rune(string(text))) {
		b = order.AppendUint16(b, u)
	}
	return b
}

// latin1 returns nil if text is ASCII or not Latin-1.
func latin1(text []byte) (b []byte) {
	ascii := true
	for _, r := range string(text) {
		if r > 0xff {
			return nil
		}
		ascii = ascii && r < 0x80
		b = append(b, byte(r)) //nolint:gosec // at most 0xff
	}
	if ascii {
		return nil
	}
	return b
}

func each(value, format string) (b []byte) {
	for _, c := range []byte(value) {
		b = fmt.Appendf(b, format, c)
	}
	return b
}

func runes(value, format string) (b []byte) {
	for _, r := range value {
		b = fmt.Appendf(b, format, r)
	}
	return b
}

func units(value, format string) (b []byte) {
	for _, u := range utf16.Encode([]rune(value)) {
		b = fmt.Appendf(b, format, u)
	}
	return b
}

// octal is PostgreSQL's escape format of bytea.
func octal(value string) (b []byte) {
	for _, c := range []byte(value) {
		switch {
		case c == '\\':
			b = append(b, `\\`...)
		case c < 0x20 || c > 0x7e:
			b = fmt.Appendf(b, `\%03o`, c)
		default:
			b = append(b, c)
		}
	}
	return b
}

func quotedPrintable(value string) (b []byte) {
	for _, c := range []byte(value) {
		if c == '=' || c < 0x20 || c > 0x7e {
			b = fmt.Appendf(b, "=%02X", c)
		} else {
			b = append(b, c)
		}
	}
	return b
}

func jsonText(value string, escapeHTML bool) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escapeHTML)
	if err := e.Encode(value); err != nil {
		panic(err) // a string can always be encoded
	}
	return bytes.TrimSpace(b.Bytes())[1 : b.Len()-2]
}

// jsonASCII writes what is not ASCII as \u escapes, as Python does.
func jsonASCII(value, format string) (b []byte) {
	for _, r := range string(jsonText(value, false)) {
		if r < 0x80 {
			b = append(b, byte(r)) //nolint:gosec // ASCII
			continue
		}
		b = append(b, units(string(r), format)...)
	}
	return b
}
