package accessctl_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
)

// TestDecisionsOnceMadeCostNoAllocation: a request of 10 fields of 100 people
// allocates nothing but the Decider, once its decisions are known.
func TestDecisionsOnceMadeCostNoAllocation(t *testing.T) {
	p := parse(t, samplePolicy)
	c, facts := caller("billing", "billing", "support", "not_mentioned"), factsOf("billing")
	fields := tenFields()
	request := func() {
		d := p.For(c, facts)
		for person := range 100 {
			s := accessctl.State{Consent: accessctl.Consent(person % 5), Restricted: person%7 == 0}
			if !d.Has(accessctl.ActionReveal, fields) || !d.MayKnow(fields, false) {
				t.Fatal("the caller has lost its rights")
			}
			for _, f := range fields {
				d.Reveal(f, s)
				d.Permit(accessctl.ActionSearch, f, s)
			}
		}
	}
	for range 10 {
		request() // until the memory has settled
	}
	if n := testing.AllocsPerRun(50, request); n > 1 {
		t.Errorf("a request allocates %v times, want once: the Decider", n)
	}
}

func tenFields() []accessctl.Field {
	fields := make([]accessctl.Field, 10)
	for i := range fields {
		fields[i] = field(fmt.Sprintf("customer.f%d", i))
	}
	return fields
}

// TestMemoryIsBounded: more situations than the memory holds, and roles and
// purposes without end, take no more than a bounded amount of it.
func TestMemoryIsBounded(t *testing.T) {
	p := parse(t, samplePolicy)
	before := heap()
	for i := range 13 * accessctl.MaxMemo / 2 {
		c := caller(accessctl.Purpose(fmt.Sprintf("attack_%d", i)), accessctl.Role(fmt.Sprintf("role_%d", i)))
		if got := p.For(c, accessctl.PurposeFacts{}).Reveal(field(fmt.Sprintf("customer.f%d", i)), accessctl.State{}); got.Allowed {
			t.Fatalf("an unknown purpose: %+v", got)
		}
	}
	const most = accessctl.MaxMemo * 600 // a full memory
	if after := heap(); after > before+most {
		t.Errorf("the memory grew by %d bytes, want at most %d", after-before, most)
	}
	runtime.KeepAlive(p)
}

// TestDecisionsSurviveForgetting: a Decider made before the memory was full
// answers as before, and so does one made after.
func TestDecisionsSurviveForgetting(t *testing.T) {
	p := parse(t, samplePolicy)
	c, facts := caller("billing", "billing"), factsOf("billing")
	old := p.For(c, facts)
	want := old.Reveal(field("customer.email"), accessctl.State{})
	other := p.For(caller("", "billing"), accessctl.PurposeFacts{})
	for i := range 2 * accessctl.MaxMemo {
		other.Reveal(field(fmt.Sprintf("customer.f%d", i)), accessctl.State{})
	}
	for name, d := range map[string]*accessctl.Decider{"old": old, "new": p.For(c, facts)} {
		if diff := cmp.Diff(want, d.Reveal(field("customer.email"), accessctl.State{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestConcurrentDeciders: deciders of one policy, made and used at once, while
// the memory fills and empties, answer as one alone does.
func TestConcurrentDeciders(t *testing.T) {
	p, alone := parse(t, samplePolicy), parse(t, samplePolicy)
	purposes := []accessctl.Purpose{"support", "billing", "marketing", "claims", ""}
	held := []string{"support", "billing", "marketing", "app", "dpo", "operator", "support billing", ""}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 400 {
				purpose := purposes[(i+g)%len(purposes)]
				c := caller(purpose, roles(held[(i/3+g)%len(held)])...)
				f := field(fmt.Sprintf("customer.f%d", i%50))
				s := accessctl.State{Consent: accessctl.Consent(i % 5), Restricted: i%2 == 0}
				got, want := p.For(c, factsOf(purpose)).Reveal(f, s), alone.For(c, factsOf(purpose)).Reveal(f, s)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%v %s %+v: %s", c.Roles, f.Name, s, diff)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkFor(b *testing.B) {
	p := parse(b, samplePolicy)
	c, facts := caller("billing", "billing", "support"), factsOf("billing")
	b.ReportAllocs()
	for b.Loop() {
		p.For(c, facts)
	}
}

// BenchmarkRevealKnown is a decision that was made before.
func BenchmarkRevealKnown(b *testing.B) {
	d := parse(b, samplePolicy).For(caller("billing", "billing"), factsOf("billing"))
	fields := tenFields()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		d.Reveal(fields[i%len(fields)], accessctl.State{})
	}
}

// BenchmarkRevealNew is a decision that is made for the first time, among 11 and
// among 111 policies.
func BenchmarkRevealNew(b *testing.B) {
	var more strings.Builder
	for i := range 100 {
		fmt.Fprintf(&more, "permit (principal in Role::\"r%d\", action == Action::\"reveal\", resource in Collection::\"c%d\");\n", i, i)
	}
	for _, c := range []struct{ name, text string }{{"11", samplePolicy}, {"111", samplePolicy + more.String()}} {
		b.Run(c.name, func(b *testing.B) {
			p := parse(b, c.text)
			d := p.For(caller("billing", "billing"), factsOf("billing"))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				d.Reveal(field(fmt.Sprintf("customer.f%d", i)), accessctl.State{Consent: accessctl.ConsentGranted})
			}
		})
	}
}
