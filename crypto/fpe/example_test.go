package fpe_test

import (
	"fmt"

	"github.com/fieldvault/fieldvault/crypto/fpe"
)

func Example() {
	digits, err := fpe.NewAlphabet(fpe.Digits)
	if err != nil {
		panic(err)
	}
	key := make([]byte, 32) // of zeros: an example. Take a random one
	c, err := fpe.New(key, digits)
	if err != nil {
		panic(err)
	}
	token, err := c.Encrypt([]byte("field 7"), "4111111111111111")
	if err != nil {
		panic(err)
	}
	card, err := c.Decrypt([]byte("field 7"), token)
	fmt.Println(len(token), card, err)
	_, err = c.Encrypt(nil, "1234")
	fmt.Println(err)
	// Output:
	// 16 4111111111111111 <nil>
	// fpe: length out of range: the text must have 6 to 4096 characters
}
