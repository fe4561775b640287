package report

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// A page is Markdown in the making. What goes in through say, item and row is
// Markdown; whatever came from outside must pass through escaped first.
type page struct{ bytes.Buffer }

func (p *page) heading(level int, text string) {
	fmt.Fprintf(p, "\n%s %s\n\n", strings.Repeat("#", level), text)
}

func (p *page) say(format string, args ...any) { fmt.Fprintf(p, format+"\n\n", args...) }

func (p *page) item(format string, args ...any) { fmt.Fprintf(p, "- "+format+"\n", args...) }

// blank is a place for a person to fill in.
func (p *page) blank(what string) { p.item("%s", toFillIn(what)) }

func toFillIn(what string) string { return "**[TO FILL IN: " + what + "]**" }

// row writes a row of a table.
func (p *page) row(cells ...any) {
	for _, c := range cells {
		fmt.Fprintf(p, "| %v ", c)
	}
	p.WriteString("|\n")
}

// head writes the head of a table.
func (p *page) head(titles ...any) {
	p.row(titles...)
	p.WriteString(strings.Repeat("|---", len(titles)) + "|\n")
}

// escaped is text from outside as Markdown that shows just this text, on one line.
func escaped(s string) string {
	var b strings.Builder
	for _, r := range printable(s) {
		switch {
		case r == '<':
			b.WriteString("&lt;")
		case r == '&':
			b.WriteString("&amp;")
		case r == '@' || r == ':':
			fmt.Fprintf(&b, "&#%d;", r) // no link is made of it
		case r < 0x80 && strings.ContainsRune("\\`*_{}[]()#+-.!|>~=\"'$^", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// moment is a time for people.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// number of things: "1 person", "2 people".
func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
