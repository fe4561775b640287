package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // calendars have zones, and the image has no zone files

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/notify"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// RightsConfig says by which clocks people's requests run, and who is told.
type RightsConfig struct {
	Regime            string            `koanf:"regime" help:"law whose clocks requests run by: gdpr or ccpa"`
	Zone              string            `koanf:"zone" help:"time zone in which days are counted, as Europe/Berlin"`
	Weekend           string            `koanf:"weekend" help:"days of the week on which nobody works, separated by commas; none: every day counts"`
	Holidays          string            `koanf:"holidays" help:"days on which nobody works, separated by commas: 2026-04-06, or 12-25 for each year"`
	WebhookURL        string            `koanf:"webhook_url" secret:"may hold a password" help:"https address to which reminders of deadlines are posted, signed"`
	WebhookSecretFile string            `koanf:"webhook_secret_file" help:"file that holds the secret of the signature: whsec_ and the base64 of at least 32 random bytes"`
	WebhookCAFile     string            `koanf:"webhook_ca_file" help:"authorities that may vouch for the receiver of reminders, instead of the system's"`
	Recipients        []RecipientConfig `koanf:"recipients" help:"who is told of rectification, erasure and restriction, as YAML: [{name, url, secret_file, ca_file, include_subject}]"`
}

// RecipientConfig is one recipient of people's data.
type RecipientConfig struct {
	Name           string `koanf:"name"`
	URL            string `koanf:"url"`
	SecretFile     string `koanf:"secret_file"`
	CAFile         string `koanf:"ca_file"`
	IncludeSubject bool   `koanf:"include_subject"`
}

// rights turns the settings into what the core takes.
func (p *parts) rights() (vault.RightsConfig, error) {
	s := p.cfg.Rights
	if !slices.Contains(rights.Regimes(), rights.Regime(s.Regime)) {
		return vault.RightsConfig{}, withHint(errors.New("rights.regime is unknown"), "set it to gdpr or ccpa")
	}
	cal, err := rights.ParseCalendar(s.Zone, listed(s.Weekend), listed(s.Holidays))
	if err != nil {
		return vault.RightsConfig{}, withHint(fmt.Errorf("reading rights.zone, rights.weekend and rights.holidays: %w", err),
			"write them as Europe/Berlin; saturday,sunday; 2026-04-06,12-25")
	}
	c := vault.RightsConfig{Rules: rights.Default(rights.Regime(s.Regime)), Calendar: cal, Reminded: p.reminded}
	for i, r := range s.Recipients {
		if r.Name == "" || r.URL == "" || slices.ContainsFunc(s.Recipients[:i], func(o RecipientConfig) bool { return o.Name == r.Name }) {
			return vault.RightsConfig{}, withHint(errors.New("a recipient of rights.recipients has no name, no url, or the name of another"), "give each a name, url and secret_file")
		}
		c.Recipients = append(c.Recipients, p.recipient(i, r))
	}
	return c, nil
}

// listed splits a list by commas; "none" and "" are empty.
func listed(text string) (list []string) {
	if text == "none" {
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// recipient is one recipient. Its secret is read when it is first told: verbs that tell
// nobody need not be able to read it.
func (p *parts) recipient(i int, r RecipientConfig) vault.Recipient {
	open := sync.OnceValues(func() (*notify.Sender, error) {
		return webhook{"rights.recipients[" + strconv.Itoa(i) + "].", r.URL, r.SecretFile, r.CAFile}.sender(p)
	})
	p.senders = append(p.senders, open)
	return vault.Recipient{Name: r.Name, Subject: r.IncludeSubject, Tell: func(ctx context.Context, id string, body []byte) error {
		s, err := open()
		if err != nil {
			return err
		}
		return s.Deliver(ctx, id, "request_done", body)
	}}
}

// rightsSender makes the sender of reminders, or none without an address, and sees that
// every recipient can be told.
func (p *parts) rightsSender() (*notify.Sender, error) {
	for _, open := range p.senders {
		if _, err := open(); err != nil {
			return nil, err
		}
	}
	s := p.cfg.Rights
	return webhook{"rights.webhook_", s.WebhookURL, s.WebhookSecretFile, s.WebhookCAFile}.sender(p)
}

// A reminder is what a webhook tells of a deadline. Nothing in it is about a person.
type reminder struct {
	V           int                 `json:"v"`
	Kind        string              `json:"kind"` // "request_reminder"
	Tenant      string              `json:"tenant"`
	Request     uuid.UUID           `json:"request"`
	RequestKind rights.Kind         `json:"request_kind"`
	Reminder    rights.ReminderKind `json:"reminder"`
	Task        rights.Task         `json:"task"`
	By          time.Time           `json:"by"`
	Days        int                 `json:"days"`
}

// reminded posts a reminder, if it is configured where to.
func (p *parts) reminded(ctx context.Context, tenant string, m rights.Reminder, kind rights.Kind) {
	s := p.reminders.Load()
	if s == nil {
		return
	}
	body, err := json.Marshal(reminder{
		V: 1, Kind: "request_reminder", Tenant: tenant, Request: m.Request, RequestKind: kind, Reminder: m.Kind, Task: m.Task,
		By: m.By.UTC(), Days: m.Days,
	})
	if err == nil {
		err = s.Send(m.Request.String()+"-"+string(m.Kind)+"-"+strconv.FormatInt(m.At.Unix(), 10), "request_reminder", body)
	}
	if err != nil {
		p.log.ErrorContext(ctx, "a reminder could not be posted", "request", m.Request, "error", err)
	}
}

// measureRights registers how people's requests stand.
func (p *parts) measureRights(r prometheus.Registerer) {
	gauge := func(name, help string, f func() int64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "fieldvault", Name: name, Help: help}, func() float64 { return float64(f()) }))
	}
	gauge("requests_open", "People's requests that have not ended, as of the last look, at most a minute ago.",
		func() int64 { return p.vault.RequestStats().Open })
	gauge("requests_overdue", "Of these, those with an acknowledgement or answer that is late.",
		func() int64 { return p.vault.RequestStats().Overdue })
}
