package api

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What is read without reflection is what encoding/json reads, and what it does not take
// is refused or read by encoding/json.
func TestQuickReadsWhatJSONReads(t *testing.T) {
	texts := []string{`"a"`, `""`, `"customer"`, `"\u0061\n\""`, `"é\ud83d\ude00"`, `"{[,]}"`, `1`, `true`, `{}`, `[]`, `["a"]`}
	strict := []string{`"a"`, `""`, `"customer"`, `"\u0061\n\""`}
	taken := 0
	rapid.Check(t, func(rt *rapid.T) {
		space := func() string { return rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(rt, "space") }
		text := func() string {
			from := strict
			if rapid.IntRange(0, 40).Draw(rt, "odd") == 0 {
				from = texts
			}
			return rapid.SampledFrom(from).Draw(rt, "text")
		}
		list := func(n int, one func() string) string {
			parts := make([]string, n)
			for i := range parts {
				parts[i] = space() + one() + space()
			}
			return "[" + space() + strings.Join(parts, ",") + "]"
		}
		item := func() string {
			var members []string
			for _, name := range rapid.Permutation([]string{"subject", "collection", "record", "fields"}).Draw(rt, "order") {
				switch {
				case rapid.IntRange(0, 5).Draw(rt, "absent") == 0:
				case name == "fields":
					members = append(members, `"fields"`+space()+`:`+list(rapid.IntRange(0, 4).Draw(rt, "fields"), text))
				default:
					members = append(members, `"`+name+`":`+space()+text()+space())
				}
			}
			return "{" + space() + strings.Join(members, ","+space()) + "}"
		}
		doc := space() + `{"items":` + list(rapid.IntRange(0, 5).Draw(rt, "items"), item) + `}` + space()
		var quick, slow RevealRequest
		if quick.quick([]byte(doc)) {
			taken++
			if err := json.Unmarshal([]byte(doc), &slow); err != nil || !reflect.DeepEqual(quick, slow) {
				rt.Errorf("of %s was read\n%+v, want\n%+v (%v)", doc, quick, slow, err)
			}
		}
		var whole RevealRequest
		err := Unmarshal([]byte(doc), &whole)
		slow = RevealRequest{}
		if bad := json.Unmarshal([]byte(doc), &slow); bad == nil && err == nil && !reflect.DeepEqual(whole, slow) || (bad != nil) != (err != nil) {
			rt.Errorf("%s: %v; encoding/json says %v", doc, err, bad)
		}
	})
	if taken == 0 {
		t.Error("nothing was read")
	}
}

// The likes of a body of a reveal are read without reflection: no member is forgotten.
func TestQuickKnowsEveryMember(t *testing.T) {
	item := reflect.TypeFor[RevealItem]()
	if item.NumField() != 4 || reflect.TypeFor[RevealRequest]().NumField() != 1 {
		t.Error("the quick reader does not know all members")
	}
	var r RevealRequest
	doc := `{"items":[{"subject":"s","collection":"c","record":"r","fields":["f","g"]},{"subject":"t","collection":"c","record":"q","fields":["f","g"]},{"fields":["f"]},{"fields":["f","g","h"]}]}`
	if !r.quick([]byte(doc)) {
		t.Fatal("it was not read")
	}
	want := []RevealItem{
		{"s", "c", "r", []string{"f", "g"}},
		{"t", "c", "q", []string{"f", "g"}},
		{"", "", "", []string{"f"}},
		{"", "", "", []string{"f", "g", "h"}},
	}
	if !reflect.DeepEqual(r.Items, want) {
		t.Errorf("it was read as %+v", r.Items)
	}
}
