package main

import (
	"bytes"
	"errors"
	"testing"
)

// Where nobody watches, only reports are written.
func TestProgressIsSilentWhereNobodyWatches(t *testing.T) {
	var out bytes.Buffer
	b := newProgress(&out, "importing", 10)
	b.at(5)
	b.report("line %d: %s", 7, "100% wrong")
	b.at(10)
	b.end(nil)
	newProgress(&out, "importing", 10).end(errors.New("stopped"))
	if got := out.String(); got != "line 7: 100% wrong\n" {
		t.Errorf("%q", got)
	}
}
