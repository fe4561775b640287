//go:build e2e

package linear_test

import (
	"fmt"
	"strings"

	"github.com/anishathalye/porcupine"
)

// A kind is what an operation does to one person.
type kind string

const (
	put        kind = "put"
	patch      kind = "patch"
	remove     kind = "delete"
	reveal     kind = "reveal"
	search     kind = "search"
	encrypt    kind = "encrypt"
	decrypt    kind = "decrypt"
	reencrypt  kind = "reencrypt"
	grant      kind = "grant"
	withdraw   kind = "withdraw"
	consents   kind = "consents"
	hold       kind = "hold"
	release    kind = "release"
	restrict   kind = "restrict"
	unrestrict kind = "unrestrict"
	erase      kind = "erase"
	eraseGroup kind = "erase group"
	reenrol    kind = "reenrol"
)

// reads says whether an operation changes nothing, so that one without an answer
// says nothing.
func (k kind) reads() bool {
	switch k {
	case reveal, search, decrypt, consents:
		return true
	default:
		return false
	}
}

// The purposes of reveal.
const (
	support   = "support"   // rests on a contract
	marketing = "marketing" // rests on consent
)

// The codes of answers: those of the API, and ok.
const (
	ok       = "ok"
	notFound = "not_found"
	gone     = "gone"
	held     = "held"
	conflict = "conflict"
)

// An op is one operation on one person: what was asked.
type op struct {
	kind    kind
	rec     int    // put, patch, delete, reveal, search: which record
	email   string // put, patch, search, decrypt, reencrypt: the value; "": not named
	city    string // put, patch
	hobby   string // put, patch: in the group of keys leisure, which rests on consent to marketing alone
	ifMatch uint64 // put, patch
	purpose string // reveal
	gen     uint32 // decrypt, reencrypt: the life of the ciphertext, as its header says
}

// A got is what was answered. Its zero value is no answer: it may have happened,
// now or later, or not.
type got struct {
	code        string // ok, or the API's
	rev         uint64 // put, patch, reveal
	gen         uint32 // encrypt, reencrypt: of the ciphertext; erase, erase group: of the certificate; reenrol
	found       bool   // search
	consent     string // consents: of marketing
	email, city string // reveal, decrypt: "=value", "hidden: reason", or "" where the field is absent
	hobby       string // reveal
}

// A record is one record of a person.
type record struct {
	rev                uint64 // 0: never written
	email, city, hobby string // email is "" when the record is not stored
}

// A state is all that a person is to this suite. It is compared with ==.
type state struct {
	born, erased     bool
	gen              uint32
	held, restricted bool
	consent          string // granted, withdrawn or none
	recs             [2]record
}

func hidden(reason string) string { return "hidden: " + reason }

func shown(v string) string {
	if v == "" {
		return ""
	}
	return "=" + v
}

// apply is the specification: what an operation does to a person, and what it
// answers, as DESIGN section 3 has it.
func (s state) apply(in op) (state, got) {
	switch in.kind {
	case erase, reenrol:
		return s.life(in)
	case put, encrypt, grant: // these make a person
		if !s.born && (in.kind != put || in.ifMatch == 0) {
			s = state{born: true, gen: 1, consent: "none"}
		}
	case search: // says nothing of the person
		r := s.recs[in.rec]
		return s, got{code: ok, found: s.born && !s.erased && !s.restricted && r.email == in.email}
	default:
	}
	switch {
	case s.born && s.erased:
		return s, got{code: gone}
	case !s.born && in.kind == put:
		return s, got{code: conflict} // it named a revision
	case !s.born:
		return s, got{code: notFound}
	}
	switch in.kind {
	case put, patch, remove:
		return s.write(in)
	case reveal, decrypt:
		return s, s.read(in)
	case reencrypt:
		if in.gen != s.gen {
			return s, got{code: gone}
		}
		return s, got{code: ok, gen: s.gen}
	case encrypt:
		return s, got{code: ok, gen: s.gen}
	case eraseGroup:
		if s.held {
			return s, got{code: held}
		}
		return s.without(), got{code: ok, gen: s.gen}
	default:
		return s.decide(in)
	}
}

// life ends a life or begins the next.
func (s state) life(in op) (state, got) {
	switch {
	case !s.born:
		return s, got{code: notFound}
	case in.kind == reenrol && !s.erased:
		return s, got{code: conflict}
	case in.kind == reenrol:
		return state{born: true, gen: s.gen + 1, consent: "none"}, got{code: ok, gen: s.gen + 1}
	case s.held:
		return s, got{code: held}
	}
	return state{born: true, erased: true, gen: s.gen}, got{code: ok, gen: s.gen}
}

