package rights_test

import (
	"encoding"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/vault/rights"
)

func TestDefault(t *testing.T) {
	for _, regime := range rights.Regimes() {
		if err := rights.Default(regime).Check(); err != nil {
			t.Errorf("%s: %v", regime, err)
		}
	}
	if err := rights.Default("pipl").Check(); !errors.Is(err, rights.ErrConfig) {
		t.Errorf("an unknown regime: %v", err)
	}
}

func TestCheckRefuses(t *testing.T) {
	const max = 1 << 40
	for _, tt := range []struct {
		field string
		edit  func(*rights.Rules)
	}{
		{"regime", func(r *rights.Rules) { r.Regime = "" }},
		{"acknowledge", func(r *rights.Rules) { r.Acknowledge = rights.Period{Count: -1, Unit: rights.Days} }},
		{"acknowledge", func(r *rights.Rules) { r.Acknowledge = rights.Period{Count: 1} }},
		{"answer", func(r *rights.Rules) { r.Answer = rights.Period{} }},
		{"answer", func(r *rights.Rules) { r.Answer.Unit = "fortnights" }},
		{"answer", func(r *rights.Rules) { r.Answer.Count = max }},
		{"answer", func(r *rights.Rules) { r.Answer = rights.Period{Count: 241, Unit: rights.Months} }},
		{"extension", func(r *rights.Rules) { r.Extension.Unit = rights.Months }},
		{"extension", func(r *rights.Rules) { r.Extension.Count = 0 }},
		{"extension", func(r *rights.Rules) { r.Extension.Count = -45 }},
		{"plain", func(r *rights.Rules) { r.Plain = []rights.Kind{"complaint"} }},
		{"plain", func(r *rights.Rules) { r.Plain = []rights.Kind{rights.OptOut, rights.OptOut} }},
		{"plain_answer", func(r *rights.Rules) { r.PlainAnswer = rights.Period{} }},
		{"no_proof", func(r *rights.Rules) { r.NoProof = []rights.Kind{""} }},
		{"wait_for_proof", func(r *rights.Rules) { r.WaitForProof = "" }},
		{"acknowledge_soon", func(r *rights.Rules) { r.AcknowledgeSoon = -1 }},
		{"acknowledge_soon", func(r *rights.Rules) { r.AcknowledgeSoon = 366 }},
		{"due_soon", func(r *rights.Rules) { r.DueSoon = []int{-1} }},
		{"due_soon", func(r *rights.Rules) { r.DueSoon = []int{7, 2, 7} }},
		{"due_soon", func(r *rights.Rules) { r.DueSoon = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10} }},
		{"keep_months", func(r *rights.Rules) { r.KeepMonths = 0 }},
		{"keep_months", func(r *rights.Rules) { r.KeepMonths = 241 }},
		{"ask_again_months", func(r *rights.Rules) { r.AskAgainMonths = -12 }},
	} {
		r := rights.Default(rights.CCPA)
		tt.edit(&r)
		var wrong *rights.ConfigError
		if err := r.Check(); !errors.As(err, &wrong) || wrong.Field != tt.field {
			t.Errorf("%v, want an error of %s", err, tt.field)
		}
	}
	r := rights.Default(rights.GDPR)
	r.Plain, r.PlainAnswer, r.NoProof, r.Extension, r.DueSoon = nil, rights.Period{}, nil, rights.Period{}, nil
	if err := r.Check(); err != nil {
		t.Errorf("what may be empty is: %v", err)
	}
}

// names are all closed sets, as text.
func names[T ~string](all []T) []string {
	var list []string
	for _, v := range all {
		list = append(list, string(v))
	}
	return list
}

func TestNamesAreClosed(t *testing.T) {
	for _, set := range []struct {
		all []string
		new func(string) (encoding.TextUnmarshaler, encoding.TextMarshaler)
	}{
		{names(rights.Kinds()), func(s string) (encoding.TextUnmarshaler, encoding.TextMarshaler) {
			return new(rights.Kind), rights.Kind(s)
		}},
		{names(rights.Regimes()), func(s string) (encoding.TextUnmarshaler, encoding.TextMarshaler) {
			return new(rights.Regime), rights.Regime(s)
		}},
		{names(rights.States()), func(s string) (encoding.TextUnmarshaler, encoding.TextMarshaler) {
			return new(rights.State), rights.State(s)
		}},
		{names(rights.Steps()), func(s string) (encoding.TextUnmarshaler, encoding.TextMarshaler) {
			return new(rights.StepKind), rights.StepKind(s)
		}},
		{names(rights.AllReasons()), func(s string) (encoding.TextUnmarshaler, encoding.TextMarshaler) {
			return new(rights.Reason), rights.Reason(s)
		}},
		{names(rights.Units()), func(s string) (encoding.TextUnmarshaler, encoding.TextMarshaler) {
			return new(rights.Unit), rights.Unit(s)
		}},
		{names(rights.Waits()), func(s string) (encoding.TextUnmarshaler, encoding.TextMarshaler) {
			return new(rights.Wait), rights.Wait(s)
		}},
		{names(rights.ReminderKinds()), func(s string) (encoding.TextUnmarshaler, encoding.TextMarshaler) {
			return new(rights.ReminderKind), rights.ReminderKind(s)
		}},
	} {
		if !slices.Equal(set.all, slices.Compact(slices.Clone(set.all))) {
			t.Errorf("twice the same: %s", set.all)
		}
		for _, s := range set.all {
			into, from := set.new(s)
			if err := into.UnmarshalText([]byte(s)); err != nil {
				t.Errorf("%s: %v", s, err)
			}
			if b, err := from.MarshalText(); err != nil || string(b) != s {
				t.Errorf("%s: %q, %v", s, b, err)
			}
			for _, bad := range []string{"", strings.ToUpper(s), " " + s, s + "\x00", s[:len(s)-1], s + "s"} {
				into, from := set.new(bad)
				if err := into.UnmarshalText([]byte(bad)); !errors.Is(err, rights.ErrName) {
					t.Errorf("%q is taken: %v", bad, err)
				}
				if _, err := from.MarshalText(); !errors.Is(err, rights.ErrName) {
					t.Errorf("%q is written: %v", bad, err)
				}
			}
		}
	}
}

// TestTheNamesOfTheInterface: as the HTTP interface spells them.
func TestTheNamesOfTheInterface(t *testing.T) {
	const want = "access portability rectification erasure restriction objection opt_out question"
	if got := strings.Join(names(rights.Kinds()), " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestARequestAsJSON(t *testing.T) {
	cal, rules := calendar(t, "berlin"), rights.Default(rights.GDPR)
	r := filed(t, rights.Access, rules, cal, local(t, cal, "2026-06-15"))
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"01000000-0000-0000-0000-000000000000","kind":"access","regime":"gdpr","state":"received",` +
		`"filed":"2026-06-15T10:00:00Z","entered":"2026-06-15T10:00:00Z","due":"2026-07-15T22:00:00Z"}`
	if string(b) != want {
		t.Errorf("%s, want\n%s", b, want)
	}
	var again rights.Request
	if err := json.Unmarshal(b, &again); err != nil || again != r {
		t.Errorf("%+v, %v", again, err)
	}
	bad := strings.Replace(want, `"received"`, `"forgotten"`, 1)
	if err := json.Unmarshal([]byte(bad), &again); !errors.Is(err, rights.ErrName) {
		t.Errorf("an unknown state: %v", err)
	}
}
