package rights_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault/rights"
)

// a step with all that its kind requires.
func step(k rights.StepKind, reason rights.Reason) rights.Step {
	s := rights.Step{Do: k, Told: true}
	switch k {
	case rights.File:
		s.ID, s.Kind = uuid.UUID{2}, rights.Access
	case rights.Extend:
		s.Reason = rights.Complexity
	case rights.Refuse:
		s.Reason = reason
	default: // needs no more
	}
	return s
}

// reach brings a request into each state by the steps that lead there.
func reach(t *testing.T, r rights.Request, to string, rules rights.Rules, cal rights.Calendar, now time.Time) rights.Request {
	t.Helper()
	if to == "none" {
		return rights.Request{}
	}
	for _, k := range map[string][]rights.StepKind{
		"received":  nil,
		"identity":  {rights.AskIdentity},
		"open":      {rights.Acknowledge},
		"extended":  {rights.Extend},
		"done":      {rights.ConfirmIdentity, rights.Complete},
		"refused":   {rights.Refuse},
		"cancelled": {rights.Cancel},
	}[to] {
		if k == rights.ConfirmIdentity && !slices.Contains(rights.Possible(r, rules, now), k) {
			continue // it is known already
		}
		r = apply(t, r, step(k, rights.ManifestlyUnfounded), rules, cal, now)
	}
	return r
}

// TestEveryStepInEveryState has the whole state machine: per row a state, per column a
// step, and what comes of it: the state after, or the cause that forbids it. A dash is
// not_in_state.
func TestEveryStepInEveryState(t *testing.T) {
	for _, tt := range []struct {
		name     string
		regime   rights.Regime
		kind     rights.Kind
		signedIn bool
		table    string
	}{
		{"GDPR, identity not known", rights.GDPR, rights.Erasure, false, `
			state      file      acknowledge  ask_identity  confirm_identity  extend         complete       refuse   cancel
			none       received  -            -             -                 -              -              -        -
			received   -         open         identity      received          extended       proof_missing  refused  cancelled
			identity   -         -            -             open              clock_stopped  -              refused  cancelled
			open       -         -            identity      open              extended       proof_missing  refused  cancelled
			extended   -         -            -             extended          -              proof_missing  refused  cancelled
			done       -         -            -             -                 -              -              -        -
			refused    -         -            -             -                 -              -              -        -
			cancelled  -         -            -             -                 -              -              -        -`},
		{"GDPR, signed in", rights.GDPR, rights.Erasure, true, `
			state      file      acknowledge  ask_identity    confirm_identity  extend    complete  refuse   cancel
			none       received  -            -               -                 -         -         -        -
			received   -         open         proof_needless  proof_needless    extended  done      refused  cancelled
			open       -         -            proof_needless  proof_needless    extended  done      refused  cancelled
			extended   -         -            -               proof_needless    -         done      refused  cancelled
			done       -         -            -               -                 -         -         -        -
			refused    -         -            -               -                 -         -         -        -
			cancelled  -         -            -               -                 -         -         -        -`},
		{"CCPA, identity not known", rights.CCPA, rights.Erasure, false, `
			state      file      acknowledge  ask_identity  confirm_identity  extend    complete       refuse   cancel
			none       received  -            -             -                 -         -              -        -
			received   -         open         identity      received          extended  proof_missing  refused  cancelled
			identity   -         -            -             open              identity  -              refused  cancelled
			open       -         -            identity      open              extended  proof_missing  refused  cancelled
			extended   -         -            -             extended          -         proof_missing  refused  cancelled
			done       -         -            -             -                 -         -              -        -
			refused    -         -            -             -                 -         -              -        -
			cancelled  -         -            -             -                 -         -              -        -`},
		{"CCPA, opting out", rights.CCPA, rights.OptOut, false, `
			state      file      acknowledge  ask_identity    confirm_identity  extend        complete  refuse   cancel
			none       received  -            -               -                 -             -         -        -
			received   -         open         proof_needless  proof_needless    no_extension  done      refused  cancelled
			open       -         -            proof_needless  proof_needless    no_extension  done      refused  cancelled
			done       -         -            -               -                 -             -         -        -
			refused    -         -            -               -                 -             -         -        -
			cancelled  -         -            -               -                 -             -         -        -`},
	} {
		cal, rules := calendar(t, "berlin"), rights.Default(tt.regime)
		now := local(t, cal, "2026-06-15")
		first := apply(t, rights.Request{}, rights.Step{Do: rights.File, ID: uuid.UUID{1}, Kind: tt.kind, SignedIn: tt.signedIn}, rules, cal, now)
		rows := strings.Split(strings.TrimSpace(tt.table), "\n")
		steps := strings.Fields(rows[0])[1:]
		for _, row := range rows[1:] {
			cells := strings.Fields(row)
			r := reach(t, first, cells[0], rules, cal, now)
			for i, want := range cells[1:] {
				got := outcome(t, r, step(rights.StepKind(steps[i]), rights.ManifestlyUnfounded), rules, cal, now)
				if want == "-" {
					want = string(rights.NotInState)
				}
				if got != want {
					t.Errorf("%s: %s in %s: %s, want %s", tt.name, steps[i], cells[0], got, want)
				}
			}
		}
	}
}

