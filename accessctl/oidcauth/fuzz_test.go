package oidcauth_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl/oidcauth"
)

// FuzzOnlyOwnAnswersCount: without the state of its flow no query reaches the provider,
// whatever stands in the cookie. The provider of this test is nowhere.
func FuzzOnlyOwnAnswersCount(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	p, err := oidcauth.New(oidcauth.Config{
		Issuer: "http://127.0.0.1:1", ClientID: "fieldvault", RedirectURL: back, Tenants: []string{"default"}, Now: func() time.Time { return now },
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("", "")
	f.Add(strings.Repeat("A", 59), "code=a&state=b")
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABrSdIAAAAAAA", "code=a&state=b&iss=c&error=d&state=e")
	f.Fuzz(func(t *testing.T, kept, query string) {
		q, _ := url.ParseQuery(query)
		if who, err := p.Finish(t.Context(), kept, q); !errors.Is(err, oidcauth.ErrRefused) || who.Tenant != "" {
			t.Errorf("%v, %v", who, err)
		}
	})
}
