package audit

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"time"
	"unicode/utf16"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
)

// ParseLeaf returns the event whose leaf b is: AppendLeaf gives b again, byte by
// byte. Everything else is ErrLeaf: another version, another order of members,
// white space, an escape where none belongs, trailing bytes. The event keeps
// nothing of b.
func ParseLeaf(b []byte) (Event, error) {
	if len(b) > MaxLeaf {
		return Event{}, fmt.Errorf("%w: size", ErrLeaf)
	}
	p := parser{b: b, good: true}
	e := p.event()
	if !p.good || p.at < len(b) {
		return Event{}, fmt.Errorf("%w: form", ErrLeaf)
	}
	var room [1024]byte // most leaves are shorter
	again, err := e.AppendLeaf(room[:0])
	if err != nil {
		return Event{}, fmt.Errorf("%w: content", ErrLeaf)
	}
	if !bytes.Equal(again, b) {
		return Event{}, fmt.Errorf("%w: not canonical", ErrLeaf)
	}
	return e, nil
}

// parser reads a leaf from left to right. Once something is wrong, good is false
// and stays so. It accepts a little more than the canonical form: ParseLeaf
// compares afterwards.
type parser struct {
	b    []byte
	at   int // what stands before is read
	good bool
}

func (p *parser) event() Event {
	var e Event
	p.expect(`{"v":1`)
	e.ID = p.uuid(`,"id":"`)
	e.Tenant = p.text(`,"tenant":"`)
	e.Time = p.time(`,"time":"`)
	e.Request = p.uuid(`,"request":"`)
	e.Actor = p.text(`,"actor":"`)
	e.Action = accessctl.Action(p.text(`,"action":"`))
	e.Purpose = accessctl.Purpose(p.text(`,"purpose":"`))
	e.UID = p.uuid(`,"uid":"`)
	e.Outcome = Outcome(p.text(`,"outcome":"`))
	e.Code = p.text(`,"code":"`)
	e.Catalog = p.version(`,"catalog":`)
	e.Policy = p.version(`,"policy":`)
	e.Writes = list(p, `,"writes":[`, (*parser).write)
	e.Fields = list(p, `,"fields":[`, (*parser).fieldView)
	e.Refers = p.uuid(`,"refers":"`)
	e.Subject = list(p, `,"subject":[`, (*parser).attr)
	p.expect(`}`)
	return e
}

// list reads a member that is a list of at least one item, or nothing if the
// member is not there.
func list[T any](p *parser, member string, item func(*parser) T) []T {
	if !p.accept(member) {
		return nil
	}
	inner, _, _ := bytes.Cut(p.b[p.at:], []byte(`]]`))
	items := make([]T, 0, 1+bytes.Count(inner, []byte(`],[`)))
	for p.good {
		items = append(items, item(p))
		if !p.accept(`,`) {
			break
		}
	}
	p.expect(`]`)
	return items
}

func (p *parser) write() Write {
	var w Write
	p.expect(`[`)
	w.Collection = number[uint32](p)
	p.expect(`,"`)
	w.Row = p.row()
	p.expect(`",`)
	w.Revision = number[uint64](p)
	p.expect(`]`)
	return w
}

func (p *parser) fieldView() FieldView {
	var f FieldView
	p.expect(`[`)
	f.Collection = number[uint32](p)
	p.expect(`,`)
	f.Field = number[uint32](p)
	p.expect(`,"`)
	f.View = p.view()
	p.expect(`,"`)
	f.Reason = accessctl.Reason(p.str())
	p.expect(`,`)
	f.Count = number[uint32](p)
	p.expect(`]`)
	return f
}

func (p *parser) attr() Attr {
	var a Attr
	p.expect(`["`)
	a.Key = p.str()
	p.expect(`,"`)
	a.Value = p.str()
	p.expect(`]`)
	return a
}

func (p *parser) view() accessctl.View {
	for _, v := range [...]accessctl.View{accessctl.Plain, accessctl.Masked, accessctl.Hidden} {
		if p.accept(viewText(v)) {
			p.expect(`"`)
			return v
		}
	}
	p.good = false
	return accessctl.Hidden
}

// accept takes s if the rest begins with it.
func (p *parser) accept(s string) bool {
	if !p.good || len(p.b)-p.at < len(s) || string(p.b[p.at:p.at+len(s)]) != s {
		return false
	}
	p.at += len(s)
	return true
}

func (p *parser) expect(s string) {
	if !p.accept(s) {
		p.good = false
	}
}

// take takes the next n bytes.
func (p *parser) take(n int) []byte {
	if !p.good || len(p.b)-p.at < n {
		p.good = false
		return nil
	}
	p.at += n
	return p.b[p.at-n : p.at]
}

func (p *parser) text(member string) string {
	if !p.accept(member) {
		return ""
	}
	return p.str()
}

func (p *parser) uuid(member string) uuid.UUID {
	if !p.accept(member) {
		return uuid.Nil
	}
	id, err := uuid.ParseBytes(p.take(36))
	p.good = p.good && err == nil
	p.expect(`"`)
	return id
}

func (p *parser) row() uuid.UUID {
	var id uuid.UUID
	n, err := base64.RawURLEncoding.Strict().Decode(id[:], p.take(22))
	p.good = p.good && err == nil && n == len(id)
	return id
}

func (p *parser) time(member string) time.Time {
	p.expect(member)
	t, err := time.Parse(timeLayout, string(p.take(len(timeLayout))))
	p.good = p.good && err == nil
	p.expect(`"`)
	return t
}

func (p *parser) version(member string) int64 {
	if !p.accept(member) {
		return 0
	}
	return number[int64](p)
}

// number takes a decimal number that fits T.
func number[T uint32 | uint64 | int64](p *parser) T {
	var n T
	first := true
	for ; p.good && p.at < len(p.b) && digit(p.b[p.at]); first = false {
		d := T(p.b[p.at] - '0')
		p.at++
		ten := n * 10
		p.good = ten/10 == n && ten+d >= ten // else it has wrapped around
		n = ten + d
	}
	p.good = p.good && !first
	return n
}

// str takes the rest of a string and its closing quotation mark.
func (p *parser) str() string {
	end := bytes.IndexAny(p.b[p.at:], `"\`)
	if end >= 0 && p.b[p.at+end] == '"' {
		s := string(p.take(end))
		p.expect(`"`)
		return s
	}
	var s []rune
	for p.good {
		switch c := p.take(1); {
		case !p.good:
		case c[0] == '"':
			return string(s)
		case c[0] == '\\':
			s = append(s, p.escape())
		default:
			s = append(s, rune(c[0]))
		}
	}
	return ""
}

// escape takes what follows a backslash.
func (p *parser) escape() rune {
	switch {
	case p.accept(`"`):
		return '"'
	case p.accept(`\`):
		return '\\'
	}
	r := p.unit()
	if utf16.IsSurrogate(r) {
		p.expect(`\`)
		r = utf16.DecodeRune(r, p.unit())
	}
	return r
}

// unit takes the escape of one UTF-16 code unit, after its backslash.
func (p *parser) unit() rune {
	p.expect(`u`)
	var r rune
	for _, c := range p.take(4) {
		switch {
		case digit(c):
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		default:
			p.good = false
		}
	}
	return r
}
