package jwtauth_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
)

func newSigner(t testing.TB, c *clock) *jwtauth.Signer {
	t.Helper()
	s, err := jwtauth.NewSigner("https://dev.example.org", c.now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func verifierOf(t testing.TB, s *jwtauth.Signer, c *clock) *jwtauth.Verifier {
	t.Helper()
	return verifier(t, jwtauth.Config{
		Audience: jwtauth.Audience, Now: c.now,
		Issuers: []jwtauth.Issuer{{Name: s.Issuer(), Tenants: []string{"default"}, Algorithms: []string{"EdDSA"}, JWKS: s.JWKS()}},
	})
}

func TestSignedTokensVerify(t *testing.T) {
	c := newClock()
	s := newSigner(t, c)
	v := verifierOf(t, s, c)
	for name, test := range map[string]struct {
		claims jwtauth.Claims
		want   accessctl.Principal
	}{
		"plain": {
			jwtauth.Claims{Subject: "svc", Tenant: "default", Roles: []string{"app"}},
			accessctl.Principal{Roles: []accessctl.Role{"app"}, Purposes: []accessctl.Purpose{}, Expires: start.Add(time.Hour)},
		},
		"no roles": {
			jwtauth.Claims{Subject: "svc", Tenant: "default", Lifetime: time.Minute},
			accessctl.Principal{Roles: []accessctl.Role{}, Purposes: []accessctl.Purpose{}, Expires: start.Add(time.Minute)},
		},
		"narrowed": {
			jwtauth.Claims{Subject: "svc", Tenant: "default", Roles: []string{"app"}, Purposes: []string{"support"}, Lifetime: time.Second},
			accessctl.Principal{Roles: []accessctl.Role{"app"}, Purposes: []accessctl.Purpose{"support"}, Narrowed: true, Expires: start.Add(time.Second)},
		},
		"narrowed to nothing": {
			jwtauth.Claims{Subject: "svc", Tenant: "default", Roles: []string{"app"}, Purposes: []string{}},
			accessctl.Principal{Roles: []accessctl.Role{"app"}, Purposes: []accessctl.Purpose{}, Narrowed: true, Expires: start.Add(time.Hour)},
		},
		"a person": {
			jwtauth.Claims{Subject: "login-17", Tenant: "default", Roles: []string{"subject"}, Person: "c-17"},
			accessctl.Principal{Roles: []accessctl.Role{"subject"}, Purposes: []accessctl.Purpose{}, Person: "c-17", Expires: start.Add(time.Hour)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := s.Sign(test.claims)
			if err != nil {
				t.Fatal(err)
			}
			got, err := v.Verify(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			test.want.Issuer, test.want.Tenant, test.want.Subject = s.Issuer(), "default", test.claims.Subject
			if diff := cmp.Diff(test.want, got, cmp.Transformer("fields", fields)); diff != "" {
				t.Error(diff)
			}
		})
	}
	other, err := s.Sign(jwtauth.Claims{Audience: "elsewhere", Subject: "svc", Tenant: "default"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), other); err == nil {
		t.Error("a token for elsewhere is accepted")
	}
}

func TestSignRefuses(t *testing.T) {
	s := newSigner(t, newClock())
	for name, c := range map[string]jwtauth.Claims{
		"no subject":   {Tenant: "default"},
		"no tenant":    {Subject: "svc"},
		"over an hour": {Subject: "svc", Tenant: "default", Lifetime: time.Hour + time.Second},
		"below 0":      {Subject: "svc", Tenant: "default", Lifetime: -time.Second},
		"no second":    {Subject: "svc", Tenant: "default", Lifetime: time.Millisecond},
	} {
		if token, err := s.Sign(c); !errors.Is(err, jwtauth.ErrSigner) || token != "" {
			t.Errorf("%s: %q, %v", name, token, err)
		}
	}
	for _, name := range []string{"", "a b", "a#b", "self:x"} {
		if _, err := jwtauth.NewSigner(name, newClock().now); !errors.Is(err, jwtauth.ErrSigner) {
			t.Errorf("issuer %q: %v", name, err)
		}
	}
	if _, err := jwtauth.NewSigner("dev", nil); !errors.Is(err, jwtauth.ErrSigner) {
		t.Errorf("no clock: %v", err)
	}
}

func TestSignersAreSaved(t *testing.T) {
	c := newClock()
	s := newSigner(t, c)
	dir := t.TempDir()
	path := filepath.Join(dir, "issuer.jwk")
	if _, err := jwtauth.LoadSigner(path, c.now); !errors.Is(err, jwtauth.ErrSigner) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("%d files, %v", len(files), err)
	}
	again, err := jwtauth.LoadSigner(path, c.now)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.JWKS(), s.JWKS()) || again.Issuer() != s.Issuer() {
		t.Errorf("%s, want %s", again, s)
	}
	token, err := again.Sign(jwtauth.Claims{Subject: "svc", Tenant: "default"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifierOf(t, s, c).Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
	if err := s.Save(filepath.Join(dir, "missing", "issuer.jwk")); !errors.Is(err, jwtauth.ErrSigner) {
		t.Errorf("no folder: %v", err)
	}
}

func saved(t testing.TB, s *jwtauth.Signer) (path, text string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "issuer.jwk")
	if err := s.Save(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, string(b)
}

func TestLoadSignerRefuses(t *testing.T) {
	c := newClock()
	path, text := saved(t, newSigner(t, c))
	_, other := saved(t, newSigner(t, c))
	value := func(text, name string) string {
		_, rest, _ := strings.Cut(text, `"`+name+`": "`)
		v, _, _ := strings.Cut(rest, `"`)
		return v
	}
	for name, bad := range map[string]string{
		"empty":            "",
		"null":             "null",
		"cut":              text[:len(text)/2],
		"two":              text + text,
		"other public key": strings.Replace(text, value(text, "x"), value(other, "x"), 1),
		"other id":         strings.Replace(text, value(text, "kid"), value(other, "kid"), 1),
		"other key":        strings.Replace(text, value(text, "d"), value(other, "d"), 1),
		"no key":           strings.Replace(text, value(text, "d"), "", 1),
		"short key":        strings.Replace(text, value(text, "d"), "AAAA", 1),
		"no issuer":        strings.Replace(text, value(text, "iss"), "", 1),
		"other curve":      strings.Replace(text, "Ed25519", "X25519", 1),
		"issuer twice":     strings.Replace(text, `"iss"`, `"iss": "x", "iss"`, 1),
		"in capitals":      strings.Replace(text, `"iss"`, `"iss": "x", "ISS"`, 1),
	} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := jwtauth.LoadSigner(path, c.now)
		if !errors.Is(err, jwtauth.ErrSigner) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), value(text, "d")) {
			t.Errorf("%s: the error holds the key", name)
		}
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o644, 0o640, 0o660, 0o602} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := jwtauth.LoadSigner(path, c.now); !errors.Is(err, jwtauth.ErrSigner) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
	if _, err := jwtauth.LoadSigner(filepath.Dir(path), c.now); !errors.Is(err, jwtauth.ErrSigner) {
		t.Errorf("a folder: %v", err)
	}
}

