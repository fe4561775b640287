//go:build e2e

package e2e_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
)

// tableCases are about statistics and tables of many people.
func tableCases() []testCase {
	return []testCase{
		{"M01_a_table_over_http_and_the_next_in_the_shell", tableOnce, false},
	}
}

// An analyst gets one table, in which nobody stands alone and nobody who withdrew; roles
// without the action get none, and neither does the shell before its time.
func tableOnce(t *testing.T, w *world) {
	const people = 14
	for i := range people {
		subject, email := fmt.Sprint("m01-", i), fmt.Sprintf("m01-%d-canary@example.org", i)
		w.plant(email)
		w.put(t, subject, fields{"email": email, "country": []string{"Chile", "Norway"}[i%2], "city": "canary town " + strconv.Itoa(i)})
		w.decide(t, subject, "analytics", "granted").want(t, "granting", "200")
	}
	w.decide(t, "m01-12", "analytics", "withdrawn").want(t, "withdrawing", "200")
	w.erase(t, "m01-13").want(t, "erasing", "200")
	ask := call{token: w.token(t, "analyst"), purpose: "analytics", method: "POST", path: "/v1/releases", body: fields{"collection": "customer"}}
	for role, purpose := range map[string]string{"support": "support", "app": "analytics", "operator": "analytics", "dpo": "analytics"} {
		other := ask
		other.token, other.purpose = w.token(t, role), purpose
		w.do(t, other).want(t, role, "403 denied")
	}
	looser := ask
	looser.body = fields{"collection": "customer", "k": 2}
	w.do(t, looser).want(t, "a looser one", "400 invalid")
	strict := ask
	strict.body = fields{"collection": "customer", "k": 1000}
	if a := w.do(t, strict).want(t, "one of a thousand", "422 unmet"); !strings.Contains(string(a.body), "fewer than k = 1000") {
		t.Errorf("the refusal: %s", a.body)
	}
	w.keepsFiles(t)
	var out struct {
		Report struct{ People, Suppressed, K int }
		Table  []byte
	}
	a := w.do(t, ask).want(t, "the table", "200")
	a.decode(t, &out)
	rows, err := csv.NewReader(strings.NewReader(string(out.Table))).ReadAll()
	must(t, err)
	classes, ours := map[string]int{}, 0
	for _, row := range rows[1:] {
		classes[strings.Join(row, "/")]++
		if row[0] == "Chile" || row[0] == "Norway" {
			ours++ // other cases have people elsewhere
		}
	}
	for class, n := range classes {
		if n < 5 || n < out.Report.K {
			t.Errorf("%d people are %s, of %+v", n, class, out.Report)
		}
	}
	if ours != people-2 || len(rows)-1 != out.Report.People-out.Report.Suppressed || strings.Contains(string(out.Table), "canary") {
		t.Errorf("%+v:\n%s", out.Report, out.Table)
	}
	w.do(t, ask).want(t, "a second table", "409 conflict")
	path := filepath.Join(t.TempDir(), "table.csv")
	args := []string{"customer", "--purpose", "analytics", "--config", w.config("node")}
	code, said, wrong := processtest.Build(t).Try(t, nil, append([]string{"release", "-o", path}, args...)...)
	if _, err := os.Stat(path); code != 1 || !strings.Contains(wrong, "the next may be made from") || !os.IsNotExist(err) {
		t.Errorf("a second table in the shell: %d, %s%s, %v", code, said, wrong, err)
	}
	code, said, wrong = processtest.Build(t).Try(t, nil, append([]string{"aggregate", "--group-by", "country", "--epsilon", "0.5"}, args...)...)
	if code != 0 || !strings.Contains(said, "Norway") {
		t.Errorf("a statistic in the shell: %d, %s%s", code, said, wrong)
	}
}

// keepsFiles: the shell replaces nothing, and takes no turn for what it could not write.
func (w *world) keepsFiles(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	file, link := filepath.Join(folder, "kept.csv"), filepath.Join(folder, "link.csv")
	must(t, os.WriteFile(file, []byte("kept"), 0o600))
	must(t, os.Symlink(filepath.Join(folder, "nowhere"), link))
	must(t, os.Mkdir(filepath.Join(folder, "folder.csv"), 0o700))
	for _, path := range []string{file, link, filepath.Join(folder, "folder.csv")} {
		code, said, wrong := processtest.Build(t).Try(t, nil, "release", "customer", "-o", path, "--purpose", "analytics", "--config", w.config("node"))
		if code != 1 || !strings.Contains(wrong, "nothing was released") {
			t.Errorf("%s is there: %d, %s%s", path, code, said, wrong)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "kept" {
		t.Errorf("the file is %q, %v", b, err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 3 {
		t.Errorf("what is left: %v, %v", entries, err)
	}
}
