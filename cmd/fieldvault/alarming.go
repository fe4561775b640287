package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	auditwatch "github.com/fieldvault/fieldvault/audit/watch"
	"github.com/fieldvault/fieldvault/cmd/fieldvault/alarms"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/notify"
)

// What is done beyond alarms.limit_people_per_hour.
const (
	limitRefuses = "refuse"
	limitAsks    = "approve"
)

// AlarmsConfig says what is alarming, who is told, and how far one caller may go.
type AlarmsConfig struct {
	PeoplePerHour      int    `koanf:"people_per_hour" help:"people whom one caller is shown in an hour without an alarm; 0: any number"`
	ValuesPerHour      int    `koanf:"values_per_hour" help:"values that one caller is shown plain in an hour without an alarm; 0: any number"`
	FailedPerHour      int    `koanf:"failed_per_hour" help:"values that do not open in an hour, for one caller or a tenant, without an alarm; 0: any number"`
	DeniedPerHour      int    `koanf:"denied_per_hour" help:"requests of one caller that are denied in an hour without an alarm; 0: any number"`
	LimitPeoplePerHour int    `koanf:"limit_people_per_hour" help:"people whom one caller may be shown in an hour, by each node; 0: any number"`
	LimitAction        string `koanf:"limit_action" help:"what is done beyond that: refuse, or approve to ask a second person for an hour without the limit"`
	WebhookURL         string `koanf:"webhook_url" secret:"may hold a password" help:"https address to which alarms are posted, signed"`
	WebhookSecretFile  string `koanf:"webhook_secret_file" help:"file that holds the secret of the signature: whsec_ and the base64 of at least 32 random bytes"`
	WebhookCAFile      string `koanf:"webhook_ca_file" help:"authorities that may vouch for the receiver of alarms, instead of the system's"`
}

// check refuses limits that are none.
func (a AlarmsConfig) check() error {
	for _, l := range []struct {
		key   string
		count int
	}{
		{"people_per_hour", a.PeoplePerHour},
		{"values_per_hour", a.ValuesPerHour},
		{"failed_per_hour", a.FailedPerHour},
		{"denied_per_hour", a.DeniedPerHour},
		{"limit_people_per_hour", a.LimitPeoplePerHour},
	} {
		if l.count < 0 || l.count > auditwatch.MaxCount {
			return withHint(fmt.Errorf("alarms.%s is no number from 0 to %d", l.key, auditwatch.MaxCount), "leave it out for the default, or set 0 for any number")
		}
	}
	if a.LimitAction != limitRefuses && a.LimitAction != limitAsks {
		return withHint(errors.New("alarms.limit_action is unknown"), "set it to refuse or approve")
	}
	return nil
}

// rules are what is alarming.
func (a AlarmsConfig) rules() auditwatch.Rules {
	hourly := func(n int) auditwatch.Limit { return auditwatch.Limit{Count: n, Window: time.Hour} }
	return auditwatch.Rules{
		People: hourly(a.PeoplePerHour), Values: hourly(a.ValuesPerHour), Failed: hourly(a.FailedPerHour), Denied: hourly(a.DeniedPerHour),
	}
}

// limit is how far one caller may go.
func (a AlarmsConfig) limit() vault.ReadLimit {
	return vault.ReadLimit{People: a.LimitPeoplePerHour, Approve: a.LimitAction == limitAsks}
}

// newAlarms makes what watches the events of the vault that is opened next.
func (p *parts) newAlarms() (err error) {
	p.alarms, err = alarms.New(alarms.Config{
		Rules: p.cfg.Alarms.rules(), Now: now, NewID: newID, Logger: p.log,
		Honey: func(tenant string, uid uuid.UUID) bool { return p.vault.IsHoney(tenant, uid) },
	})
	return err
}

// webhook makes the sender of alarms, or none without an address.
func (a AlarmsConfig) webhook(p *parts) (*notify.Sender, error) {
	return webhook{"alarms.webhook_", a.WebhookURL, a.WebhookSecretFile, a.WebhookCAFile}.sender(p)
}
