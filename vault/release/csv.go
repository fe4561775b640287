package release

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// WriteCSV writes the table as RFC 4180 has it, in UTF-8, with a line of names.
//
// A spreadsheet takes a value that begins with = + - @ (of full width too), a tab or the end
// of a line for a formula; such a value, and one that begins with an apostrophe, gets an
// apostrophe before it. To read the value back, take one away. A number below zero is no formula, and stays.
func (r *Result) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(guarded(r.Names())); err != nil {
		return fmt.Errorf("writing a release: %w", err)
	}
	for row := range r.Rows() {
		if err := out.Write(guarded(row)); err != nil {
			return fmt.Errorf("writing a release: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("writing a release: %w", err)
	}
	return nil
}

func guarded(row []string) []string {
	safe := make([]string, len(row))
	for i, v := range row {
		if first, _ := utf8.DecodeRuneInString(v); v != "" && strings.ContainsRune("=+-@＝＋－＠\t\r\n'", first) && !negative(v) {
			v = "'" + v
		}
		safe[i] = v
	}
	return safe
}

// negative reports whether v is a number below zero, in digits.
func negative(v string) bool {
	return len(v) > 1 && v[0] == '-' && strings.Trim(v[1:], "0123456789.") == ""
}
