package secret_test

import (
	"fmt"

	"github.com/fieldvault/fieldvault/crypto/secret"
)

func Example() {
	email := secret.FromString("luisg@embraer.com.br")
	fmt.Printf("%v %+v %q\n", email, struct{ Email secret.Bytes }{email}, email)
	fmt.Println(email.Len(), email.Equal(secret.FromString("luisg@embraer.com.br")))
	// Output:
	// [redacted] {Email:[redacted]} [redacted]
	// 20 true
}
