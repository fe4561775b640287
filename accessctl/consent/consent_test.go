package consent_test

import (
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/consent"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func event(d consent.Decision, change func(*consent.Event)) consent.Event {
	e := consent.Event{Purpose: "marketing", Decision: d, Notice: "2026-11", Method: consent.MethodPortal, At: now.Add(-time.Hour)}
	if change != nil {
		change(&e)
	}
	return e
}

func expires(d time.Duration) func(*consent.Event) {
	return func(e *consent.Event) { e.Expires = now.Add(d) }
}

// TestState: only a granted and unexpired event opens anything.
func TestState(t *testing.T) {
	for _, c := range []struct {
		name  string
		event consent.Event
		want  accessctl.Consent
	}{
		{"no event", consent.Event{}, accessctl.ConsentNone},
		{"granted", event(consent.Granted, nil), accessctl.ConsentGranted},
		{"granted, expires", event(consent.Granted, expires(time.Microsecond)), accessctl.ConsentGranted},
		{"granted, expires now", event(consent.Granted, expires(0)), accessctl.ConsentExpired},
		{"granted, expired", event(consent.Granted, expires(-time.Second)), accessctl.ConsentExpired},
		{"granted by a clock ahead of ours", event(consent.Granted, func(e *consent.Event) { e.At = now.Add(time.Second) }), accessctl.ConsentGranted},
		{"refused", event(consent.Refused, nil), accessctl.ConsentRefused},
		{"withdrawn", event(consent.Withdrawn, nil), accessctl.ConsentWithdrawn},
		{"withdrawn, with an expiry", event(consent.Withdrawn, expires(time.Hour)), accessctl.ConsentWithdrawn},
		{"unknown decision", event("Granted", nil), accessctl.ConsentNone},
		{"no decision", event("", nil), accessctl.ConsentNone},
	} {
		if got := c.event.State(now); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	set := func(change func(*consent.Event)) consent.Event { return event(consent.Granted, change) }
	for _, c := range []struct {
		name, member string // member: empty if the event is valid
		event        consent.Event
	}{
		{"granted", "", event(consent.Granted, nil)},
		{"refused", "", event(consent.Refused, nil)},
		{"withdrawn", "", event(consent.Withdrawn, nil)},
		{"expiring", "", event(consent.Granted, expires(time.Hour))},
		{"import of what has expired", "", event(consent.Granted, expires(-time.Minute))},
		{"no notice", "", set(func(e *consent.Event) { e.Notice = "" })},
		{"made now", "", set(func(e *consent.Event) { e.At = now })},
		{"by form", "", set(func(e *consent.Event) { e.Method = consent.MethodForm })},
		{"longest names", "", set(func(e *consent.Event) {
			e.Purpose, e.Notice = accessctl.Purpose(strings.Repeat("p", consent.MaxName)), strings.Repeat("n", consent.MaxNotice)
		})},

		{"nothing", "purpose", consent.Event{}},
		{"no purpose", "purpose", set(func(e *consent.Event) { e.Purpose = "" })},
		{"own access", "purpose", set(func(e *consent.Event) { e.Purpose = accessctl.PurposeSelf })},
		{"purpose in capitals", "purpose", set(func(e *consent.Event) { e.Purpose = "Marketing" })},
		{"purpose beginning with a digit", "purpose", set(func(e *consent.Event) { e.Purpose = "1st" })},
		{"long purpose", "purpose", set(func(e *consent.Event) { e.Purpose = accessctl.Purpose(strings.Repeat("p", consent.MaxName+1)) })},
		{"no decision", "decision", event("", nil)},
		{"unknown decision", "decision", event("expired", nil)},
		{"long notice", "notice", set(func(e *consent.Event) { e.Notice = strings.Repeat("n", consent.MaxNotice+1) })},
		{"notice with a line break", "notice", set(func(e *consent.Event) { e.Notice = "1\n2" })},
		{"notice with an accent", "notice", set(func(e *consent.Event) { e.Notice = "é" })},
		{"no method", "method", set(func(e *consent.Event) { e.Method = "" })},
		{"unknown method", "method", set(func(e *consent.Event) { e.Method = "phone" })},
		{"no time", "at", set(func(e *consent.Event) { e.At = time.Time{} })},
		{"in the future", "at", set(func(e *consent.Event) { e.At = now.Add(time.Microsecond) })},
		{"nanoseconds", "at", set(func(e *consent.Event) { e.At = now.Add(-999) })},
		{"another zone", "at", set(func(e *consent.Event) { e.At = e.At.In(time.FixedZone("", 3600)) })},
		{"before people wrote software", "at", set(func(e *consent.Event) { e.At = time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC) })},
		{"expires before it was made", "expires", event(consent.Granted, expires(-2*time.Hour))},
		{"expires when it was made", "expires", event(consent.Granted, expires(-time.Hour))},
		{"expires in nanoseconds", "expires", event(consent.Granted, expires(1))},
		{"expires in another zone", "expires", set(func(e *consent.Event) { e.Expires = now.Add(time.Hour).In(time.FixedZone("", 3600)) })},
		{"expires too late to be written", "expires", set(func(e *consent.Event) { e.Expires = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) })},
		{"a refusal that expires", "expires", event(consent.Refused, expires(time.Hour))},
		{"a withdrawal that expires", "expires", event(consent.Withdrawn, expires(time.Hour))},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.event.Check(now)
			if c.member == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var bad *consent.EventError
			if !errors.As(err, &bad) || !errors.Is(err, consent.ErrEvent) || bad.Member != c.member || bad.Rule == "" {
				t.Errorf("Check: %v, want an EventError of %s", err, c.member)
			}
		})
	}
}

