package notify_test

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/vault/notify"
)

// What a receiver does with a message, before it believes a word of it.
func ExampleCheck() {
	secret := []byte(strings.Repeat("k", 32)) // both sides know it
	header := http.Header{}
	header.Set(notify.HeaderID, "01932b5e-7c00-7000-8000-000000000001")
	header.Set(notify.HeaderTimestamp, "1793611800")
	header.Set(notify.HeaderSignature, "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	err := notify.Check(secret, header, []byte(`{"kind":"honey"}`), time.Unix(1793611800, 0))
	fmt.Println(err)
	// Output:
	// notify: the signature does not verify
}
