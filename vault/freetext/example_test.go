package freetext_test

import (
	"fmt"

	"github.com/fieldvault/fieldvault/vault/freetext"
)

func Example() {
	d, err := freetext.New(freetext.Options{Region: "DE"})
	if err != nil {
		panic(err)
	}
	text := "Frau Noether bittet um Rückruf: 030 23125 123, IBAN DE89 3704 0044 0532 0130 00."
	for _, f := range d.Find(text) {
		fmt.Printf("%s at %d: %s\n", f.Kind, f.Start, f.Why)
	}
	fmt.Println(d.Redact(text))
	// Output:
	// name at 5: a salutation and a name
	// phone at 33: a number of the region's plan, written or named as one
	// IBAN at 53: the length of its country and the check digits, modulo 97
	// Frau [name] bittet um Rückruf: [phone], IBAN [IBAN].
}
