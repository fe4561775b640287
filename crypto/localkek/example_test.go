package localkek_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/localkek"
)

func Example() {
	dir, err := os.MkdirTemp("", "localkek")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	kek, err := localkek.OpenOrCreate(filepath.Join(dir, "kek"), []byte("a passphrase"))
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	if err := kek.CreateKey(ctx, "default"); err != nil {
		panic(err)
	}

	contexts := [][]byte{[]byte("whose key it is")}
	wrapped, err := kek.Wrap(ctx, "default", contexts, [][]byte{[]byte("a data key")})
	if err != nil {
		panic(err)
	}
	plain, errs, err := kek.Unwrap(ctx, "default", contexts, wrapped)
	fmt.Printf("%.9s %s %v %v\n", wrapped[0], plain[0], errs, err)

	_, errs, _ = kek.Unwrap(ctx, "default", [][]byte{[]byte("somebody else's")}, wrapped)
	fmt.Println(errors.Is(errs[0], localkek.ErrUnwrap))
	// Output:
	// local:v1: a data key [] <nil>
	// true
}

func BenchmarkUnwrap(b *testing.B) {
	k := newKEK(b, "default")
	contexts, wrapped := [][]byte{[]byte("context")}, []string{wrapOne(b, k, "default", "context", "a data key of about a hundred bytes")}
	b.ReportAllocs()
	for b.Loop() {
		if _, errs, err := k.Unwrap(context.Background(), "default", contexts, wrapped); err != nil || errs != nil {
			b.Fatal(errs, err)
		}
	}
}
