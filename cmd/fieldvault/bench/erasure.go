package bench

import (
	"context"
	"fmt"
	"strconv"
)

// Numbers of people who are there for one measurement only begin here.
const (
	overheadFirst = 1 << 40
	smallFirst    = 2 << 40
	largeFirst    = 3 << 40
)

// wideNames are the fields of the collection of texts.
func wideNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = "f" + strconv.Itoa(i+1)
	}
	return names
}

// putWide stores one person with so many records of so many texts of size bytes.
func (t *Target) putWide(name string, records, fields, size, people int) Workload {
	names := wideNames(fields)
	return Workload{
		Name: name, Unit: "people", Units: people, Server: t.Server,
		Request: func(b []byte, n int64) []byte {
			body := []byte(`{"items":[`)
			for p := range people {
				who := n + int64(p)
				value := text(t.People, who, size)
				for r := range records {
					if p+r > 0 {
						body = append(body, ',')
					}
					body = fmt.Appendf(body, `{"subject":%q,"collection":"wide","record":"r-%d","fields":{`, t.People.ID(who), r)
					for i, f := range names {
						if i > 0 {
							body = append(body, ',')
						}
						body = append(append(append(append(append(body, '"'), f...), `":"`...), value...), '"')
					}
					body = append(body, "}}"...)
				}
			}
			return t.Server.appendRequest(b, "POST", "/v1/records", append(body, "]}"...))
		},
		Check: func(_ int64, body []byte) error { return wants(body, `"revision":1`, records*people) },
	}
}

// erasures compares the erasure of people with very many fields with that of people with
// ten, in turns, one at a time.
func (l *lab) erasures(ctx context.Context) error {
	if err := l.start(ctx, nil); err != nil {
		return err
	}
	n := int64(l.scale.Erased)
	for first := range n {
		if _, err := Drive(ctx, l.t.putWide("put-large", l.scale.Records, 100, 8, 1), Load{Workers: 1, Count: 1, First: largeFirst + first}); err != nil {
			return err
		}
		if _, err := Drive(ctx, l.t.putWide("put-small", 1, 10, 8, 1), Load{Workers: 1, Count: 1, First: smallFirst + first}); err != nil {
			return err
		}
		if (first+1)%10 == 0 {
			l.say("%d of %d people with %d fields are stored", first+1, n, l.scale.Records*100)
		}
	}
	large, small := newTimes(), newTimes()
	erase := l.t.Erase()
	for i := range n {
		for _, x := range []struct {
			first int64
			large bool
		}{{largeFirst, true}, {smallFirst, false}} {
			f, err := Drive(ctx, erase, Load{Workers: 1, Count: 1, First: x.first + i})
			if err != nil {
				return err
			}
			if x.large {
				large.Merge(f.times)
			} else {
				small.Merge(f.times)
			}
		}
	}
	ours, theirs := float64(large.ValueAtQuantile(50))/1000, float64(small.ValueAtQuantile(50))/1000
	l.say("median erasure: %.2f ms with %d fields, %.2f ms with 10", ours, l.scale.Records*100, theirs)
	l.note("erase_large_over_small", ratio("milliseconds", []float64{ours}, []float64{theirs}))
	return nil
}
