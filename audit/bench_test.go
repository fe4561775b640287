package audit_test

import (
	"testing"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// tenFields is the event of a reveal of ten fields.
func tenFields() audit.Event {
	e := reveal()
	e.Fields = nil
	for id := range uint32(10) {
		e.Fields = append(e.Fields, audit.FieldView{Collection: 1, Field: id + 1, View: accessctl.Plain, Count: 1})
	}
	return e
}

// BenchmarkAppendLeaf encodes an event, which a read waits for.
func BenchmarkAppendLeaf(b *testing.B) {
	e := tenFields()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.AppendLeaf(nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseLeaf is what a check of the log costs for each event.
func BenchmarkParseLeaf(b *testing.B) {
	text := []byte(leaf(b, tenFields()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := audit.ParseLeaf(text); err != nil {
			b.Fatal(err)
		}
	}
}