// write changes a record of a live person.
func (s state) write(in op) (state, got) {
	r := s.recs[in.rec]
	stored := r.email != ""
	switch {
	case in.kind != put && !stored:
		return s, got{code: notFound}
	case in.ifMatch != 0 && (!stored || in.ifMatch != r.rev):
		return s, got{code: conflict}
	case s.held && stored && (in.kind != patch || in.email != "" || in.city != "" && r.city != "" || in.hobby != "" && r.hobby != ""):
		return s, got{code: held}
	}
	r.rev++
	switch {
	case in.kind == put:
		r.email, r.city, r.hobby = in.email, in.city, in.hobby
	case in.kind == remove:
		s.recs[in.rec] = record{rev: r.rev}
		return s, got{code: ok}
	case in.email != "":
		r.email = in.email
	case in.hobby != "":
		r.hobby = in.hobby
	default:
		r.city = in.city
	}
	s.recs[in.rec] = r
	return s, got{code: ok, rev: r.rev}
}

// read shows what a live person's record or ciphertext holds, for a purpose.
func (s state) read(in op) got {
	if in.kind == decrypt {
		switch {
		case in.gen != s.gen:
			return got{code: gone}
		case s.restricted:
			return got{code: ok, email: hidden("restricted")}
		}
		return got{code: ok, email: shown(in.email)}
	}
	r := s.recs[in.rec]
	out := got{code: ok, rev: r.rev}
	switch {
	case r.email == "":
		return got{code: notFound}
	case in.purpose == marketing && s.consent != "granted":
		out.email, out.hobby = hidden("consent"), hidden("consent")
	case s.restricted && in.purpose == marketing:
		out.email, out.hobby = hidden("restricted"), hidden("restricted")
	case s.restricted:
		out.email, out.city = hidden("restricted"), hidden("restricted")
	case in.purpose == marketing:
		out.email, out.hobby = shown(r.email), shown(r.hobby)
	default:
		out.email, out.city = shown(r.email), shown(r.city)
	}
	return out
}

// decide sets or reads what stands beside a live person's records.
func (s state) decide(in op) (state, got) {
	out := got{code: ok}
	switch in.kind {
	case grant:
		s.consent = "granted"
	case withdraw:
		s.consent = "withdrawn"
		s = s.shred()
	case consents:
		out.consent = s.consent
	case hold, release:
		s.held = in.kind == hold
		s = s.shred()
	case restrict, unrestrict:
		s.restricted = in.kind == restrict
	default:
		panic("no such operation: " + in.kind)
	}
	return s, out
}

// shred forgets what rests on a consent that was withdrawn, unless a hold keeps it.
func (s state) shred() state {
	if s.consent == "withdrawn" && !s.held {
		return s.without()
	}
	return s
}

// without forgets what the group leisure sealed. All else lives on.
func (s state) without() state {
	for i := range s.recs {
		s.recs[i].hobby = ""
	}
	return s
}

// step says whether an operation in a state may have been answered so.
func step(s state, in op, out got) (bool, state) {
	next, want := s.apply(in)
	switch {
	case out == got{}:
		return true, next // if it never happened, it stands at the end, where nobody looks
	case in.kind == grant && out.code == conflict && want.code == ok:
		return true, s // it was called before a decision that was recorded first
	case out != want:
		return false, s
	}
	return true, next
}

// model is step for porcupine, for the history of one person.
func model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{} },
		Step: func(s, in, out any) (bool, any) {
			fits, next := step(s.(state), in.(op), out.(got))
			return fits, next
		},
		DescribeOperation: func(in, out any) string { return in.(op).String() + " -> " + out.(got).String() },
		DescribeState:     func(s any) string { return fmt.Sprintf("%+v", s) },
	}
}

func (o op) String() string {
	parts := []string{string(o.kind)}
	switch o.kind {
	case put, patch, remove, reveal, search:
		parts = append(parts, recordNames[o.rec])
	default:
	}
	for _, p := range []struct{ name, value string }{{"email", o.email}, {"city", o.city}, {"hobby", o.hobby}, {"for", o.purpose}} {
		if p.value != "" {
			parts = append(parts, p.name+"="+p.value)
		}
	}
	if o.ifMatch != 0 {
		parts = append(parts, fmt.Sprint("if=", o.ifMatch))
	}
	if o.gen != 0 {
		parts = append(parts, fmt.Sprint("life=", o.gen))
	}
	return strings.Join(parts, " ")
}

func (g got) String() string {
	if g == (got{}) {
		return "no answer"
	}
	text := g.code
	for _, p := range []struct{ name, value string }{{"email", g.email}, {"city", g.city}, {"hobby", g.hobby}, {"consent", g.consent}} {
		if p.value != "" {
			text += " " + p.name + " " + p.value
		}
	}
	if g.rev != 0 {
		text += fmt.Sprint(" rev=", g.rev)
	}
	if g.gen != 0 {
		text += fmt.Sprint(" life=", g.gen)
	}
	if g.found {
		text += " found"
	}
	return text
}
