package importer

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxLine is the most bytes of one line of JSON Lines.
const maxLine = 1 << 20

// CSV reads comma-separated values (RFC 4180) whose first row names the columns.
func CSV(r io.Reader) (Rows, error) {
	c := csv.NewReader(skipBOM(r))
	c.ReuseRecord = true
	head, err := c.Read()
	if err != nil {
		return nil, fmt.Errorf("reading the first row, which names the columns: %w", err)
	}
	names := make([]string, len(head))
	seen := map[string]bool{}
	for i, n := range head {
		if seen[n] {
			return nil, errors.New("two columns have the same name")
		}
		names[i], seen[n] = n, true
	}
	return &csvRows{r: c, names: names}, nil
}

func skipBOM(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	if head, err := b.Peek(3); err == nil && bytes.Equal(head, []byte("\ufeff")) {
		_, _ = b.Discard(3)
	}
	return b
}

type csvRows struct {
	r     *csv.Reader
	names []string
}

// Next reads a row.
func (c *csvRows) Next() (Row, error) {
	rec, err := c.r.Read()
	if errors.Is(err, io.EOF) {
		return Row{}, io.EOF
	}
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		return Row{}, &RowError{Line: bad.StartLine, Problem: "is not valid CSV, or has another number of columns"}
	}
	if err != nil {
		return Row{}, err
	}
	line, _ := c.r.FieldPos(0)
	row := Row{Line: line, Columns: make(map[string]string, len(rec))}
	for i, v := range rec {
		if !utf8.ValidString(v) {
			return Row{}, &RowError{Line: line, Problem: "is not UTF-8"}
		}
		row.Columns[c.names[i]] = v
	}
	return row, nil
}

// JSONLines reads one JSON object a line; its members are the columns. Numbers
// and booleans become their text, objects and arrays their JSON, null nothing.
func JSONLines(r io.Reader) Rows {
	s := bufio.NewScanner(skipBOM(r))
	s.Buffer(make([]byte, 0, 64<<10), maxLine)
	return &jsonRows{s: s}
}

type jsonRows struct {
	s    *bufio.Scanner
	line int
}

// Next reads a row; empty lines are passed over.
func (j *jsonRows) Next() (Row, error) {
	for j.s.Scan() {
		j.line++
		text := bytes.TrimSpace(j.s.Bytes())
		if len(text) == 0 {
			continue
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(text, &members); err != nil {
			return Row{}, &RowError{Line: j.line, Problem: "is not a JSON object"}
		}
		row := Row{Line: j.line, Columns: make(map[string]string, len(members))}
		for name, raw := range members {
			row.Columns[name] = column(raw)
		}
		return row, nil
	}
	if err := j.s.Err(); err != nil {
		return Row{}, fmt.Errorf("after line %d: %w", j.line, err)
	}
	return Row{}, io.EOF
}

func column(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		if string(raw) == "null" {
			return ""
		}
		return s
	}
	return string(raw)
}
