package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault/notify"
	"github.com/fieldvault/fieldvault/vault/rights"
)

func TestRightsSettingsThatAreNone(t *testing.T) {
	good := defaults().Rights
	for want, change := range map[string]func(*RightsConfig){
		"rights.regime is unknown": func(c *RightsConfig) { c.Regime = "hammurabi" },
		"zone":                     func(c *RightsConfig) { c.Zone = "Moon/Tycho" },
		"weekend":                  func(c *RightsConfig) { c.Weekend = "saturday,blursday" },
		"holidays":                 func(c *RightsConfig) { c.Holidays = "2026-02-30" },
		"rights.recipients":        func(c *RightsConfig) { c.Recipients = []RecipientConfig{{Name: "printer"}} },
	} {
		p := &parts{cfg: Config{Rights: good}}
		change(&p.cfg.Rights)
		_, err := p.rights()
		var h *hint
		if err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, &h) {
			t.Errorf("%s: %v", want, err)
		}
	}
	p := &parts{cfg: Config{Rights: good}}
	p.cfg.Rights.Weekend, p.cfg.Rights.Holidays, p.cfg.Rights.Zone, p.cfg.Rights.Regime = "none", " 12-25, 2026-04-06", "Europe/Berlin", "ccpa"
	c, err := p.rights()
	if err != nil || len(c.Calendar.Weekend()) != 0 || len(c.Calendar.Holidays()) != 2 || c.Calendar.Zone() != "Europe/Berlin" || c.Rules.Regime != rights.CCPA {
		t.Errorf("%+v, %v", c, err)
	}
}

// A taker takes signed messages, as somebody's program does; it refuses the first of each
// with 503.
type taker struct {
	secret []byte
	tries  int
	bodies chan []byte
}

func (k *taker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || notify.Check(k.secret, r.Header, body, time.Now()) != nil {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if k.tries++; k.tries == 1 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	k.bodies <- body
}

// Reminders and notifications arrive signed, and are tried again.
func TestRightsWebhooks(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, notify.MinSecret)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("whsec_"+base64.StdEncoding.EncodeToString(secret)), 0o600); err != nil {
		t.Fatal(err)
	}
	k := &taker{secret: secret, bodies: make(chan []byte, 9)}
	srv := httptest.NewServer(k)
	t.Cleanup(srv.Close)
	p := &parts{cfg: defaults(), log: slog.New(slog.DiscardHandler)}
	p.cfg.Rights.WebhookURL, p.cfg.Rights.WebhookSecretFile = srv.URL, file
	p.cfg.Rights.Recipients = []RecipientConfig{{Name: "printer", URL: srv.URL, SecretFile: file}}
	c, err := p.rights()
	if err != nil {
		t.Fatal(err)
	}
	id := uuid.New()
	if err := c.Recipients[0].Tell(t.Context(), id.String(), []byte(`{"v":1}`)); !errors.Is(err, notify.ErrUndelivered) {
		t.Errorf("refused with 503: %v", err)
	}
	if err := c.Recipients[0].Tell(t.Context(), id.String(), []byte(`{"v":1}`)); err != nil || string(<-k.bodies) != `{"v":1}` {
		t.Error(err)
	}
	c.Reminded(t.Context(), "default", rights.Reminder{}, rights.Access) // before there is a sender: to nobody
	s, err := p.rightsSender()
	if err != nil {
		t.Fatal(err)
	}
	p.reminders.Store(s)
	go func() { _ = s.Run(t.Context()) }()
	k.tries = 0
	m := rights.Reminder{Request: id, Kind: rights.AcknowledgeSoon, Task: rights.OweAcknowledgement, At: now(), By: now(), Days: 2}
	c.Reminded(t.Context(), "default", m, rights.Access)
	select {
	case body := <-k.bodies:
		var got reminder
		if err := json.Unmarshal(body, &got); err != nil || got.Request != id || got.Reminder != rights.AcknowledgeSoon || got.RequestKind != rights.Access || got.Days != 2 {
			t.Errorf("%s, %v", body, err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the reminder did not arrive")
	}
	p.cfg.Rights.Recipients[0].SecretFile = file + "x"
	p.senders = nil
	if _, err := p.rights(); err != nil {
		t.Errorf("verbs that tell nobody need no secret: %v", err)
	}
	if _, err := p.rightsSender(); err == nil || !strings.Contains(err.Error(), "rights.recipients[0].secret_file") {
		t.Errorf("a service whose recipients cannot be told: %v", err)
	}
}
