package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// WriteCSV writes the rows of what was shown by RFC 4180, with a header and CRLF:
// one for each person, field, purpose, actor and How. What was not released is not
// in it. The error is w's.
//
// Times are RFC 3339 in UTC. Actors and names are free text, and spreadsheets
// run cells that begin like a formula. A cell that begins, spaces aside, with = + - @ or
// their full-width forms, or with an apostrophe, gets an apostrophe in front.
// Characters that do not print, tabs and line ends among them, are written with the
// escapes of a Go string, and a backslash is always doubled. Both can be undone.
func (r *Report) WriteCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	err := c.Write([]string{
		"uid", "collection_id", "field_id", "collection", "field", "classification", "purpose", "actor", "how",
		"events", "partial", "values", "first", "last", "first_index", "last_index",
	})
	for i := 0; err == nil && i < len(r.Rows); i++ {
		err = c.Write(r.Rows[i].cells())
	}
	c.Flush()
	if err == nil {
		err = c.Error()
	}
	if err != nil {
		return fmt.Errorf("writing a table: %w", err)
	}
	return nil
}

func (r *Row) cells() []string {
	return []string{
		r.UID.String(), number(int64(r.CollectionID)), number(int64(r.FieldID)),
		cell(r.Collection), cell(r.Field), cell(r.Classification), cell(string(r.Purpose)), cell(r.Actor), r.How.String(),
		number(r.Events), number(r.Partial), number(r.Values),
		stamp(r.First), stamp(r.Last), number(r.FirstIndex), number(r.LastIndex),
	}
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// stamp is a time as the log writes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// cell makes text safe in a spreadsheet, so that it can be undone.
func cell(s string) string {
	s = printable(s)
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(s, " "))
	if strings.ContainsRune("=+-@＝＋－＠", first) || strings.HasPrefix(s, "'") {
		return "'" + s
	}
	return s
}

// printable is s with the escapes of a Go string for all that does not print, and
// with backslashes doubled.
func printable(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch r {
		case '"':
			b.WriteByte('"')
		case '\ufffd':
			b.WriteString(replaced(s[i:]))
		default:
			q := strconv.QuoteRune(r)
			b.WriteString(strings.Replace(q[1:len(q)-1], `\'`, `'`, 1))
		}
	}
	return b.String()
}

// replaced is how the first character of s prints, which is U+FFFD or a byte that
// is no UTF-8.
func replaced(s string) string {
	if strings.HasPrefix(s, "\ufffd") {
		return "\ufffd"
	}
	q := strconv.Quote(s[:1])
	return q[1 : len(q)-1]
}