// outcome applies a step and returns the state after, or the cause that forbids it. What
// Possible, Next and the error say must agree with it.
func outcome(t *testing.T, r rights.Request, s rights.Step, rules rights.Rules, cal rights.Calendar, now time.Time) string {
	t.Helper()
	possible := rights.Possible(r, rules, now)
	after, err := rights.Apply(r, s, rules, cal, now)
	if slices.Contains(possible, s.Do) != (err == nil) {
		t.Errorf("%s in %q: possible are %s, but: %v", s.Do, r.State, possible, err)
	}
	if err == nil {
		if !slices.Contains(rights.Next(r.State), s.Do) {
			t.Errorf("%s in %q is done, but not next", s.Do, r.State)
		}
		return string(after.State)
	}
	var wrong *rights.StepError
	if !errors.As(err, &wrong) || !errors.Is(err, rights.ErrStep) || after != r {
		t.Fatalf("%s in %q: %v", s.Do, r.State, err)
	}
	if diff := cmp.Diff(possible, wrong.Possible); diff != "" {
		t.Errorf("%s in %q: %s", s.Do, r.State, diff)
	}
	return string(wrong.Cause)
}

func TestAWrongStepSaysWhatIsPossible(t *testing.T) {
	cal, rules := calendar(t, "berlin"), rights.Default(rights.GDPR)
	now := local(t, cal, "2026-06-15")
	r := filed(t, rights.Access, rules, cal, now)
	_, err := rights.Apply(r, rights.Step{Do: rights.Complete}, rules, cal, now)
	const want = "rights: complete is not possible: the person's identity is not confirmed; possible: acknowledge, ask_identity, confirm_identity, extend, refuse, cancel"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	r = apply(t, r, rights.Step{Do: rights.Cancel}, rules, cal, now)
	_, err = rights.Apply(r, rights.Step{Do: rights.Complete}, rules, cal, now)
	if err == nil || !strings.HasSuffix(err.Error(), "possible: nothing") {
		t.Error(err)
	}
}

// TestTheClockWhileProofIsAwaited: asked on 20 March, proven on 30 April.
func TestTheClockWhileProofIsAwaited(t *testing.T) {
	cal := calendar(t, "berlin")
	at := func(s string) time.Time { return local(t, cal, s) }
	for _, tt := range []struct {
		regime rights.Regime
		wait   rights.Wait
		last   string
		task   rights.Task // while it is awaited
	}{
		{rights.GDPR, rights.Stops, "2026-05-26", rights.AwaitProof},    // 15 April, 41 days on: 26 May
		{rights.GDPR, rights.Restarts, "2026-06-01", rights.AwaitProof}, // a month from 30 April: a Saturday
		{rights.GDPR, rights.Runs, "2026-04-15", rights.OweAnswer},
		{rights.CCPA, rights.Runs, "2026-04-29", rights.OweAnswer}, // 45 days from 15 March
	} {
		rules := rights.Default(tt.regime)
		rules.WaitForProof = tt.wait
		r := filed(t, rights.Access, rules, cal, at("2026-03-15"))
		r = apply(t, r, rights.Step{Do: rights.AskIdentity}, rules, cal, at("2026-03-20"))
		if s := rights.Clock(r, rules, cal, at("2026-04-20")); s.Task != tt.task {
			t.Errorf("%s %s: %s is owed", tt.regime, tt.wait, s.Task)
		}
		r = apply(t, r, rights.Step{Do: rights.ConfirmIdentity}, rules, cal, at("2026-04-30"))
		if got := cal.LastDay(r.Deadline(rules)).String(); got != tt.last || r.State != rights.Open {
			t.Errorf("%s %s: %s until %s, want %s", tt.regime, tt.wait, r.State, got, tt.last)
		}
		if !r.Acknowledged.Equal(at("2026-03-20")) {
			t.Errorf("acknowledged at %s", r.Acknowledged)
		}
	}
}

func TestAskingForProofLateStopsNoClock(t *testing.T) {
	cal, rules := calendar(t, "berlin"), rights.Default(rights.GDPR)
	r := filed(t, rights.Access, rules, cal, local(t, cal, "2026-06-15"))
	if got := outcome(t, r, rights.Step{Do: rights.AskIdentity}, rules, cal, r.Due); got != string(rights.FirstPassed) {
		t.Error(got)
	}
	if got := outcome(t, r, rights.Step{Do: rights.AskIdentity}, rules, cal, r.Due.Add(-time.Microsecond)); got != string(rights.Identity) {
		t.Error(got)
	}
}

