package catalog

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/fieldvault/fieldvault/crypto/secret"
)

// MaxValue is the most bytes that a value may have as it is stored.
const MaxValue = 64 << 10

// maxRaw is the most bytes of a JSON value that are looked at: every byte of a
// value of MaxValue written as \u00xx.
const maxRaw = 6*MaxValue + 2

// Rules that several types share.
const (
	ruleNull    = "must not be null"
	ruleSize    = "must not be larger than 64 KiB"
	ruleString  = "must be a JSON string"
	ruleUTF8    = "must be valid Unicode"
	ruleEmpty   = "must not be empty"
	ruleControl = "must not contain control characters"
)

// Encode checks a JSON value and gives the bytes to store. An error is a
// *ValueError.
func (f *Field) Encode(v json.RawMessage) (secret.Bytes, error) {
	if len(v) > maxRaw {
		return secret.Bytes{}, f.refuse(ruleSize)
	}
	v = bytes.Trim(v, " \t\r\n")
	if string(v) == "null" {
		return secret.Bytes{}, f.refuse(ruleNull)
	}
	b, rule := f.encode(v)
	switch {
	case rule != "":
		return secret.Bytes{}, f.refuse(rule)
	case len(b) > MaxValue:
		return secret.Bytes{}, f.refuse(ruleSize)
	}
	return secret.New(b), nil
}

func (f *Field) refuse(rule string) error {
	return &ValueError{Collection: f.collection, Field: f.Name, Rule: rule}
}

// encode gives the stored bytes of a JSON value, or the rule it breaks.
func (f *Field) encode(v []byte) (b []byte, rule string) {
	switch f.Type {
	case TypeNumber:
		n, ok := canonicalNumber(string(v))
		if !ok {
			return nil, "must be a JSON number of at most 64 digits"
		}
		return []byte(n), ""
	case TypeBoolean:
		if s := string(v); s != "true" && s != "false" {
			return nil, "must be true or false"
		}
		return bytes.Clone(v), ""
	case TypeJSON:
		return encodeJSON(v, f.schema)
	default:
		s, rule := unquote(v)
		switch {
		case rule != "":
			return nil, rule
		case len(s) > MaxValue && f.Type != TypeBytes:
			return nil, ruleSize
		}
		if f.Type == TypeBytes {
			return decodeBase64(s)
		}
		return []byte(s), f.check(s)
	}
}

// check gives the rule that a text breaks, or nothing.
func (f *Field) check(s string) string {
	switch f.Type {
	case TypeEmail:
		return checkEmail(s)
	case TypePhone:
		return checkPhone(s, f.Region)
	case TypeName:
		return checkName(s)
	case TypeDate:
		if !validDate(s) {
			return "must be a date such as 1985-03-31"
		}
		return ""
	case TypeAddress:
		return checkAddress(s)
	case TypeNationalID:
		return checkNationalID(s, f.Region)
	case TypeIBAN:
		return checkIBAN(s)
	case TypeCard:
		return checkCard(s)
	case TypeText:
		return checkText(s)
	default:
		return "has a field of an unknown type"
	}
}

func decodeBase64(s string) ([]byte, string) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || base64.StdEncoding.EncodedLen(len(b)) != len(s) { // the decoder skips line breaks
		return nil, "must be base64 with padding"
	}
	return b, ""
}

// AppendJSON appends stored bytes as the JSON value they stand for: a string,
// number, boolean, or any value for type json; bytes are a base64 string.
func (f *Field) AppendJSON(dst []byte, v secret.Bytes) []byte {
	b := v.Expose()
	switch f.Type {
	case TypeNumber, TypeBoolean, TypeJSON:
		return append(dst, b...)
	case TypeBytes:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, b)
		return append(dst, '"')
	default:
		return AppendString(dst, b)
	}
}

// AppendString appends text as a JSON string, byte for byte as encoding/json
// writes it: safe inside HTML, and with U+FFFD for what is not UTF-8.
func AppendString(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(s[i:])
			switch {
			case r == utf8.RuneError && size == 1:
				dst = append(append(dst, s[start:i]...), `\ufffd`...)
				start = i + size
			case r == '\u2028' || r == '\u2029':
				dst = append(append(dst, s[start:i]...), `\u202`...)
				dst = append(dst, hex[r&0xF])
				start = i + size
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xF])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// FromText gives the JSON value for a value written as text, as in a cell of a
// CSV file: numbers and JSON as they stand, booleans in any case, everything
// else as a string. It checks nothing: Encode does.
func (f *Field) FromText(s string) json.RawMessage {
	switch f.Type {
	case TypeNumber, TypeJSON:
		return json.RawMessage(s)
	case TypeBoolean:
		return json.RawMessage(strings.ToLower(s))
	default:
		return AppendString(nil, []byte(s))
	}
}
