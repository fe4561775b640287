package api_test

import (
	"fmt"

	"github.com/fieldvault/fieldvault/vault/api"
)

func ExampleUnmarshal() {
	for _, body := range []string{
		`{"fields":{"email":"a@example.org"}}`,
		`{"fields":{"email":"a@example.org","eMail":"b@example.org"}}`,
		`{"Fields":{}}`,
		`{"fields":{}} {}`,
	} {
		var w api.Write
		fmt.Println(api.Unmarshal([]byte(body), &w))
	}
	// Output:
	// <nil>
	// fields.? must stand once; keys that differ only in case count as one
	// body must not have unknown keys; keys are spelt in lower case
	// body must end after one JSON value
}
