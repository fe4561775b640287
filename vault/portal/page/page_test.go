package page_test

import (
	"testing"

	"github.com/fieldvault/fieldvault/vault/portal/page"
)

func newPages(t testing.TB) *page.Pages {
	t.Helper()
	p, err := page.New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}
