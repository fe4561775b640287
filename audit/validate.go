package audit

import (
	"unicode/utf8"

	"github.com/google/uuid"
)

// invalid names the part of an event that breaks a rule, or "".
func (e *Event) invalid() string {
	switch {
	case e.ID == uuid.Nil:
		return "id"
	case !tenantName(e.Tenant):
		return "tenant"
	case !wholeMicroseconds(e.Time):
		return "time"
	case e.Actor == "" || len(e.Actor) > MaxActor || !utf8.ValidString(e.Actor):
		return "actor"
	case !name(string(e.Action)):
		return "action"
	case e.Purpose != "" && !name(string(e.Purpose)):
		return "purpose"
	case e.Outcome != Allowed && e.Outcome != Denied && e.Outcome != Failed:
		return "outcome"
	case e.Code != "" && !name(e.Code):
		return "code"
	case e.Catalog < 0:
		return "catalog"
	case e.Policy < 0:
		return "policy"
	case e.Refers != uuid.Nil && e.Outcome != Failed:
		return "refers"
	case !validWrites(e.Writes):
		return "writes"
	case !validAttrs(e.Subject):
		return "subject"
	}
	return ""
}

func validWrites(writes []Write) bool {
	if len(writes) > MaxWrites {
		return false
	}
	for i := range writes {
		w := &writes[i]
		if w.Row == uuid.Nil || w.Revision == 0 || w.Collection == 0 {
			return false
		}
	}
	return true
}

func validFields(fields []FieldView) bool {
	if len(fields) > MaxFields {
		return false
	}
	for i := range fields {
		f := &fields[i]
		if f.Collection == 0 || f.Field == 0 || f.Count == 0 || viewText(f.View) == "" {
			return false
		}
		if f.Reason != "" && !name(string(f.Reason)) {
			return false
		}
		if i > 0 && fields[i-1].Compare(*f) >= 0 {
			return false
		}
	}
	return true
}

func validAttrs(attrs []Attr) bool {
	if len(attrs) > MaxAttrs {
		return false
	}
	for i, a := range attrs {
		if !name(a.Key) || !attrValue(a.Value) || i > 0 && attrs[i-1].Key >= a.Key {
			return false
		}
	}
	return true
}

func attrValue(s string) bool {
	if s == "" || len(s) > MaxAttr {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case lower(c), digit(c), 'A' <= c && c <= 'Z':
		case c == '.', c == '_', c == ':', c == '/', c == '+', c == '=', c == '-':
		default:
			return false
		}
	}
	return true
}

// name says whether s matches [a-z][a-z0-9_]{0,62}.
func name(s string) bool {
	return identifier(s, '_')
}

// tenantName says whether s matches [a-z][a-z0-9-]{0,62}.
func tenantName(s string) bool {
	return identifier(s, '-')
}

func identifier(s string, also byte) bool {
	if s == "" || len(s) > 63 || !lower(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; !lower(c) && !digit(c) && c != also {
			return false
		}
	}
	return true
}

func lower(c byte) bool { return 'a' <= c && c <= 'z' }
func digit(c byte) bool { return '0' <= c && c <= '9' }
