package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// attrRoles is the attribute of an event that says which roles the caller held.
const attrRoles = "roles"

// trendRoles is how many sets of roles a trend tells apart; what is beyond counts as
// OtherCallers.
const trendRoles = 50

// RolesAttr is the attribute that says which roles a caller held: their names, sorted
// and joined by a plus. Names that no attribute can hold are left out, as are those for
// which there is no room. Without any, and for people, who act in no role, it is nil.
func RolesAttr(roles []accessctl.Role) []audit.Attr {
	if len(roles) == 0 || slices.Contains(roles, accessctl.RoleSubject) {
		return nil
	}
	names := make([]string, 0, len(roles))
	for _, r := range roles {
		if attrName(string(r)) {
			names = append(names, string(r))
		}
	}
	slices.Sort(names)
	joined := ""
	for _, n := range slices.Compact(names) {
		switch {
		case joined == "" && len(n) <= audit.MaxAttr:
			joined = n
		case joined != "" && len(joined)+1+len(n) <= audit.MaxAttr:
			joined += "+" + n
		}
	}
	if joined == "" {
		return nil
	}
	return []audit.Attr{{Key: attrRoles, Value: joined}}
}

// attrName says whether a role can stand in an attribute: there a plus parts roles.
func attrName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("._:/=-", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// RolesOf are the roles that an event says its caller held; nil if it says none.
func RolesOf(e *audit.Event) []string {
	for _, a := range e.Subject {
		if a.Key == attrRoles {
			return strings.Split(a.Value, "+")
		}
	}
	return nil
}

// A TrendReport says how things went over time: equal steps of a window.
type TrendReport struct {
	From  time.Time
	Step  time.Duration
	Steps []TrendStep
	// Roles says how many values were shown to each set of roles, the most first.
	Roles []RoleUse
}

// A TrendStep is what happened within one step. Further steps begin one Step later each.
type TrendStep struct {
	Begin  time.Time
	Denied int64 // events
	Erased int64 // people and groups of them
	// Decided says, by purpose, how people decided.
	Decided map[accessctl.Purpose]Decided
}

// Decided counts decisions on a purpose: yes, and all.
type Decided struct{ Yes, All int64 }

// A RoleUse is how many values were shown to callers who held these roles, masked ones
// counted too; none: the event names none.
type RoleUse struct {
	Roles  string // joined by a plus
	Values int64
}

// A Trend counts events by time. Its memory is bounded by the steps and the purposes of
// the catalog. It is not safe for concurrent use.
type Trend struct {
	from, to time.Time
	step     time.Duration
	steps    []TrendStep
	roles    map[string]int64
	shown    []shown
}

// NewTrend begins a report of the window [from, to) in at most n steps.
func NewTrend(from, to time.Time, n int) *Trend {
	t := &Trend{from: from, to: to, step: to.Sub(from) / time.Duration(n), roles: map[string]int64{}}
	for i := range n {
		t.steps = append(t.steps, TrendStep{Begin: from.Add(time.Duration(i) * t.step), Decided: map[accessctl.Purpose]Decided{}})
	}
	return t
}

// See takes in one event, in any order.
func (t *Trend) See(e *audit.Event) {
	if e.Time.Before(t.from) || !e.Time.Before(t.to) {
		return
	}
	s := &t.steps[min(int(e.Time.Sub(t.from)/t.step), len(t.steps)-1)]
	switch {
	case e.Outcome == audit.Denied:
		s.Denied++
	case e.Outcome != audit.Allowed:
	case e.Action == accessctl.ActionErase && e.Code == "":
		s.Erased++
	case e.Action == accessctl.ActionConsent:
		d := s.Decided[e.Purpose]
		d.All++
		if attrOf(e, "decision") == "granted" {
			d.Yes++
		}
		s.Decided[accessctl.Purpose(strings.Clone(string(e.Purpose)))] = d
	default:
		t.sees(e)
	}
}

// sees counts the values that an event shows.
func (t *Trend) sees(e *audit.Event) {
	var values int64
	t.shown, _ = showing(t.shown[:0], e, true, nil)
	for _, s := range t.shown {
		if s.collection != 0 {
			values += int64(s.count)
		}
	}
	if values == 0 || callerOf(e) == "self" {
		return
	}
	roles := attrOf(e, attrRoles)
	if _, ok := t.roles[roles]; !ok && len(t.roles) >= trendRoles {
		roles = OtherCallers
	}
	t.roles[strings.Clone(roles)] += values
}

func attrOf(e *audit.Event, key string) string {
	for _, a := range e.Subject {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}

// Report is what was seen so far.
func (t *Trend) Report() *TrendReport {
	r := &TrendReport{From: t.from, Step: t.step, Steps: t.steps}
	for roles, n := range t.roles {
		r.Roles = append(r.Roles, RoleUse{roles, n})
	}
	slices.SortFunc(r.Roles, func(a, b RoleUse) int { return cmp.Or(cmp.Compare(b.Values, a.Values), cmp.Compare(a.Roles, b.Roles)) })
	return r
}
