package audit_test

import (
	"slices"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/audit"
)

// What a LeafWriter writes is what AppendLeaf does, whether events share their fields, have
// others, none, or such as are refused, and whether they are of one time.
func TestLeafWriterWritesWhatAppendLeafDoes(t *testing.T) {
	same := tenFields()
	other, none, wrong := same, same, same
	other.Fields = slices.Clone(same.Fields[1:])
	none.Fields = nil
	wrong.Fields = slices.Clone(same.Fields)
	wrong.Fields[3].Count = 0
	shorter := same
	shorter.Fields = same.Fields[:4]
	later, elsewhere, finer := same, same, same
	later.Time = same.Time.Add(time.Microsecond)
	elsewhere.Time = same.Time.In(time.FixedZone("elsewhere", 3600))
	finer.Time = same.Time.Add(time.Nanosecond)
	var w audit.LeafWriter
	for i, e := range []audit.Event{same, same, other, same, none, none, same, wrong, wrong, same, shorter, same, later, later, same, elsewhere, finer, finer, same} {
		want, wantErr := e.AppendLeaf(nil)
		got, err := w.Append([]byte("before"), &e)
		if string(got) != "before"+string(want) || (err == nil) != (wantErr == nil) {
			t.Errorf("event %d: %s (%v), want %s (%v)", i, got, err, want, wantErr)
		}
	}
}
