package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/vault/processing"
)

func newRecord(w world) *cobra.Command {
	return group("record", "Write what the law wants in writing, from what is enforced, and check it",
		recordVerb(w, &cobra.Command{
			Use:   "article30",
			Short: "Write the record of processing activities (GDPR Art. 30), or check a copy",
			Long: `Writes the record of processing activities from the catalog and the policy: the
purposes, whose data and which, recipients, time limits, who sees what and how,
the measures, and what the law wants and nobody states. It reads the files, or
with --store or --url what is in force; --config adds what is known of the
installation. The same input gives the same text, so that it can be committed.

With --check FILE it writes nothing and compares. Exit code 1: FILE is not what
is enforced; the lines that differ are named. FILE is best checked beside the
tests of the policy, so that no change of either goes unseen.`,
			Example: `  fieldvault record article30 --catalog catalog.yaml --policy policy.cedar -o record.md
  fieldvault record article30 --catalog catalog.yaml --policy policy.cedar --check record.md`,
		}, func(in processing.Input) document { return processing.Article30(in) }),
		recordVerb(w, &cobra.Command{
			Use:   "assessment",
			Short: "Draft the impact assessment (GDPR Art. 35), or check a copy",
			Long: `Drafts the data protection impact assessment from the catalog and the policy:
which purposes likely need one and why, the nine criteria of WP 248 rev.01, what
bears on necessity, the rights of people, risks and measures. What people must
judge is marked TO FILL IN: fill it in in a copy of your own. Files, --store,
--url, --config and --check are as with fieldvault record article30.`,
			Example: `  fieldvault record assessment --catalog catalog.yaml --policy policy.cedar -o assessment.md
  fieldvault record assessment --store --config serve.yaml --check assessment.md`,
		}, func(in processing.Input) document { return processing.Assess(in) }))
}

// A document is what is written, in its two forms.
type document interface {
	Markdown() []byte
	JSON() ([]byte, error)
}

// recordOptions are the flags of the verbs of record.
type recordOptions struct {
	recordFrom
	format, out, check, date string
	today                    time.Time
}

func recordVerb(w world, c *cobra.Command, write func(processing.Input) document) *cobra.Command {
	var o recordOptions
	c.Args = cobra.NoArgs
	o.flags(c)
	f := c.Flags()
	f.StringVar(&o.format, "format", "", "markdown or json (default: by the file's name, else markdown)")
	f.StringVarP(&o.out, "out", "o", "", "file to write (default: standard output)")
	f.StringVar(&o.check, "check", "", "file to compare instead of writing")
	f.StringVar(&o.date, "date", "", "date to write, as 2026-11-26, with which review dates are compared (default: none)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := o.settle(c); err != nil {
			return err
		}
		in, err := o.read(c, w)
		if err != nil {
			return err
		}
		in.Today = o.today
		d := write(in)
		text := d.Markdown()
		if o.format == "json" {
			if text, err = d.JSON(); err != nil {
				return err
			}
		}
		return o.deliver(c, text)
	}
	return c
}

// settle checks the flags and fills in what they leave open.
func (o *recordOptions) settle(c *cobra.Command) (err error) {
	if o.out != "" && o.check != "" {
		return wrongUsage("give -o to write a file or --check to compare one, not both")
	}
	if o.format == "" {
		o.format = "markdown"
		if file := o.out + o.check; filepath.Ext(file) == ".json" || file == "" && asJSON(c) {
			o.format = "json"
		}
	}
	if o.format != "markdown" && o.format != "json" {
		return wrongUsage("--format is markdown or json")
	}
	if o.date != "" {
		if o.today, err = time.Parse(time.DateOnly, o.date); err != nil {
			return wrongUsage("--date is no date; write it as 2026-11-26")
		}
	}
	return o.recordFrom.check(c)
}

// deliver prints the text, writes it, or compares it.
func (o *recordOptions) deliver(c *cobra.Command, text []byte) error {
	switch {
	case o.check != "":
		return o.compare(c, text)
	case o.out == "":
		_, err := c.OutOrStdout().Write(text)
		return err
	}
	if err := os.WriteFile(o.out, text, 0o644); err != nil { //nolint:gosec // a document for everybody, with no person in it
		return fmt.Errorf("writing the file: %w", err)
	}
	return answer(c, map[string]any{"file": o.out}, "Written: "+o.out)
}

// compare says whether a copy is what is enforced.
func (o *recordOptions) compare(c *cobra.Command, text []byte) error {
	copied, err := os.ReadFile(o.check)
	if err != nil {
		return fmt.Errorf("reading the copy: %w", err)
	}
	diffs := processing.Compare(copied, text)
	words := o.check + " is what is enforced."
	if len(diffs) > 0 {
		words = differenceWords(o.check, diffs)
	}
	if err := answer(c, map[string]any{"file": o.check, "same": len(diffs) == 0, "differences": diffs}, words); err != nil {
		return err
	}
	if len(diffs) > 0 {
		return withHint(errors.New(o.check+" is not what is enforced"),
			"correct the catalog or the policy if the change was not meant; else make the file anew with -o in place of --check, and look at what changed")
	}
	return nil
}

// Bounds of what is shown of differences, for people.
const (
	maxDifferences = 10  // places
	maxLines       = 5   // of one place, each way
	maxExcerpt     = 160 // bytes of a line
)

// differenceWords names the first lines that differ.
func differenceWords(file string, diffs []processing.Difference) string {
	var b strings.Builder
	for i, d := range diffs {
		if i == maxDifferences {
			fmt.Fprintf(&b, "... and %d more places\n", len(diffs)-i)
			break
		}
		fmt.Fprintf(&b, "%s, line %d:\n", file, d.Line)
		excerpts(&b, "the copy says:", d.Says, d.Now)
		excerpts(&b, "enforced is:", d.Now, d.Says)
	}
	return strings.TrimRight(b.String(), "\n")
}

// excerpts writes lines of one side, each from shortly before where it differs from its
// like on the other.
func excerpts(b *strings.Builder, what string, lines, others []string) {
	if len(lines) == 0 {
		fmt.Fprintf(b, "  %-14s (nothing)\n", what)
	}
	for i, line := range lines {
		if i == maxLines {
			fmt.Fprintf(b, "  %-14s ... and %d more lines\n", "", len(lines)-i)
			return
		}
		other := ""
		if i < len(others) {
			other = others[i]
		}
		fmt.Fprintf(b, "  %-14s %s\n", what, excerpt(line, other))
		what = ""
	}
}

func excerpt(line, other string) string {
	same := 0
	for same < len(line) && same < len(other) && line[same] == other[same] {
		same++
	}
	before, after := "", ""
	if from := same - maxExcerpt/2; len(line) > maxExcerpt && from > 0 {
		before, line = "...", line[from:]
	}
	if len(line) > maxExcerpt {
		after, line = "...", line[:maxExcerpt]
	}
	return before + strings.Map(func(r rune) rune { // nothing that a terminal would obey
		if r == utf8.RuneError || !unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, line) + after
}
