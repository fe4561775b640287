package field_test

import (
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

func Example() {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate()) // package keyring does this
	if err != nil {
		panic(err)
	}
	primitive, err := aead.New(handle)
	if err != nil {
		panic(err)
	}
	key := field.NewKey(primitive)

	email := field.Place{
		Tenant: "default", UID: [16]byte{15: 1}, Group: 2, Epoch: 1,
		Collection: 1, Record: "c-17", Field: 3, Revision: 1,
	}
	sealed, err := key.Seal(email, secret.FromString("luisg@embraer.com.br"))
	if err != nil {
		panic(err)
	}
	value, err := key.Open(email, sealed)
	fmt.Println(len(value.Expose()), err)

	phone := email
	phone.Field = 4
	_, err = key.Open(phone, sealed)
	fmt.Println(key, err)
	// Output:
	// 20 <nil>
	// [key] field: the value does not open
}
