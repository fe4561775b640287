package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/report"
)

var write = flag.Bool("write-forms", false, "write the expected forms that are missing")

// breach is a report with something of everything.
func breach(t testing.TB) *report.Report {
	t.Helper()
	spoilt := shows(3, view(11, accessctl.Plain, 2))
	unavailable := with(shows(4, view(13, accessctl.Plain, 1)), func(e *audit.Event) { e.UID = uid(2) })
	found := with(shows(5, audit.FieldView{Collection: 1, Field: 11, Count: 1}), func(e *audit.Event) {
		e.Action, e.UID = accessctl.ActionSearch, uid(2)
	})
	self := with(shows(6, view(99, accessctl.Plain, 1)), func(e *audit.Event) {
		e.Actor, e.Purpose = "self:"+uid(1).String(), accessctl.PurposeSelf
	})
	q := query()
	q.MaskedToo, q.Purposes = true, []accessctl.Purpose{"support", "self"}
	b := report.NewBreach(q)
	for i, e := range []*audit.Event{
		shows(1, view(11, accessctl.Plain, 1), view(12, accessctl.Plain, 1), view(13, accessctl.Masked, 1)),
		spoilt, followUp(spoilt, "integrity"), unavailable, followUp(unavailable, "unavailable"), found, self,
		with(shows(7), func(e *audit.Event) { e.Action, e.Actor = accessctl.ActionExport, "local:=cmd|'/c calc'!A1" }),
	} {
		b.See(int64(i), e)
	}
	return b.Report(names{}, &report.Checkpoint{Size: 8, Root: [32]byte{1, 2, 3}, Time: to.Add(time.Minute), Verified: true})
}

// TestForms: the three forms of one report are those in testdata.
func TestForms(t *testing.T) {
	r := breach(t)
	for name, form := range map[string]func(*bytes.Buffer) error{
		"breach.json": func(b *bytes.Buffer) error { return r.WriteJSON(b) },
		"breach.csv":  func(b *bytes.Buffer) error { return r.WriteCSV(b) },
		"breach.md":   func(b *bytes.Buffer) error { return r.WriteDraft(b, to) },
	} {
		var got bytes.Buffer
		if err := form(&got); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name)
		want, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) && *write {
			if want = got.Bytes(); os.WriteFile(path, want, 0o600) != nil {
				t.Fatal("cannot write " + path)
			}
		} else if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// WriteJSON and json.Marshal say the same, and it reads back.
func TestJSONIsTheReport(t *testing.T) {
	for _, r := range []*report.Report{breach(t), reportOf(t, query())} {
		var streamed, marshalled bytes.Buffer
		if err := r.WriteJSON(&streamed); err != nil {
			t.Fatal(err)
		}
		whole, err := json.Marshal(r)
		if err != nil || json.Indent(&marshalled, whole, "", " ") != nil {
			t.Fatal(err)
		}
		var a, b map[string]any
		if json.Unmarshal(streamed.Bytes(), &a) != nil || json.Unmarshal(whole, &b) != nil {
			t.Fatalf("not JSON: %s", streamed.Bytes())
		}
		if diff := cmp.Diff(b, a); diff != "" {
			t.Errorf("(-marshalled +written):\n%s", diff)
		}
		var back report.Report
		if err := json.Unmarshal(streamed.Bytes(), &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r.Rows, back.Rows); diff != "" {
			t.Errorf("rows (-report +read):\n%s", diff)
		}
	}
}

func tableOf(t testing.TB, actor string) [][]string {
	t.Helper()
	b := report.NewBreach(query())
	b.See(0, with(shows(1, view(11, accessctl.Plain, 1)), func(e *audit.Event) { e.Actor = actor }))
	var out bytes.Buffer
	if err := b.Report(names{}, nil).WriteCSV(&out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 2 || strings.Count(out.String(), "\r\n") != n {
		t.Fatalf("%q is not two lines that end in CRLF", out.String())
	}
	table, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(table) != 2 {
		t.Fatalf("%q: %v", table, err)
	}
	return table
}

func TestCellsOfActors(t *testing.T) {
	for actor, want := range map[string]string{
		"https://id.example.org#a": "https://id.example.org#a",
		"=1+1":                     "'=1+1",
		"+1":                       "'+1",
		"-1":                       "'-1",
		"@SUM(A1)":                 "'@SUM(A1)",
		"  =1":                     "'  =1",
		"\t=1":                     `\t=1`,
		"\r\n=1":                   `\r\n=1`,
		"＝1":                       "'＝1",
		"'x":                       "''x",
		`a,"b"`:                    `a,"b"`,
		`a\b`:                      `a\\b`,
		"a\u202eb\x1b[31m":         `a\u202eb\x1b[31m`,
		"Zoë 😀 �":                  "Zoë 😀 �",
	} {
		table := tableOf(t, actor)
		if table[0][7] != "actor" || table[1][7] != want {
			t.Errorf("%q is written %q, want %q", actor, table[1][7], want)
		}
	}
}

// FuzzCellsAreGuarded: no actor begins a formula or breaks a line, and each can be
// read back.
func FuzzCellsAreGuarded(f *testing.F) {
	for _, s := range []string{"=1+1", "'", "a\nb", `\`, "＠x", "\u202e", "\xff", " -1", `"`, "�"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, actor string) {
		got := tableOf(t, actor)[1][7]
		first, _ := utf8.DecodeRuneInString(strings.TrimLeft(got, " \t\r\n"))
		if strings.ContainsRune("=+-@＝＋－＠", first) && got != "" {
			t.Fatalf("%q is written %q", actor, got)
		}
		if strings.ContainsAny(got, "\x00\t\r\n\x1b\u202e\u2028") {
			t.Fatalf("%q is written %q", actor, got)
		}
		bare := strings.TrimPrefix(got, "'")
		back, err := strconv.Unquote(`"` + strings.ReplaceAll(bare, `"`, `\"`) + `"`)
		if err != nil || back != actor {
			t.Fatalf("%q is written %q, which reads %q, %v", actor, got, back, err)
		}
	})
}