// TestEventErrorsQuoteNoValue: what a client sent may be personal.
func TestEventErrorsQuoteNoValue(t *testing.T) {
	for _, e := range []consent.Event{
		event(consent.Granted, func(e *consent.Event) { e.Purpose = "Canary" }),
		event("Canary", nil),
		event(consent.Granted, func(e *consent.Event) { e.Notice = "Canary@example.org" }),
		event(consent.Granted, func(e *consent.Event) { e.Method = "Canary" }),
	} {
		if err := e.Check(now); err == nil || strings.Contains(err.Error(), "Canary") {
			t.Errorf("Check: %v", err)
		}
	}
}

// TestFollows: anything may follow anything, but old news.
func TestFollows(t *testing.T) {
	at := func(d consent.Decision, method string, age time.Duration) consent.Event {
		return event(d, func(e *consent.Event) { e.Method, e.At = method, now.Add(-age) })
	}
	decisions := []consent.Decision{consent.Granted, consent.Refused, consent.Withdrawn}
	methods := []string{consent.MethodPortal, consent.MethodAPI, consent.MethodForm, consent.MethodImport}
	for _, d := range decisions {
		for _, m := range methods {
			if err := at(d, m, 0).Follows(consent.Event{}); err != nil {
				t.Errorf("%s by %s, the first: %v", d, m, err)
			}
			for _, last := range decisions {
				if err := at(d, m, 0).Follows(at(last, consent.MethodPortal, time.Hour)); err != nil {
					t.Errorf("%s by %s after %s: %v", d, m, last, err)
				}
				if err := at(d, m, time.Hour).Follows(at(last, consent.MethodPortal, time.Hour)); err != nil {
					t.Errorf("%s by %s at the time of %s: %v", d, m, last, err)
				}
				stale := d == consent.Granted || m == consent.MethodImport
				if err := at(d, m, 2*time.Hour).Follows(at(last, consent.MethodPortal, time.Hour)); errors.Is(err, consent.ErrStale) != stale || !stale && err != nil {
					t.Errorf("%s by %s, older than %s: %v", d, m, last, err)
				}
			}
		}
	}
}

