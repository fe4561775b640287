package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// WriteJSON writes the report as JSON with a line end: the same members as
// json.Marshal gives, each row on a line of its own. It writes as it goes, so that
// millions of rows are no burden. The error is w's.
func (r *Report) WriteJSON(w io.Writer) error {
	out := bufio.NewWriter(w)
	type report Report // without its methods
	head, err := json.Marshal(struct {
		*report
		Rows        []Row `json:"rows,omitempty"` // these hide the report's own
		NotReleased []Row `json:"not_released,omitempty"`
	}{report: (*report)(r)})
	if err == nil {
		_, err = out.Write(head[:len(head)-1]) // less the closing brace
	}
	if err == nil {
		err = writeRows(out, "rows", r.Rows)
	}
	if err == nil {
		err = writeRows(out, "not_released", r.NotReleased)
	}
	if err == nil {
		_, err = out.WriteString("\n}\n")
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("writing a report: %w", err)
	}
	return nil
}

// writeRows writes a member that is a list of rows.
func writeRows(out *bufio.Writer, member string, rows []Row) error {
	if _, err := fmt.Fprintf(out, ",\n%q: [", member); err != nil {
		return err
	}
	for i := range rows {
		text, err := json.Marshal(&rows[i])
		if err != nil {
			return err
		}
		separator := ",\n"
		if i == 0 {
			separator = "\n"
		}
		if _, err := out.WriteString(separator); err != nil {
			return err
		}
		if _, err := out.Write(text); err != nil {
			return err
		}
	}
	_, err := out.WriteString("]")
	return err
}