func draft(t testing.TB, r *report.Report, aware time.Time) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteDraft(&b, aware); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestDraftSaysWhatItRestsOn: what weakens the figures stands in the draft.
func TestDraftSaysWhatItRestsOn(t *testing.T) {
	b := report.NewBreach(query())
	b.See(0, shows(1, view(11, accessctl.Plain, 1)))
	late, early := to.Add(time.Second), to.Add(-time.Second)
	const (
		none       = "Nothing shows that the log is complete"
		unverified = "The log was not verified"
		verified   = "The log was verified"
		part       = "Not every event of the checkpoint was looked at"
		short      = "The window ends after the checkpoint"
	)
	for _, tc := range []struct {
		made *report.Checkpoint
		want []string
	}{
		{nil, []string{none}},
		{&report.Checkpoint{Size: 1, Time: late, Verified: true}, []string{verified}},
		{&report.Checkpoint{Size: 1, Time: late}, []string{unverified}},
		{&report.Checkpoint{Size: 2, Time: late, Verified: true}, []string{verified, part}},
		{&report.Checkpoint{Size: 1, Time: early, Verified: true}, []string{verified, short}},
	} {
		got := draft(t, b.Report(names{}, tc.made), time.Time{})
		for _, s := range []string{none, unverified, verified, part, short} {
			wanted := strings.Contains(strings.Join(tc.want, "\n"), s)
			if strings.Contains(got, s) != wanted {
				t.Errorf("%+v: %q: %v, want %v", tc.made, s, !wanted, wanted)
			}
		}
	}
}

func TestDraftDeadline(t *testing.T) {
	r := breach(t)
	aware := time.Date(2026, 12, 30, 23, 30, 0, 0, time.FixedZone("", 3600))
	if got := draft(t, r, aware); !strings.Contains(got, "**2027-01-02 22:30:00 UTC** (72 hours later)") {
		t.Errorf("no deadline in %s", got)
	}
	if got := draft(t, r, time.Time{}); strings.Contains(got, "(72 hours later)") || !strings.Contains(got, "TO FILL IN: when;") {
		t.Errorf("a deadline from nothing in %s", got)
	}
}

// The question of Art. 34(1) is always asked, and pressed if the data are special.
func TestDraftAsksAboutArticle34(t *testing.T) {
	const special, unknown = "Special categories of data are among", "special categories (Art. 9) cannot be ruled out"
	for _, tc := range []struct {
		field uint32
		want  string
	}{{11, ""}, {12, special}, {99, unknown}} {
		got := draft(t, reportOf(t, query(), shows(1, view(tc.field, accessctl.Plain, 1))), to)
		for _, s := range []string{special, unknown} {
			if strings.Contains(got, s) != (s == tc.want) {
				t.Errorf("field %d: %q", tc.field, s)
			}
		}
		if !strings.Contains(got, "TO FILL IN: is a high risk") {
			t.Errorf("field %d: the question is not asked", tc.field)
		}
	}
}

// TestDraftEscapes: text from outside makes no markup, and no person is named.
func TestDraftEscapes(t *testing.T) {
	evil := "a|b`c`<script>[x](http://e)\n\n# (d) Measures\n**[TO FILL IN]** @all & \u202e\\"
	r := reportOf(t, query(), with(shows(1, view(11, accessctl.Plain, 1)), func(e *audit.Event) { e.Actor = evil }))
	got := draft(t, r, to)
	want := `a\|b\` + "`" + `c\` + "`" + `&lt;script\>\[x\]\(http&#58;//e\)\\n\\n\# \(d\) Measures\\n\*\*\[TO FILL IN\]\*\* &#64;all &amp; \\u202e\\\\`
	if !strings.Contains(got, "| "+want+" |") {
		t.Errorf("no %s in %s", want, got)
	}
	if strings.Contains(got, uid(1).String()) {
		t.Error("the draft names a person")
	}
}

// A draft lists no more than twenty actors, and says that there are more.
func TestDraftListsTheFirstActors(t *testing.T) {
	b := report.NewBreach(query())
	for i := range 25 {
		actor := "iss#agent" + strconv.Itoa(100+i)
		for p := range 1 + i { // the last ones saw most
			b.See(int64(100*i+p), with(shows(1, view(11, accessctl.Plain, 1)), func(e *audit.Event) { e.Actor, e.UID = actor, uid(p) }))
		}
	}
	got := draft(t, b.Report(names{}, nil), to)
	if strings.Count(got, "| iss") != 20 || !strings.Contains(got, "| and 5 more |") || !strings.Contains(got, "agent124 | 25 ") || strings.Contains(got, "agent104") {
		t.Errorf("%s", got)
	}
}

type broken struct{ after int }

var errBroken = errors.New("disk full")

func (b *broken) Write(p []byte) (int, error) {
	if b.after -= len(p); b.after < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestWritersReportErrors(t *testing.T) {
	r := breach(t)
	for name, form := range map[string]func(*broken) error{
		"json":  func(w *broken) error { return r.WriteJSON(w) },
		"csv":   func(w *broken) error { return r.WriteCSV(w) },
		"draft": func(w *broken) error { return r.WriteDraft(w, to) },
	} {
		if err := form(&broken{after: 10}); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
