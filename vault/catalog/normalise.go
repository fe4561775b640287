package catalog

import (
	"bytes"

	"github.com/fieldvault/fieldvault/crypto/secret"
)

// Normalise gives the form of stored bytes in which values are indexed and
// compared in a search: two values that mean the same to people have the same
// form. The package comment says what it is for each type.
//
// The error is a *ValueError: the bytes are no value of this type, which
// happens when Encode did not make them.
func (f *Field) Normalise(v secret.Bytes) (secret.Bytes, error) {
	s := string(v.Expose())
	out, ok := s, true
	switch f.Type {
	case TypeEmail:
		out, ok = foldEmail(s)
	case TypePhone:
		out, ok = e164(s, f.Region)
	case TypeName, TypeAddress:
		out = foldName(s)
	case TypeText:
		out = foldText(s)
	case TypeNationalID:
		out, ok = bareNationalID(s)
	case TypeIBAN, TypeCard:
		out, ok = bare(s, "-")
	case TypeDate, TypeNumber, TypeBoolean, TypeJSON, TypeBytes:
		return secret.New(bytes.Clone(v.Expose())), nil
	}
	if !ok {
		return secret.Bytes{}, f.refuse(f.check(s))
	}
	return secret.FromString(out), nil
}
