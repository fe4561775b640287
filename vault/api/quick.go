package api

import "bytes"

// quick reads the body of a reveal, which is a good part of what a large one costs, from
// a document that a scanner has let through: what it reads is what encoding/json would.
// It says false if a value is not of its member's kind, whatever it has read by then:
// encoding/json says what is wrong.
func (r *RevealRequest) quick(b []byte) bool {
	s := scanner{data: b}
	return s.begins('{') && s.each('}', func() bool {
		if key, ok := s.key(); !ok || string(key) != "items" || !s.begins('[') {
			return false
		}
		r.Items = make([]RevealItem, 0, min(MaxItems, bytes.Count(b, []byte(`{`))-1))
		return s.each(']', func() bool {
			r.Items = append(r.Items, RevealItem{})
			return s.revealItem(r.Items)
		})
	})
}

// revealItem reads the last of the items.
func (s *scanner) revealItem(items []RevealItem) bool {
	it, n := &items[len(items)-1], len(items)-1
	return s.begins('{') && s.each('}', func() (ok bool) {
		key, ok := s.key()
		switch {
		case !ok:
			return false
		case string(key) == "subject":
			it.Subject, ok = s.string("")
		case string(key) == "collection":
			it.Collection, ok = s.string(before(items[:n]).Collection)
		case string(key) == "record":
			it.Record, ok = s.string(before(items[:n]).Record)
		case string(key) == "fields":
			it.Fields, ok = s.strings(before(items[:n]).Fields)
		default:
			ok = false
		}
		return ok
	})
}

func before(items []RevealItem) *RevealItem {
	if len(items) == 0 {
		return &RevealItem{}
	}
	return &items[len(items)-1]
}

// begins takes the byte with which a value must begin.
func (s *scanner) begins(c byte) bool {
	if s.peek() != c || s.at == len(s.data) {
		return false
	}
	s.at++
	return true
}

// each reads what stands up to the end, with commas between.
func (s *scanner) each(end byte, read func() bool) bool {
	if s.begins(end) {
		return true
	}
	for read() {
		if s.begins(end) {
			return true
		}
		if !s.begins(',') {
			return false
		}
	}
	return false
}

// key reads a key and the colon.
func (s *scanner) key() ([]byte, bool) {
	if s.peek() != '"' {
		return nil, false
	}
	b, err := s.text(true)
	return b, err == nil && s.begins(':')
}

// string reads a string. If it is like the one given, that is returned.
func (s *scanner) string(like string) (string, bool) {
	if s.peek() != '"' {
		return "", false
	}
	b, err := s.text(true)
	if err != nil {
		return "", false
	}
	if string(b) == like {
		return like, true
	}
	return string(b), true
}

// strings reads strings. If they are like those given, these are returned.
func (s *scanner) strings(like []string) (list []string, ok bool) {
	if !s.begins('[') {
		return nil, false
	}
	n, same := 0, true
	ok = s.each(']', func() bool {
		given := ""
		if n < len(like) {
			given = like[n]
		}
		one, ok := s.string(given)
		if same = same && n < len(like) && one == given; !same {
			if list == nil {
				list = append(make([]string, 0, max(len(like), 4)), like[:min(n, len(like))]...)
			}
			list = append(list, one)
		}
		n++
		return ok
	})
	if same && n == len(like) && n > 0 {
		return like, ok
	}
	if list == nil {
		list = append(make([]string, 0, n), like[:n]...)
	}
	return list, ok
}
