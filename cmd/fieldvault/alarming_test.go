package main

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAlarmSettingsThatAreNone(t *testing.T) {
	for name, environ := range map[string][]string{
		"alarms.people_per_hour":       {"FIELDVAULT_ALARMS_PEOPLE_PER_HOUR=-1"},
		"alarms.values_per_hour":       {"FIELDVAULT_ALARMS_VALUES_PER_HOUR=100001"},
		"alarms.limit_people_per_hour": {"FIELDVAULT_ALARMS_LIMIT_PEOPLE_PER_HOUR=-5"},
		"alarms.limit_action":          {"FIELDVAULT_ALARMS_LIMIT_ACTION=shout"},
	} {
		_, err := load(t, environ)
		var h *hint
		if err == nil || !strings.Contains(err.Error(), name) || !errors.As(err, &h) {
			t.Errorf("%v: %v", environ, err)
		}
	}
	cfg, err := load(t, []string{"FIELDVAULT_ALARMS_LIMIT_PEOPLE_PER_HOUR=7", "FIELDVAULT_ALARMS_LIMIT_ACTION=approve"})
	if l := cfg.Alarms.limit(); err != nil || l.People != 7 || !l.Approve {
		t.Errorf("%+v, %v", l, err)
	}
}

// Each fault of a webhook's settings names the setting, says what to do, and shows
// neither address nor secret.
func TestAWebhookIsWholeOrRefused(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("c", 32)))
	good, address := file("good", secret+"\n"), "https://hooks.example.org/canary"
	p := &parts{log: slog.New(slog.DiscardHandler)}
	for want, a := range map[string]AlarmsConfig{
		"without alarms.webhook_url":                 {WebhookSecretFile: good},
		"alarms.webhook_ca_file is set":              {WebhookCAFile: good},
		"without alarms.webhook_secret_file":         {WebhookURL: address},
		"reading alarms.webhook_secret_file":         {WebhookURL: address, WebhookSecretFile: filepath.Join(dir, "none")},
		"alarms.webhook_secret_file holds no secret": {WebhookURL: address, WebhookSecretFile: file("short", "whsec_Y2FuYXJ5")},
		"webhook_secret_file holds no secret":        {WebhookURL: address, WebhookSecretFile: file("bare", strings.TrimPrefix(secret, "whsec_"))},
		"alarms.webhook_ca_file holds no":            {WebhookURL: address, WebhookSecretFile: good, WebhookCAFile: good},
		"reading alarms.webhook_ca_file":             {WebhookURL: address, WebhookSecretFile: good, WebhookCAFile: filepath.Join(dir, "none")},
		"must be https":                              {WebhookURL: "http://hooks.example.org/canary", WebhookSecretFile: good},
	} {
		_, err := a.webhook(p)
		var h *hint
		if err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, &h) {
			t.Errorf("%s: %v", want, err)
		} else if text := err.Error() + h.next; strings.Contains(text, "canary") || strings.Contains(text, "Y2Nj") {
			t.Errorf("%s: %s", want, text)
		}
	}
	if s, err := (AlarmsConfig{}).webhook(p); s != nil || err != nil {
		t.Errorf("without settings: %v, %v", s, err)
	}
	if s, err := (AlarmsConfig{WebhookURL: address, WebhookSecretFile: good}).webhook(p); s == nil || err != nil {
		t.Errorf("a whole one: %v, %v", s, err)
	}
}
