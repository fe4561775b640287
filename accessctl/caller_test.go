package accessctl_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/accessctl"
)

func TestActor(t *testing.T) {
	for _, c := range []struct{ issuer, subject, want string }{
		{"https://id.example.org", "svc-shop", "https://id.example.org#svc-shop"},
		{"https://id.example.org/a#b", "c", "https://id.example.org/a%23b#c"},
		{"https://id.example.org/a", "b#c", "https://id.example.org/a#b#c"},
		{"https://id.example.org/a%23b", "c", "https://id.example.org/a%2523b#c"},
		{"", "root", "local:root"},
	} {
		if got := (accessctl.Principal{Issuer: c.issuer, Subject: c.subject}).Actor(); got != c.want {
			t.Errorf("Actor of %q and %q is %q, want %q", c.issuer, c.subject, got, c.want)
		}
	}
}

// TestCallerPrintsNoPerson: neither the person's id nor the subject of a person's
// token, in any format, in text or in a log.
func TestCallerPrintsNoPerson(t *testing.T) {
	c := caller("self", accessctl.RoleSubject)
	c.Person, c.Subject = "canary-person", "canary-subject"
	nameless := c
	nameless.Person = ""
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	for _, c := range []accessctl.Caller{c, nameless} {
		logger.Info("x", "caller", c, "principal", c.Principal, "pointer", &c)
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			fmt.Fprintf(&log, format+format+format, c, &c, c.Principal)
		}
	}
	if strings.Contains(log.String(), "canary") {
		t.Errorf("a person is printed: %s", log.String())
	}
	staff := caller("support", "support")
	if got, want := fmt.Sprint(staff), "default/https://issuer.example.org#s"; got != want {
		t.Errorf("staff print as %q, want %q", got, want)
	}
}

func TestNamesRoundTrip(t *testing.T) {
	type names struct {
		Views    []accessctl.View
		Consents []accessctl.Consent
	}
	in := names{[]accessctl.View{accessctl.Hidden, accessctl.Masked, accessctl.Plain}, accessctl.Consents()}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Views":["hidden","masked","plain"],"Consents":["none","granted","refused","withdrawn","expired","outdated","objected"]}`
	if string(b) != want {
		t.Errorf("%s, want %s", b, want)
	}
	var out names
	if err := json.Unmarshal(b, &out); err != nil || fmt.Sprint(out) != fmt.Sprint(in) {
		t.Errorf("%v, %v; want %v", out, err, in)
	}
	for _, bad := range []string{"", "Plain", "plain ", "granted\n", "0"} {
		v, c := accessctl.Masked, accessctl.ConsentRefused
		if err := v.UnmarshalText([]byte(bad)); !errors.Is(err, accessctl.ErrName) || v != accessctl.Masked {
			t.Errorf("view %q: %v, %v", bad, v, err)
		}
		if err := c.UnmarshalText([]byte(bad)); !errors.Is(err, accessctl.ErrName) || c != accessctl.ConsentRefused {
			t.Errorf("consent %q: %v, %v", bad, c, err)
		}
	}
}
