package ledger_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault/ledger"
)

// An erasure is recorded, and what a restored database has forgotten is read.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "erasures.ledger")

	_, err = ledger.OpenFile(ctx, path, ledger.FileConfig{})
	fmt.Println(errors.Is(err, ledger.ErrMissing)) // it is made on purpose, once
	l, err := ledger.CreateFile(ctx, path, uuid.New(), ledger.FileConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = l.Close() }()

	lookup, key := sha256.Sum256([]byte("a keyed hash")), []byte("a key of the tenant")
	e := ledger.Entry{
		ID: uuid.New(), Kind: ledger.Erase, Tenant: "acme", Lookup: lookup[:ledger.LookupSize], UID: uuid.New(), Generation: 1,
		Event: uuid.New(), At: time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC),
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(e.Signed())
	e.MAC = mac.Sum(nil)
	for range 2 { // whoever is in doubt appends again
		fmt.Println(l.Append(ctx, []ledger.Entry{e}))
	}

	const reflected = 0 // what the database says that it reflects
	var dead ledger.Index
	for after := int64(reflected); ; {
		page, err := l.Read(ctx, after, ledger.MaxRead)
		if err != nil || len(page) == 0 {
			fmt.Println(err)
			break
		}
		after = page[len(page)-1].Position
		if err := dead.Add(page); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(dead.Position(), dead.Erased("acme", e.UID))
	// Output:
	// true
	// <nil>
	// <nil>
	// <nil>
	// 1 true
}
