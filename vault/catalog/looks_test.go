package catalog_test

import (
	"testing"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

func TestLooks(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want bool
	}{
		{"an address", catalog.IsEmail("ann@example.org"), true},
		{"no address", catalog.IsEmail("ann@localhost"), false},
		{"a card", catalog.IsCard("4111 1111 1111 1111"), true},
		{"a wrong digit", catalog.IsCard("4111 1111 1111 1112"), false},
		{"an IBAN", catalog.IsIBAN("DE89 3704 0044 0532 0130 00"), true},
		{"two digits changed", catalog.IsIBAN("DE89 3704 0044 0532 0130 01"), false},
		{"an id", catalog.IsNationalID("219-09-9999", "US"), true},
		{"an id of elsewhere", catalog.IsNationalID("219-09-9999", "DE"), false},
		{"a region without check digits", catalog.IsNationalID("219-09-9999", "CH"), false},
		{"no region", catalog.IsNationalID("219-09-9999", ""), false},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
}
