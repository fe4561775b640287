//go:build e2e

package killpoints_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/client"
)

// A person is what clients know of one. One goroutine at a time has it.
type person struct {
	name string
	// value was acknowledged last; "" if none was.
	value string
	// maybe are those of writes without an answer since.
	maybe []string
	// The certificate of an erasure, and of one of the group leisure; nil without.
	gone, leisure []byte
	// Erasures without an answer.
	maybeGone, maybeLeisure bool
}

// open says that some operation has had no answer: the person is left alone until
// the node was started again.
func (p *person) open() bool { return len(p.maybe) > 0 || p.maybeGone || p.maybeLeisure }

// alive says whether the person lives, as far as there is no doubt.
func (p *person) alive() bool { return p.gone == nil && p.value != "" }

func (p *person) ref() client.Ref {
	return client.Ref{Subject: p.name, Collection: "customer", Record: "self"}
}

// fields are what a value stands for: whether all of a write is there can be seen.
func (p *person) fields(value string) map[string]any {
	m := map[string]any{"email": value + "@example.org", "city": value}
	if p.leisure == nil && !p.maybeLeisure {
		m["hobby"] = value
	}
	return m
}

// What an answer says: a code, or nothing for one that did not come.
const (
	unanswered = ""
	done       = "ok"
	gone       = string(api.Gone)
	notFound   = string(api.NotFound)
)

func codeOf(err error) string {
	var e *client.Error
	switch {
	case err == nil:
		return done
	case !errors.As(err, &e) || e.Code == api.Unavailable:
		return unanswered
	}
	return string(e.Code)
}

// put writes a value and notes what the answer says.
func (w *world) put(ctx context.Context, t *testing.T, p *person, value string) {
	t.Helper()
	_, err := w.doors.Put(ctx, p.ref(), p.fields(value))
	switch codeOf(err) {
	case done:
		p.value, p.maybe = value, nil
	case unanswered:
		p.maybe = append(p.maybe, value)
	default:
		w.say(t, false, "%s: a put is answered by %v", p.name, err)
	}
}

// erase erases a person and notes what the answer says.
func (w *world) erase(ctx context.Context, t *testing.T, p *person) {
	t.Helper()
	cert, err := w.doors.Erase(ctx, p.name, "asked for it")
	switch code := codeOf(err); {
	case code == done && p.gone != nil:
		w.say(t, bytes.Equal(p.gone, cert), "%s: erased again, and the certificate is another", p.name)
	case code == done:
		p.gone, p.maybeGone = cert, false
	case code == unanswered && p.gone == nil:
		p.maybeGone = true
	case code != unanswered:
		w.say(t, false, "%s: an erasure is answered by %v", p.name, err)
	}
}

// eraseLeisure erases a group of a person and notes what the answer says.
func (w *world) eraseLeisure(ctx context.Context, t *testing.T, p *person) {
	t.Helper()
	cert, err := w.doors.EraseGroups(ctx, p.name, "asked for it", []string{"leisure"})
	switch code := codeOf(err); {
	case code == done && p.leisure != nil:
		w.say(t, bytes.Equal(p.leisure, cert), "%s: leisure erased again, and the certificate is another", p.name)
	case code == done:
		p.leisure, p.maybeLeisure = cert, false
	case code == unanswered && p.leisure == nil:
		p.maybeLeisure = true
	case code != unanswered:
		w.say(t, false, "%s: an erasure of leisure is answered by %v", p.name, err)
	}
}

// A seen is what a read shows: a code, and with "ok" the values of the fields.
type seen struct{ code, email, city, hobby string }

func show(fields map[string]api.Field) seen {
	text := func(name string) (s string) {
		if f := fields[name]; f.View == api.ViewPlain && json.Unmarshal(f.Value, &s) != nil {
			return "no text"
		}
		return s
	}
	return seen{done, strings.TrimSuffix(text("email"), "@example.org"), text("city"), text("hobby")}
}

// allows says whether a person may be seen so.
func (p *person) allows(s seen) bool {
	switch s.code {
	case unanswered:
		return true
	case gone:
		return p.gone != nil || p.maybeGone
	case notFound:
		return p.gone == nil && p.value == ""
	case done:
		known := s.email != "" && (s.email == p.value || slices.Contains(p.maybe, s.email))
		hobby := s.hobby == "" && (p.leisure != nil || p.maybeLeisure) || s.hobby == s.email && p.leisure == nil
		return p.gone == nil && known && s.city == s.email && hobby
	}
	return false
}

// read reads a person, who must be what is known.
func (w *world) read(ctx context.Context, t *testing.T, p *person) seen {
	t.Helper()
	r, err := w.doors.Get(ctx, p.ref(), "email", "city", "hobby")
	s := seen{code: codeOf(err)}
	if err == nil {
		s = show(r.Fields)
	}
	w.say(t, p.allows(s), "%s is seen as %+v (%v), but known as %s", p.name, s, err, p)
	return s
}

// String is for messages.
func (p *person) String() string {
	return fmt.Sprintf("value %q, perhaps %q, gone %t, perhaps %t, leisure gone %t, perhaps %t",
		p.value, p.maybe, p.gone != nil, p.maybeGone, p.leisure != nil, p.maybeLeisure)
}