// TestExtend: once, inside the first period, with a reason, and the person is told.
func TestExtend(t *testing.T) {
	cal := calendar(t, "berlin")
	for _, regime := range rights.Regimes() {
		rules := rights.Default(regime)
		r := filed(t, rights.Access, rules, cal, local(t, cal, "2026-06-15"))
		extend := rights.Step{Do: rights.Extend, Reason: rights.NumberOfRequests, Told: true}
		if got := outcome(t, r, extend, rules, cal, r.Due); got != string(rights.FirstPassed) {
			t.Errorf("%s: when it is late: %s", regime, got)
		}
		silent, groundless, wrong := extend, extend, extend
		silent.Told, groundless.Reason, wrong.Reason = false, "", rights.Excessive
		var step *rights.StepError
		if _, err := rights.Apply(r, silent, rules, cal, r.Filed); !errors.As(err, &step) || step.Cause != rights.PersonNotTold {
			t.Errorf("%s: untold: %v", regime, err)
		}
		for _, s := range []rights.Step{groundless, wrong} {
			if _, err := rights.Apply(r, s, rules, cal, r.Filed); !errors.Is(err, rights.ErrReason) {
				t.Errorf("%s: reason %q: %v", regime, s.Reason, err)
			}
		}
		last := r.Due.Add(-time.Microsecond)
		e := apply(t, r, extend, rules, cal, last)
		if !e.ExtendedTo.After(e.Due) || e.Due != r.Due || !e.ExtendedAt.Equal(last) || e.ExtensionReason != rights.NumberOfRequests || e.Acknowledged != e.ExtendedAt {
			t.Errorf("%s: %+v", regime, e)
		}
		if e.Deadline(rules) != e.ExtendedTo {
			t.Errorf("%s: deadline %s", regime, e.Deadline(rules))
		}
	}
	rules := rights.Default(rights.CCPA)
	r := filed(t, rights.Access, rules, cal, local(t, cal, "2026-06-15"))
	r = apply(t, r, rights.Step{Do: rights.AskIdentity}, rules, cal, r.Filed)
	r = apply(t, r, step(rights.Extend, ""), rules, cal, r.Filed)
	if got := outcome(t, r, step(rights.Extend, ""), rules, cal, r.Filed); got != string(rights.ExtendedOnce) {
		t.Errorf("twice while proof is awaited: %s", got)
	}
	if r = apply(t, r, rights.Step{Do: rights.ConfirmIdentity}, rules, cal, r.Filed); r.State != rights.Extended {
		t.Errorf("extended, then proven: %s", r.State)
	}
	rules.Extension = rights.Period{}
	r = filed(t, rights.Access, rules, cal, r.Filed)
	if got := outcome(t, r, step(rights.Extend, ""), rules, cal, r.Filed); got != string(rights.NoExtension) {
		t.Errorf("where none is configured: %s", got)
	}
}

// TestReasonsToRefuse has every reason that fits, kind by kind, once the identity is known.
func TestReasonsToRefuse(t *testing.T) {
	cal, rules := calendar(t, "berlin"), rights.Default(rights.GDPR)
	now := local(t, cal, "2026-06-15")
	const always = "manifestly_unfounded excessive "
	for _, tt := range []struct {
		kind      rights.Kind
		marketing bool
		want      string
	}{
		{rights.Access, false, "no_data legal_obligation rights_of_others"},
		{rights.Portability, false, "no_data rights_of_others conditions_not_met"},
		{rights.Rectification, false, "no_data legal_obligation archiving_research accurate"},
		{rights.Erasure, false, "no_data legal_claims legal_obligation freedom_of_expression public_health archiving_research still_needed"},
		{rights.Restriction, false, "no_data archiving_research conditions_not_met"},
		{rights.Objection, false, "no_data legal_claims compelling_grounds archiving_research conditions_not_met"},
		{rights.Objection, true, ""},
		{rights.OptOut, false, "fraudulent"},
		{rights.Question, false, "no_data rights_of_others"},
	} {
		r := apply(t, rights.Request{}, rights.Step{Do: rights.File, ID: uuid.UUID{1}, Kind: tt.kind, Marketing: tt.marketing, SignedIn: true}, rules, cal, now)
		fit := strings.Fields(always + tt.want)
		for _, reason := range append(rights.AllReasons(), "", "because") {
			_, err := rights.Apply(r, rights.Step{Do: rights.Refuse, Reason: reason, Told: true}, rules, cal, now)
			if want := slices.Contains(fit, string(reason)); (err == nil) != want || err != nil && !errors.Is(err, rights.ErrReason) {
				t.Errorf("%s (marketing: %v) for %q: %v", tt.kind, tt.marketing, reason, err)
			}
			_, err = rights.Apply(r, rights.Step{Do: rights.Complete, Reason: reason}, rules, cal, now)
			if want := reason == "" || slices.Contains(strings.Fields(tt.want), string(reason)); (err == nil) != want {
				t.Errorf("%s (marketing: %v), done but for %q: %v", tt.kind, tt.marketing, reason, err)
			}
		}
	}
}

