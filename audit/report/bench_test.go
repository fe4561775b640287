package report_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/report"
)

// million is a log of a million events, three fields each, made as they are seen.
func million(people int, see func(index int64, e *audit.Event)) {
	e := shows(1, view(11, accessctl.Plain, 1), view(12, accessctl.Plain, 1), view(13, accessctl.Plain, 1))
	actors := make([]string, 50)
	for i := range actors {
		actors[i] = fmt.Sprintf("https://id.example.org#agent-%d", i)
	}
	for i := range 1_000_000 {
		person := i * 7919 % people // in no order
		e.ID[0], e.ID[1], e.ID[2] = byte(i>>16), byte(i>>8), byte(i)
		e.UID = uuid.UUID{byte(person >> 16), byte(person >> 8), byte(person), 15: 1}
		e.Actor, e.Time = actors[person%50], from.Add(time.Duration(i)*time.Millisecond)
		see(int64(i), e)
	}
}

// One core, a million events of which all count: 10,000 people seen a hundred
// times each, and a million people seen once.
func BenchmarkMillionEvents(b *testing.B) {
	q := query()
	for _, people := range []int{10_000, 1_000_000} {
		for _, settle := range []bool{false, true} {
			b.Run(fmt.Sprintf("people=%d/settle=%v", people, settle), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					br := report.NewBreach(q)
					million(people, func(i int64, e *audit.Event) {
						br.See(i, e)
						if settle && i%10_000 == 0 {
							br.Settle(e.Time.Add(-time.Second))
						}
					})
					if r := br.Report(names{}, nil); r.Totals.Events != 1_000_000 || r.Totals.People != people {
						b.Fatalf("%+v", r.Totals)
					}
				}
			})
		}
	}
}

func BenchmarkWriteMillionRows(b *testing.B) {
	br := report.NewBreach(query())
	million(333_334, func(i int64, e *audit.Event) { br.See(i, e) })
	r := br.Report(names{}, nil)
	for _, form := range []struct {
		name  string
		write func(io.Writer) error
	}{{"json", r.WriteJSON}, {"csv", r.WriteCSV}} {
		b.Run(form.name, func(b *testing.B) {
			for b.Loop() {
				if err := form.write(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
