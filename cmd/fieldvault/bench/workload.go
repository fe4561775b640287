package bench

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// wants says that a word does not stand in an answer as often as it must.
func wants(body []byte, word string, times int) error {
	if got := bytes.Count(body, []byte(word)); got != times {
		return fmt.Errorf("the answer has %s %d times, want %d: %.300s", word, got, times, body)
	}
	return nil
}

// A Target is the service with the people that are in it.
type Target struct {
	Service *Service
	Server  *Server
	People  People
	N       int64 // people 0 to N-1 are there
	shape
}

// A shape is what is stored of each person, and read.
type shape struct {
	coll   string
	names  []string // of what is stored
	fields []string // of what is read: the last of them
	size   int      // bytes of a value; 0: what People says
}

// newShape is people's ten values, of which so many are read, or texts of size bytes.
func newShape(fields, size int) shape {
	s := shape{coll: "customer", names: fieldNames, size: size}
	if size > 0 {
		s.coll, s.names = "wide", wideNames(len(fieldNames))
	}
	s.fields = s.names[len(s.names)-fields:]
	return s
}

// NewTarget is a service with n people in it.
func NewTarget(s *Service, p People, n int64, of shape) (*Target, error) {
	server, err := s.Server()
	if err != nil {
		return nil, err
	}
	return &Target{Service: s, Server: server, People: p, N: n, shape: of}, nil
}

// values are what is stored of person n, in the order of the names.
func (t *Target) values(n int64) [10]string {
	if t.size == 0 {
		return t.People.Values(n)
	}
	var list [10]string
	for i := range list {
		list[i] = text(t.People, 10*n+int64(i), t.size)
	}
	return list
}

// last is the value of the field that is read singly.
func (t *Target) last(n int64) string { return t.values(n)[9] }

// appendFields appends the values of person n as a JSON object.
func (t *Target) appendFields(b []byte, n int64) []byte {
	values := t.values(n)
	sep := byte('{')
	for i, name := range t.names {
		b = append(append(append(b, sep, '"'), name...), `":"`...)
		b = append(append(b, values[i]...), '"')
		sep = ','
	}
	return append(b, '}')
}

// pick spreads requests over the people, without an order that a cache would like. It
// is the same for the same n.
func (t *Target) pick(n int64) int64 { return pick(t.People.Seed, n, t.N) }

func pick(seed uint64, n, of int64) int64 {
	r := rand.NewPCG(seed, uint64(n))     //nolint:gosec // not for keys
	return int64(r.Uint64() % uint64(of)) //nolint:gosec // of people
}

// Load stores people from up to to, size a request.
func (t *Target) Load(ctx context.Context, from, to int64, workers, size int) (Figure, error) {
	w := Workload{
		Name: "put-batch-" + strconv.Itoa(size), Unit: "people", Units: size, Server: t.Server,
		Request: func(b []byte, n int64) []byte {
			first := from + n*int64(size)
			return t.Server.appendRequest(b, "POST", "/v1/records", t.putBody(first, min(first+int64(size), to)))
		},
		Check: func(n int64, body []byte) error {
			first := from + n*int64(size)
			return wants(body, `"revision":`, int(min(first+int64(size), to)-first))
		},
	}
	f, err := Drive(ctx, w, Load{Workers: workers, Count: (to - from + int64(size) - 1) / int64(size)})
	if err == nil {
		t.N = max(t.N, to)
	}
	return f, err
}

func (t *Target) putBody(first, to int64) []byte {
	b := []byte(`{"items":[`)
	for n := first; n < to; n++ {
		if n > first {
			b = append(b, ',')
		}
		b = append(append(append(b, `{"subject":"`...), t.People.ID(n)...), `","collection":"`+t.coll+`","record":"self","fields":`...)
		b = append(t.appendFields(b, n), '}')
	}
	return append(b, "]}"...)
}

func (t *Target) path(n int64) string {
	return "/v1/subjects/" + t.People.ID(n) + "/records/" + t.coll + "/self"
}