// TestAStrangerLearnsNothing: without proof of identity no refusal says whether there is
// data, and none says that proof lacks which was never asked for.
func TestAStrangerLearnsNothing(t *testing.T) {
	cal, rules := calendar(t, "berlin"), rights.Default(rights.GDPR)
	r := filed(t, rights.Erasure, rules, cal, local(t, cal, "2026-06-15"))
	if got, want := rights.Reasons(r, rights.Refuse, rules), []rights.Reason{rights.ManifestlyUnfounded, rights.Excessive}; !slices.Equal(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
	r = apply(t, r, rights.Step{Do: rights.AskIdentity}, rules, cal, r.Filed)
	if got, want := rights.Reasons(r, rights.Refuse, rules), []rights.Reason{rights.ManifestlyUnfounded, rights.Excessive, rights.IdentityNotProven}; !slices.Equal(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
	_, err := rights.Apply(r, rights.Step{Do: rights.Refuse, Reason: rights.NoData, Told: true}, rules, cal, r.Filed)
	const want = "rights: to refuse this request of kind erasure needs a reason out of: manifestly_unfounded, excessive, identity_not_proven"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestFile(t *testing.T) {
	cal, rules := calendar(t, "berlin"), rights.Default(rights.GDPR)
	now := local(t, cal, "2026-06-15").Add(1234567 * time.Nanosecond)
	exact := now.UTC().Truncate(time.Microsecond)
	letter := apply(t, rights.Request{}, rights.Step{Do: rights.File, ID: uuid.UUID{1}, Kind: rights.Access, Received: local(t, cal, "2026-06-11")}, rules, cal, now)
	if cal.LastDay(letter.Due) != (rights.Date{Year: 2026, Month: 7, Day: 13}) || letter.Entered != exact { // 11 July is a Saturday
		t.Errorf("a letter: %+v", letter)
	}
	r := apply(t, rights.Request{}, rights.Step{Do: rights.File, ID: uuid.UUID{1}, Kind: rights.Objection, Marketing: true, SignedIn: true}, rules, cal, now)
	want := rights.Request{
		ID: uuid.UUID{1}, Kind: rights.Objection, Regime: rights.GDPR, State: rights.Received, Marketing: true,
		Filed: exact, Entered: exact, IdentityConfirmed: exact, Due: time.Date(2026, 7, 15, 22, 0, 0, 0, time.UTC),
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
	for name, s := range map[string]rights.Step{
		"no id":                {Kind: rights.Access},
		"no kind":              {ID: uuid.UUID{1}},
		"an unknown kind":      {ID: uuid.UUID{1}, Kind: "complaint"},
		"marketing":            {ID: uuid.UUID{1}, Kind: rights.Access, Marketing: true},
		"from tomorrow":        {ID: uuid.UUID{1}, Kind: rights.Access, Received: now.Add(24 * time.Hour)},
		"signed in, last week": {ID: uuid.UUID{1}, Kind: rights.Access, Received: now.Add(-24 * time.Hour), SignedIn: true},
	} {
		s.Do = rights.File
		if got, err := rights.Apply(rights.Request{}, s, rules, cal, now); !errors.Is(err, rights.ErrRequest) || got != (rights.Request{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	reasoned := rights.Step{Do: rights.File, ID: uuid.UUID{1}, Kind: rights.Access, Reason: rights.NoData}
	if _, err := rights.Apply(rights.Request{}, reasoned, rules, cal, now); !errors.Is(err, rights.ErrReason) {
		t.Errorf("with a reason: %v", err)
	}
	if _, err := rights.Apply(r, rights.Step{Do: rights.Acknowledge}, rights.Default(rights.CCPA), cal, now); !errors.Is(err, rights.ErrRegime) {
		t.Errorf("by other rules: %v", err)
	}
}

func TestAClockThatIsBehindStopsNothing(t *testing.T) {
	cal, rules := calendar(t, "berlin"), rights.Default(rights.GDPR)
	r := filed(t, rights.Access, rules, cal, local(t, cal, "2026-06-15"))
	r = apply(t, r, rights.Step{Do: rights.Acknowledge}, rules, cal, r.Filed.Add(-time.Minute))
	if r.Acknowledged != r.Filed {
		t.Errorf("filed %s, acknowledged %s", r.Filed, r.Acknowledged)
	}
}
