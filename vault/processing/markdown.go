package processing

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/fieldvault/fieldvault/accessctl"
)

// A page is Markdown in the making. Text of a catalog or a policy must pass through
// escaped first; names of fields and purposes go in as code.
type page struct{ bytes.Buffer }

// heading stands between two blank lines.
func (p *page) heading(level int, format string, args ...any) {
	for bytes.HasSuffix(p.Bytes(), []byte("\n\n")) {
		p.Truncate(p.Len() - 1)
	}
	fmt.Fprintf(p, "\n"+strings.Repeat("#", level)+" "+format+"\n\n", args...)
}

func (p *page) say(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *page) item(format string, args ...any) { fmt.Fprintf(p, "- "+format+"\n", args...) }

// row writes a row of a table.
func (p *page) row(cells ...string) { p.WriteString("| " + strings.Join(cells, " | ") + " |\n") }

// head writes the head of a table.
func (p *page) head(titles ...string) {
	p.row(titles...)
	p.WriteString(strings.Repeat("|---", len(titles)) + "|\n")
}

func toFillIn(what string) string { return "**[TO FILL IN: " + what + "]**" }

// filled is text of people, or a place for it.
func filled(text, what string) string {
	if text == "" {
		return toFillIn(what)
	}
	return escaped(text)
}

// escaped is text from outside as Markdown that shows just this text, on one line.
func escaped(s string) string {
	var b strings.Builder
	for _, r := range strings.Join(strings.Fields(s), " ") {
		switch {
		case !unicode.IsGraphic(r):
		case r == '<':
			b.WriteString("&lt;")
		case r == '&':
			b.WriteString("&amp;")
		case strings.ContainsRune("\\`*_[]|#~", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// codes lists names of the catalog, or a dash.
func codes(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return "`" + strings.Join(names, "`, `") + "`"
}

// listed lists text from outside, or a dash.
func listed(texts []string) string {
	if len(texts) == 0 {
		return "-"
	}
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = escaped(t)
	}
	return strings.Join(out, ", ")
}

// who names callers: a role, two, or every caller.
func who(roles []string) string {
	if len(roles) == 0 {
		return "*"
	}
	return strings.Join(roles, " + ")
}

// callers is who for people.
func callers(roles []string) string {
	switch {
	case len(roles) == 0:
		return "every caller"
	case len(roles) == 1 && roles[0] == string(accessctl.RoleSubject):
		return "subject (own data only)"
	}
	return escaped(strings.Join(roles, " and "))
}

// days in words; 0: no limit.
func days(n int) string {
	switch n {
	case 0:
		return "no limit"
	case 1:
		return "1 day"
	}
	return strconv.Itoa(n) + " days"
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// measures writes a table of measures.
func (p *page) measures(list []Measure) {
	p.head("Topic", "Measure", "Known from")
	for _, m := range list {
		p.row(m.Topic, m.Text, map[string]string{FromSoftware: "the software", FromCatalog: "the catalog", FromFacts: "the configuration"}[m.From])
	}
}

// open writes the open items.
func (p *page) open(list []*OpenItem) {
	if len(list) == 0 {
		p.say("None.")
		return
	}
	p.head("Where", "Law", "What is not stated")
	for _, o := range list {
		p.row("`"+o.Place+"`", o.Law, escaped(o.Text))
	}
}

// controller writes who answers for the processing.
func (p *page) controller(c Controller, when string) {
	p.item("Name: %s", filled(c.Name, "name of the controller"))
	p.item("Contact: %s", filled(c.Contact, "contact of the controller"))
	if when != "" {
		p.item("Date: %s", when)
	}
}
