package watch_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/watch"
)

// The aim is below 1 µs and no allocation: See reads all of a log, and Allow stands in
// every request.
func BenchmarkSee(b *testing.B) {
	limit := watch.Limit{Count: 1000, Window: time.Hour}
	w := newWatch(b, watch.Rules{People: limit, Values: limit, Failed: limit, Denied: limit}, id(1<<30))
	var s stream
	var events []*audit.Event
	for i := range 5000 { // of 100 actors and 700 people
		events = append(events, s.event(time.Duration(i)*time.Millisecond, fmt.Sprintf("https://id.example.org#agent-%d", i%100),
			of(id(i%700)), with(accessctl.Plain, 1), with(accessctl.Masked, 1)))
	}
	for _, e := range events {
		w.See(e)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e := events[i%len(events)]
		e.Time = e.Time.Add(5 * time.Second)
		w.See(e)
	}
}

func BenchmarkAllow(b *testing.B) {
	for name, all := range map[string]int{"known": 900, "over": 5000} {
		b.Run(name, func(b *testing.B) {
			m := newMeter(b, 1000)
			m.Allow("https://id.example.org#agent-7", ids(0, 899), began)
			m.Allow("https://id.example.org#agent-7", ids(900, 999), began)
			if name == "known" {
				m = newMeter(b, 1000)
			}
			uids := ids(0, all-1)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m.Allow("https://id.example.org#agent-7", []uuid.UUID{uids[i%all]}, began.Add(time.Duration(i)*time.Microsecond))
			}
		})
	}
}