func TestCurrent(t *testing.T) {
	news := event(consent.Granted, func(e *consent.Event) { e.Purpose = "news" })
	granted, withdrawn := event(consent.Granted, nil), event(consent.Withdrawn, func(e *consent.Event) { e.At = now.Add(-2 * time.Hour) })
	got := consent.Current([]consent.Event{granted, news, withdrawn}, now)
	want := map[accessctl.Purpose]consent.State{
		"marketing": {Event: withdrawn, Consent: accessctl.ConsentWithdrawn}, // the last recorded, though its clock ran late
		"news":      {Event: news, Consent: accessctl.ConsentGranted},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := consent.Current(nil, now); len(got) != 0 || got["marketing"].Consent != accessctl.ConsentNone {
		t.Errorf("without events: %v", got)
	}
}

// TestWithdrawalEndsConsent: whatever came before, and whatever the clocks say,
// after a refusal or withdrawal there is no consent.
func TestWithdrawalEndsConsent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOf(rapid.Custom(anyEvent)).Draw(t, "events")
		end := anyEvent(t)
		end.Decision = rapid.SampledFrom([]consent.Decision{consent.Refused, consent.Withdrawn}).Draw(t, "end")
		at := anyTime(t, "now")
		got := consent.Current(append(events, end), at)[end.Purpose].Consent
		if got == accessctl.ConsentGranted || got == accessctl.ConsentNone {
			t.Errorf("after %s: %s", end.Decision, got)
		}
		for purpose, s := range consent.Current(events, at) {
			if s.Consent == accessctl.ConsentGranted && (s.Decision != consent.Granted || !s.Expires.IsZero() && !at.Before(s.Expires)) {
				t.Errorf("%s is granted by %+v", purpose, s.Event)
			}
		}
	})
}

func anyTime(t *rapid.T, label string) time.Time {
	return now.Add(time.Duration(rapid.Int64Range(-1e9, 1e9).Draw(t, label)) * time.Microsecond)
}

func anyEvent(t *rapid.T) consent.Event {
	e := consent.Event{
		Purpose:  rapid.SampledFrom([]accessctl.Purpose{"marketing", "news"}).Draw(t, "purpose"),
		Decision: rapid.SampledFrom([]consent.Decision{consent.Granted, consent.Refused, consent.Withdrawn}).Draw(t, "decision"),
		Notice:   rapid.StringMatching(`[a-z0-9-]{0,5}`).Draw(t, "notice"),
		Method:   rapid.SampledFrom([]string{"portal", "api", "import", "form"}).Draw(t, "method"),
		At:       anyTime(t, "at"),
	}
	if e.Decision == consent.Granted && rapid.Bool().Draw(t, "expiring") {
		e.Expires = e.At.Add(time.Duration(rapid.Int64Range(1, 1e9).Draw(t, "expires")) * time.Microsecond)
	}
	return e
}

// TestCanonicalTellsEventsApart: no two events of anybody have the same parts.
func TestCanonicalTellsEventsApart(t *testing.T) {
	type whose struct {
		tenant string
		uid    uuid.UUID
		event  consent.Event
	}
	draw := func(t *rapid.T) whose {
		return whose{
			rapid.SampledFrom([]string{"default", "other"}).Draw(t, "tenant"),
			uuid.UUID{0: byte(rapid.IntRange(1, 2).Draw(t, "uid"))},
			anyEvent(t),
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t), draw(t)
		same := cmp.Equal(consent.Canonical(a.tenant, a.uid, a.event), consent.Canonical(b.tenant, b.uid, b.event))
		if same != (a == b) {
			t.Errorf("%+v and %+v have the same parts: %v", a, b, same)
		}
	})
}

// TestCanonicalGolden: the parts of testdata/canonical.txt, to which lines are
// only ever appended. A line is an event and, after =, its parts in hexadecimal,
// parted by dots.
func TestCanonicalGolden(t *testing.T) {
	golden, err := os.ReadFile("testdata/canonical.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(golden)) {
		lines++
		in, want, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " = ")
		w := strings.Split(in, "|")
		if len(w) != 8 {
			t.Fatalf("line %d has %d members", lines, len(w))
		}
		e := consent.Event{Purpose: accessctl.Purpose(w[2]), Decision: consent.Decision(w[3]), Notice: w[4], Method: w[5], At: stamp(t, w[6]), Expires: stamp(t, w[7])}
		if err := e.Check(e.At); err != nil {
			t.Errorf("line %d: %v", lines, err)
		}
		var got []string
		for _, part := range consent.Canonical(w[0], uuid.MustParse(w[1]), e) {
			got = append(got, hex.EncodeToString(part))
		}
		if diff := cmp.Diff(want, strings.Join(got, ".")); diff != "" {
			t.Errorf("line %d: %s", lines, diff)
		}
	}
	if lines < 4 || consent.Label != "fieldvault/consent/v1" {
		t.Errorf("%d golden lines under %q", lines, consent.Label)
	}
}

func stamp(t *testing.T, s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC()
}
