package report_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/report"
)

// ownActions are actions of events that no policy knows.
func ownActions() []accessctl.Action {
	return []accessctl.Action{"decrypt", "encrypt", "reencrypt", "fsck", "tenant_create", "tell"}
}

// TestEveryActionHasWords: for each action, however it ended, there are words, and
// they are those in testdata/words.txt. A new action fails here until it has some.
func TestEveryActionHasWords(t *testing.T) {
	var got strings.Builder
	for _, a := range slices.Concat(accessctl.Actions(), ownActions()) {
		for _, o := range []audit.Outcome{audit.Allowed, audit.Denied, audit.Failed} {
			e := with(shows(1), func(e *audit.Event) { e.Action, e.Outcome = a, o })
			x, ok := report.History(e, nil)
			if !ok || strings.Contains(x.What, "no words") || x.What == "" {
				t.Errorf("%s, %s: there are no words: give it some", a, o)
			}
			fmt.Fprintf(&got, "%s %s: Your data %s.\n", a, o, x.What)
		}
	}
	path := filepath.Join("testdata", "words.txt")
	want, err := os.ReadFile(path)
	if err != nil && *write {
		want, err = []byte(got.String()), os.WriteFile(path, []byte(got.String()), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestActionsOfTomorrowAreShown(t *testing.T) {
	for _, o := range []audit.Outcome{audit.Allowed, audit.Denied, audit.Failed} {
		x, ok := report.History(with(shows(1), func(e *audit.Event) { e.Action, e.Outcome = "divine", o }), nil)
		if !ok || !strings.Contains(x.What, "no words") || x.Action != "divine" {
			t.Errorf("%+v, %v", x, ok)
		}
	}
}

// What is said depends on what the event says beside its action and outcome.
func TestWordsFollowTheEvent(t *testing.T) {
	fact := func(a accessctl.Action, key, value string) *audit.Event {
		return with(shows(1), func(e *audit.Event) { e.Action, e.Subject = a, []audit.Attr{{Key: key, Value: value}} })
	}
	for _, tc := range []struct {
		e    *audit.Event
		want string
	}{
		{shows(1, view(11, accessctl.Masked, 1), view(12, accessctl.Plain, 1)), "was shown"},
		{shows(1, view(11, accessctl.Hidden, 1), view(12, accessctl.Masked, 1)), "was shown in part"},
		{shows(1, view(11, accessctl.Hidden, 1)), "was asked for, and nothing was shown"},
		{followUp(shows(1), "unavailable"), "stayed closed after all: what the earlier entry says did not happen"},
		{followUp(shows(1), "integrity"), "stayed closed in part: some of what the earlier entry says did not happen"},
		{fact("consent", "decision", "granted"), "may be used: consent was recorded"},
		{fact("consent", "decision", "refused"), "may not be used: a refusal of consent was recorded"},
		{fact("consent", "decision", "withdrawn"), "may no longer be used: the withdrawal of consent was recorded"},
		{fact("consent", "decision", "deferred"), "may be used as a decision on consent that was recorded says"},
		{fact("hold", "held", "yes"), "was put under a legal hold"},
		{fact("hold", "held", "no"), "was freed from a legal hold"},
		{fact("restrict", "restricted", "yes"), "was restricted to storage"},
		{fact("restrict", "restricted", "no"), "was freed from its restriction"},
		{fact("erase", "groups", "3"), "was erased in part"},
		{with(shows(1), func(e *audit.Event) { e.Action, e.Code = "erase", "gone" }), "had been erased before; that was asked for again"},
	} {
		if x, ok := report.History(tc.e, nil); !ok || x.What != tc.want {
			t.Errorf("%s %v: %q, %v, want %q", tc.e.Action, tc.e.Subject, x.What, ok, tc.want)
		}
	}
}

func TestHistoryIsOfPeople(t *testing.T) {
	for _, a := range slices.Concat(accessctl.Actions(), ownActions()) {
		if x, ok := report.History(with(shows(1), func(e *audit.Event) { e.Action, e.UID = a, uuid.Nil }), nil); ok {
			t.Errorf("%s of nobody: %+v", a, x)
		}
	}
}

// A person's uid is shown to nobody else, and "self" is not taken for the reader.
func TestWhoActed(t *testing.T) {
	for actor, want := range map[string]string{
		"self:" + uid(1).String(): "you",
		"self:" + uid(2).String(): "another person",
		"self":                    "another person",
		"local:root":              "local:root",
		"https://iss#self":        "https://iss#self",
	} {
		if x, _ := report.History(with(shows(1), func(e *audit.Event) { e.Actor = actor }), nil); x.Who != want {
			t.Errorf("%s: %s, want %s", actor, x.Who, want)
		}
	}
}

func TestHistoryAsJSON(t *testing.T) {
	masked, again := view(12, accessctl.Masked, 1), view(12, accessctl.Masked, 2)
	again.Reason = accessctl.ReasonPolicy
	hidden, also := view(99, accessctl.Hidden, 1), view(99, accessctl.Hidden, 1)
	also.Reason = accessctl.ReasonExpired
	e := with(shows(1, view(11, accessctl.Plain, 1), masked, again, hidden, also), func(e *audit.Event) { e.Request = uid(5) })
	x, ok := report.History(e, names{})
	if !ok {
		t.Fatal("not shown")
	}
	got, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "event": "5f0c8a52-3a55-4f0e-9a53-0000000003e9",
  "time": "2026-11-02T09:00:01Z",
  "request": "5f0c8a52-3a55-4f0e-9a53-000000000005",
  "who": "https://id.example.org#agent",
  "purpose": "support",
  "purpose_text": "We answer your questions.",
  "action": "reveal",
  "outcome": "allowed",
  "what": "was shown",
  "fields": [
    {
      "collection_id": 1,
      "field_id": 11,
      "collection": "client",
      "field": "email",
      "how": "plain",
      "values": 1
    },
    {
      "collection_id": 1,
      "field_id": 12,
      "collection": "client",
      "field": "illness",
      "how": "masked",
      "values": 3
    },
    {
      "collection_id": 1,
      "field_id": 99,
      "how": "hidden",
      "values": 2
    }
  ]
}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, reason := range []string{"consent", "policy", "expired"} {
		if strings.Contains(string(got), reason) {
			t.Errorf("the reason %s is told", reason)
		}
	}
}

func TestSearchesAreShownAsSuch(t *testing.T) {
	e := with(shows(1, audit.FieldView{Collection: 1, Field: 11, Count: 1}, view(11, accessctl.Hidden, 1)), func(e *audit.Event) {
		e.Action, e.Purpose = accessctl.ActionSearch, accessctl.PurposeSelf
	})
	x, _ := report.History(e, names{})
	if len(x.Fields) != 2 || x.Fields[0].How != "found" || x.Fields[1].How != "hidden" || x.PurposeText != "you see your own data" {
		t.Errorf("%+v", x)
	}
}