// RevealOne reads one field of one person.
func (t *Target) RevealOne() Workload {
	query := "?fields=" + t.names[9]
	return Workload{
		Name: "reveal-single", Unit: "fields", Units: 1, Server: t.Server,
		Request: func(b []byte, n int64) []byte {
			return t.Server.appendRequest(b, "GET", t.path(t.pick(n))+query, nil)
		},
		Check: func(n int64, body []byte) error {
			if n%64 != 0 { // whose value it is would cost more to say than the request
				return wants(body, `"view":"plain"`, 1)
			}
			return wants(body, `"value":"`+t.last(t.pick(n))+`"`, 1)
		},
	}
}

// RevealPerson reads all fields of one person.
func (t *Target) RevealPerson() Workload {
	query := "?fields=" + strings.Join(t.fields, ",")
	return Workload{
		Name: "reveal-person", Unit: "fields", Units: len(t.fields), Server: t.Server,
		Request: func(b []byte, n int64) []byte {
			return t.Server.appendRequest(b, "GET", t.path(t.pick(n))+query, nil)
		},
		Check: func(_ int64, body []byte) error { return wants(body, `"view":"plain"`, len(t.fields)) },
	}
}

// RevealBatch reads all fields of size people, who stand beside each other.
func (t *Target) RevealBatch(size int, first func(n int64) int64) Workload {
	names := `","collection":"` + t.coll + `","record":"self","fields":["` + strings.Join(t.fields, `","`) + `"]}`
	return Workload{
		Name: fmt.Sprintf("reveal-batch-%dx%d", size, len(t.fields)), Unit: "fields", Units: size * len(t.fields), Server: t.Server,
		Request: func(b []byte, n int64) []byte {
			body := []byte(`{"items":[`)
			for i := range int64(size) {
				if i > 0 {
					body = append(body, ',')
				}
				body = append(append(append(body, `{"subject":"`...), t.People.ID(first(n)+i)...), names...)
			}
			return t.Server.appendRequest(b, "POST", "/v1/reveal", append(body, "]}"...))
		},
		Check: func(_ int64, body []byte) error { return wants(body, `"view":"plain"`, size*len(t.fields)) },
	}
}

// Search finds a person by the e-mail address.
func (t *Target) Search() Workload {
	return Workload{
		Name: "search", Unit: "searches", Units: 1, Server: t.Server,
		Request: func(b []byte, n int64) []byte {
			body := `{"collection":"customer","field":"email","equals":"` + t.People.Values(t.pick(n))[9] + `"}`
			return t.Server.appendRequest(b, "POST", "/v1/search", []byte(body))
		},
		Check: func(n int64, body []byte) error {
			return wants(body, `"subject":"`+t.People.ID(t.pick(n))+`"`, 1)
		},
	}
}

// Put stores people who are not there yet, one a request.
func (t *Target) Put() Workload {
	return Workload{
		Name: "put", Unit: "people", Units: 1, Server: t.Server,
		Request: func(b []byte, n int64) []byte {
			body := append(t.appendFields([]byte(`{"fields":`), n), '}')
			return t.Server.appendRequest(b, "PUT", t.path(n), body)
		},
		Check: func(_ int64, body []byte) error { return wants(body, `"revision":1`, 1) },
	}
}

// Encrypt seals ten values of a person for an application's own tables.
func (t *Target) Encrypt() Workload {
	return Workload{
		Name: "encrypt", Unit: "fields", Units: len(t.names), Server: t.Server,
		Request: func(b []byte, n int64) []byte {
			who := t.pick(n)
			values := t.values(who)
			body := []byte(`{"items":[`)
			for i, name := range t.names {
				if i > 0 {
					body = append(body, ',')
				}
				body = fmt.Appendf(body, `{"subject":%q,"field":"%s.%s","plaintext":%q}`, t.People.ID(who), t.coll, name, values[i])
			}
			return t.Server.appendRequest(b, "POST", "/v1/encrypt", append(body, "]}"...))
		},
		Check: func(_ int64, body []byte) error { return wants(body, `"ciphertext":"fv1:`, len(t.names)) },
	}
}

// Erase erases person n.
func (t *Target) Erase() Workload {
	return Workload{
		Name: "erase", Unit: "people", Units: 1, Server: t.Server,
		Request: func(b []byte, n int64) []byte {
			return t.Server.appendRequest(b, "POST", "/v1/subjects/"+t.People.ID(n)+"/erasure", []byte(`{"reason":"measured"}`))
		},
	}
}
