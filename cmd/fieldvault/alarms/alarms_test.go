package alarms_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/watch"
	"github.com/fieldvault/fieldvault/cmd/fieldvault/alarms"
	"github.com/fieldvault/fieldvault/vault/notify"
)

// lines are what was logged, one JSON object a line.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) alarms(t *testing.T) (list []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		m := map[string]any{}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		if m["msg"] == "alarm" {
			list = append(list, m)
		}
	}
	return list
}

func newAlarms(t *testing.T) (*alarms.Alarms, *lines) {
	t.Helper()
	out := &lines{}
	a, err := alarms.New(alarms.Config{
		Rules: watch.Rules{Denied: watch.Limit{Count: 2, Window: time.Hour}},
		Honey: func(_ string, uid uuid.UUID) bool { return uid == bait },
		Now:   time.Now, NewID: uuid.New, Logger: slog.New(slog.NewJSONHandler(out, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a, out
}

var bait = uuid.MustParse("01000000-0000-4000-8000-000000000001")

func event(o audit.Outcome, uid uuid.UUID) *audit.Event {
	e := &audit.Event{ID: uuid.New(), Tenant: "default", Actor: "app", Action: accessctl.ActionReveal, Outcome: o, UID: uid, Time: time.Now()}
	if o == audit.Allowed {
		e.Fields = []audit.FieldView{{Collection: 1, Field: 1, View: accessctl.Plain, Count: 1}}
	}
	return e
}

func counted(t *testing.T, a *alarms.Alarms) map[string]float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(a.Collectors()...)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]float64{}
	for _, f := range families {
		for _, x := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "fieldvault_")
			for _, l := range x.GetLabel() {
				name += " " + l.GetValue()
			}
			m[name] = x.GetCounter().GetValue() + x.GetGauge().GetValue()
		}
	}
	return m
}

// What was told before Run ends is raised, and is sent.
func TestAlarmsGoToLogMetricsAndWebhook(t *testing.T) {
	a, out := newAlarms(t)
	secret := bytes.Repeat([]byte("s"), 32)
	got := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r.Body)
		if err := notify.Check(secret, r.Header, b.Bytes(), time.Now()); err != nil {
			t.Error(err)
		}
		got <- b.String()
	}))
	defer receiver.Close()
	s, err := notify.New(notify.Config{URL: receiver.URL, Secret: secret, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	a.Deliver(s)
	for _, e := range []*audit.Event{event(audit.Allowed, bait), event(audit.Allowed, uuid.New()), event(audit.Denied, uuid.Nil), event(audit.Denied, uuid.Nil), event(audit.Denied, uuid.Nil)} {
		a.Seen("default", 0, e)
	}
	a.Refused("default", 7, "it was written by SQL")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Run(ctx); err != nil {
		t.Fatal(err)
	}
	close(got)
	var kinds []string
	for text := range got {
		var alarm struct{ Kind, UID, Why string }
		if err := json.Unmarshal([]byte(text), &alarm); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, alarm.Kind)
	}
	if text := strings.Join(kinds, " "); text != "honey denied tampering" {
		t.Errorf("webhooks: %s", text)
	}
	list := out.alarms(t)
	if len(list) != 3 || list[0]["uid"] != bait.String() || list[1]["actor"] != "app" || list[2]["row"] != 7.0 || list[2]["level"] != "WARN" {
		t.Errorf("%+v", list)
	}
	m := counted(t, a)
	if m["alarms_total honey"] != 1 || m["alarms_total denied"] != 1 || m["alarms_total tampering"] != 1 || m["webhooks_delivered_total"] != 3 {
		t.Errorf("%v", m)
	}
	if _, there := m["alarms_total volume"]; !there {
		t.Error("a kind that was not raised has no metric")
	}
}

// A flood of refused rows is one alarm a minute, which counts them; a log that was
// altered is one at once.
func TestRefusedRowsAreOneAlarmAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, out := newAlarms(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = a.Run(ctx)
		}()
		for minute := range 2 {
			for row := range 50 {
				a.Refused("default", int64(row+1), "it was written by SQL")
			}
			a.Refused("other", int64(minute+1), "it was written by SQL")
			synctest.Wait()
			time.Sleep(time.Minute)
		}
		a.Refused("default", 0, "the log does not fit its signed checkpoint")
		synctest.Wait()
		cancel()
		<-ended
		var counts []any
		for _, m := range out.alarms(t) {
			counts = append(counts, m["tenant"], m["count"])
		}
		want := []any{"default", 1.0, "other", 1.0, "default", 50.0, "other", 1.0, "default", 50.0}
		if len(counts) != len(want) {
			t.Fatalf("%v", counts)
		}
		for i := range want {
			if counts[i] != want[i] {
				t.Errorf("%v, want %v", counts, want)
				break
			}
		}
	})
}

// Whoever tells of events never waits; what has no room is counted.
func TestSeenNeverWaits(t *testing.T) {
	a, _ := newAlarms(t)
	const most, more = 1 << 14, 1000
	e := event(audit.Denied, uuid.Nil)
	for range most + more {
		a.Seen("default", 0, e)
	}
	if n := counted(t, a)["alarm_events_lost_total"]; n != more {
		t.Errorf("%v events were lost, want %d", n, more)
	}
}

func TestNewRefusesAGap(t *testing.T) {
	if _, err := alarms.New(alarms.Config{}); err == nil {
		t.Error("an empty configuration is accepted")
	}
}
