package watch_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit/watch"
)

func alarms() []watch.Alarm {
	return []watch.Alarm{
		{
			Kind: watch.Honey, Tenant: "default", Actor: "https://id.example.org#agent-7", Purpose: "support", UID: id(7), Count: 2,
			Since: began, At: began, Event: id(1),
		},
		{
			Kind: watch.Volume, Tenant: "default", Actor: "a\"\\\n\x7f\u00e9\u202e\U0001f600b</script>", Count: 101,
			Since: began.Add(1 * time.Microsecond), At: began.Add(time.Second).In(time.FixedZone("", 3600)), Event: id(2),
		},
		{Kind: watch.Failed, Tenant: "other", Count: 6, Since: began, At: began.Add(1500 * time.Millisecond), Event: id(3)},
		watch.Tampered("default", 4711, `written by "SQL"`, 3, began),
		watch.Tampered("other", 0, "the log does not fit its signed checkpoint", 1, began),
	}
}

// TestGoldenAlarms: the form is for programs of others, so it stays.
func TestGoldenAlarms(t *testing.T) {
	golden, err := os.ReadFile("testdata/alarms.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(golden), "\n"), "\n")
	all := alarms()
	if len(lines) != len(all) {
		t.Fatalf("%d lines, %d alarms", len(lines), len(all))
	}
	for i, a := range all {
		if got := string(a.AppendJSON([]byte("x"))); got != "x"+lines[i] {
			t.Errorf("%s\nwant %s", got, lines[i])
		}
	}
}

func TestAlarmsAreJSON(t *testing.T) {
	for _, a := range alarms() {
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var back struct {
			V                            int
			Kind, Tenant, Actor, Purpose string
			UID, Event                   uuid.UUID
			Count                        int
			Since, At                    time.Time
			Row                          int64
			Why                          string
		}
		dec := json.NewDecoder(strings.NewReader(string(b)))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&back); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if back.V != 1 || back.Kind != string(a.Kind) || back.Tenant != a.Tenant || back.Actor != a.Actor ||
			back.Purpose != string(a.Purpose) || back.UID != a.UID || back.Event != a.Event || back.Count != a.Count ||
			!back.Since.Equal(a.Since) || !back.At.Equal(a.At) || back.Row != a.Row || back.Why != a.Why {
			t.Errorf("%+v came back as %+v", a, back)
		}
	}
}

// FuzzNoActorLeavesItsPlace: an alarm is one line of printable ASCII, whatever an
// actor is called, and tells the name.
func FuzzNoActorLeavesItsPlace(f *testing.F) {
	f.Add("a\",\"kind\":\"volume")
	f.Add("a\\\n\u2028\U0001f600\x00")
	f.Fuzz(func(t *testing.T, actor string) {
		a := alarms()[0]
		a.Actor = actor
		b := a.AppendJSON(nil)
		for _, c := range b {
			if c < ' ' || c > '~' {
				t.Fatalf("byte %#x in %q", c, b)
			}
		}
		var back struct{ Kind, Actor string }
		if err := json.Unmarshal(b, &back); err != nil || back.Kind != "honey" || back.Actor != string([]rune(actor)) {
			t.Fatalf("%q: %+v, %v", b, back, err)
		}
	})
}
