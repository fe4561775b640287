package keyring_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/crypto/localkek"
)

func Example() {
	dir, err := os.MkdirTemp("", "keyring")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx := context.Background()
	kek, err := localkek.Create(filepath.Join(dir, "kek"), nil)
	if err = errors.Join(err, kek.CreateKey(ctx, "default")); err != nil {
		panic(err)
	}
	ring, err := keyring.New(keyring.Config{KEK: kek, Now: time.Now})
	if err != nil {
		panic(err)
	}
	defer ring.Close()

	// A first write: make the key, store it in a transaction, then keep it.
	id := keyring.ID{Tenant: "default", UID: [16]byte{15: 1}, Group: 2, Epoch: 1, Version: 1}
	keys, wrapped, err := ring.Make(ctx, []keyring.ID{id})
	if err != nil {
		panic(err)
	}
	ring.Keep(id, wrapped[0], keys[0])

	// A read: the wrapped key comes from the statement that also says that the
	// person lives.
	_, errs, err := ring.Open(ctx, []keyring.Sealed{{ID: id, Wrapped: wrapped[0]}})
	fmt.Println(errs, err, ring.Stats().Hits)

	// The key of another person in the same place.
	id.UID[15]++
	_, errs, _ = ring.Open(ctx, []keyring.Sealed{{ID: id, Wrapped: wrapped[0]}})
	fmt.Println(errors.Is(errs[0], keyring.ErrUnwrap))
	// Output:
	// [] <nil> 1
	// true
}