func TestASignerDoesNotPrintItsKey(t *testing.T) {
	s := newSigner(t, newClock())
	_, text := saved(t, s)
	var file struct{ D, X string }
	if err := json.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(s.JWKS()), file.D) || strings.Contains(string(s.JWKS()), `"d"`) || !strings.Contains(string(s.JWKS()), file.X) {
		t.Errorf("public keys: %s", s.JWKS())
	}
	raw := must(base64.RawURLEncoding.DecodeString(file.D))
	type holder struct{ S *jwtauth.Signer }
	for _, v := range []any{s, *s, holder{s}, &holder{s}, []any{s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			got := fmt.Sprintf(verb, v)
			for _, bad := range []string{file.D, fmt.Sprintf("%x", raw[:8]), strings.Trim(fmt.Sprint(raw[:8]), "[]"), string(raw[:8])} {
				if strings.Contains(got, bad) {
					t.Errorf("%s of %T prints %q", verb, v, got)
				}
			}
		}
	}
}

// FuzzLoadSigner: a file that loads is saved the same again.
func FuzzLoadSigner(f *testing.F) {
	c := newClock()
	_, text := saved(f, newSigner(f, c))
	f.Add([]byte(text))
	f.Add([]byte("{}"))
	path := filepath.Join(f.TempDir(), "fuzz.jwk")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := jwtauth.LoadSigner(path, c.now)
		if err != nil {
			if !errors.Is(err, jwtauth.ErrSigner) {
				t.Fatal(err)
			}
			return
		}
		var was, is map[string]any
		if _, text := saved(t, s); json.Unmarshal([]byte(text), &is) != nil || json.Unmarshal(b, &was) != nil {
			t.Fatal("does not decode")
		}
		for name, v := range is {
			if was[name] != v {
				t.Fatalf("%s changed", name)
			}
		}
	})
}