// person makes one, of whom nothing is known.
func (w *world) person() *person {
	p := &person{name: strings.ToLower(rand.Text()[:12])}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.people = append(w.people, p)
	return p
}

// A load is what several clients do until it is stopped.
type load struct {
	cancel context.CancelFunc
	all    sync.WaitGroup
}

// How many clients there are, and how long they think between two operations.
const (
	clients = 4
	think   = 10 * time.Millisecond
)

// load starts clients that do all kinds of things with people of their own.
func (w *world) load(t *testing.T) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{cancel: cancel}
	for i := range clients {
		l.all.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				w.live(ctx, t, n)
			}
		})
	}
	return l
}

// stop waits for the answers that are still to come.
func (l *load) stop() {
	l.cancel()
	l.all.Wait()
}

// live is what one client does with three people: of one the leisure is erased, one
// is erased, one stays.
func (w *world) live(ctx context.Context, t *testing.T, n int) {
	a, b, c := w.person(), w.person(), w.person()
	value := func() string { return strings.ToLower(rand.Text()[:10]) }
	answer := context.WithoutCancel(ctx) // an operation that was begun is waited for
	for _, do := range []struct {
		with *person
		do   func(p *person)
	}{
		{a, func(p *person) { w.put(answer, t, p, value()) }},
		{b, func(p *person) { w.put(answer, t, p, value()) }},
		{a, func(p *person) { w.read(answer, t, p) }},
		{b, func(p *person) { w.eraseLeisure(answer, t, p) }},
		{a, func(p *person) { w.put(answer, t, p, value()) }},
		{c, func(p *person) { w.put(answer, t, p, value()) }},
		{b, func(p *person) { w.read(answer, t, p) }},
		{a, func(p *person) { w.erase(answer, t, p) }},
		{a, func(p *person) { w.read(answer, t, p) }},
		{c, func(p *person) { w.put(answer, t, p, value()) }},
		{a, func(p *person) { w.erase(answer, t, p) }},
		{c, func(p *person) { w.read(answer, t, p) }},
		{b, func(p *person) {
			if n%2 == 0 {
				w.erase(answer, t, p)
			}
		}},
	} {
		if ctx.Err() != nil {
			return
		}
		if !do.with.open() && (do.with.alive() || do.with.gone != nil || do.with.value == "") {
			do.do(do.with)
		}
		time.Sleep(think)
	}
}

// eraseSome erases people of whom nothing is open, and the leisure of others. What it
// leaves is for the clean-up.
func (w *world) eraseSome(t *testing.T, n int) {
	t.Helper()
	for _, p := range slices.Backward(w.people) {
		switch {
		case n == 0:
			return
		case !p.alive() || p.open():
		case n%2 == 0:
			w.erase(t.Context(), t, p)
			n--
		case p.leisure == nil:
			w.eraseLeisure(t.Context(), t, p)
			n--
		}
	}
	t.Fatal("too few people live")
}

// putSome makes people.
func (w *world) putSome(t *testing.T, n int) {
	t.Helper()
	for range n {
		w.put(t.Context(), t, w.person(), strings.ToLower(rand.Text()[:10]))
	}
}

// resolve finds out what became of a person, repeats what got no answer, and sees
// that what was acknowledged holds.
func (w *world) resolve(t *testing.T, p *person) {
	t.Helper()
	ctx := t.Context()
	s := w.read(ctx, t, p)
	w.say(t, s.code != unanswered, "%s: a read gets no answer", p.name)
	if p.maybeGone || p.gone != nil {
		if p.value == "" && s.code == notFound {
			return
		}
		w.erase(ctx, t, p)
		w.say(t, p.gone != nil, "%s: the erasure cannot be repeated", p.name)
		p.maybe, p.maybeLeisure = nil, false
		s := w.read(ctx, t, p)
		w.say(t, s.code == gone, "%s was erased and is %+v", p.name, s)
		return
	}
	if s.code == done {
		p.value, p.maybe = s.email, slices.DeleteFunc(p.maybe, func(v string) bool { return v == s.email })
	}
	if p.maybeLeisure || p.leisure != nil {
		w.eraseLeisure(ctx, t, p)
		w.say(t, p.leisure != nil, "%s: the erasure of leisure cannot be repeated", p.name)
		w.read(ctx, t, p)
		return
	}
	if len(p.maybe) > 0 {
		value := p.maybe[len(p.maybe)-1]
		w.put(ctx, t, p, value)
		s := w.read(ctx, t, p)
		w.say(t, s.code == done && s.email == value, "%s: the put cannot be repeated: %+v", p.name, s)
	}
}

// everybody reads all people in batches: the living have their values, the erased
// are gone.
func (w *world) everybody(t *testing.T) {
	t.Helper()
	for list := range slices.Chunk(w.people, 200) {
		items := make([]api.RevealItem, len(list))
		for i, p := range list {
			items[i] = api.RevealItem{Subject: p.name, Collection: "customer", Record: "self", Fields: []string{"email", "city", "hobby"}}
		}
		out, err := w.doors.RevealBatch(t.Context(), items)
		must(t, err)
		for i, p := range list {
			s := show(out[i].Fields)
			if !out[i].OK() {
				s = seen{code: codeOf(client.ItemError(i, out[i].Outcome))}
			}
			w.say(t, p.allows(s) && s.code != unanswered, "%s is seen as %+v, but known as %s", p.name, s, p)
		}
	}
}
