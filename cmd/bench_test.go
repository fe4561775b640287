package cmd_test

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheBaselineNamesBenchmarksThatExist: those of `make bench`, by package.
func TestTheBaselineNamesBenchmarksThatExist(t *testing.T) {
	f, err := os.Open("../deploy/ci/bench.baseline.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	have, seen := map[string]bool{}, 0
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if pkg, ok := strings.CutPrefix(lines.Text(), "pkg: "); ok {
			have = benchmarksOf(t, pkg)
			continue
		}
		name := regexp.MustCompile(`^Benchmark[^/\s-]*`).FindString(lines.Text())
		if name == "" {
			continue
		}
		if seen++; !have[name] {
			t.Errorf("%s is in the baseline and not in the code: run make bench BASELINE=1", name)
		}
	}
	if err := lines.Err(); err != nil || seen == 0 {
		t.Errorf("%d results in the baseline: %v", seen, err)
	}
}

// benchmarksOf are the benchmarks that a package's test files declare.
func benchmarksOf(t *testing.T, pkg string) map[string]bool {
	t.Helper()
	dir := strings.TrimPrefix(pkg, "github.com/fieldvault/fieldvault")
	files, err := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, path := range files {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Benchmark") {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

// comparison is what benchstat writes of two runs.
const comparison = `goos: linux
pkg: github.com/fieldvault/fieldvault/audit
,baseline,,now,,,
,sec/op,CI,sec/op,CI,vs base,P
Same,1e-06,1%,1.1e-06,1%,~,p=0.4 n=6
Little,1e-06,1%,1.1e-06,1%,+10.00%,p=0.002 n=6
Slower,1e-06,1%,1.5e-06,2%,+50.00%,p=0.002 n=6
Unsure,1e-06,40%,1.5e-06,30%,+50.00%,p=0.041 n=6
Faster,2e-06,1%,1e-06,1%,-50.00%,p=0.002 n=6
New,,,1e-06,1%
Gone,1e-06,1%
geomean,1e-06,,1e-06,,+0.00%,

,baseline,,now,,,
,allocs/op,CI,allocs/op,CI,vs base,P
Same,2,0%,2,0%,~,p=1.000 n=6
Little,1000,0%,1001,0%,+0.10%,p=0.002 n=6
Slower,0,0%,3,0%,?,p=0.002 n=6
Faster,4,0%,2,0%,-50.00%,p=0.002 n=6
geomean,1,,1,,+0.00%,

pkg: github.com/fieldvault/fieldvault/vault/pgstore
,now,
,sec/op,CI
Beside,2e-03,1%

pkg: github.com/fieldvault/fieldvault/vault/api
,baseline,
,sec/op,CI
Elsewhere,2e-03,1%
`

func TestBenchSaysWhatGotSlower(t *testing.T) {
	for name, c := range map[string]struct {
		in, is string
		want   []string
		not    []string
	}{
		"a row":   {comparison, "cpu: x", []string{"slower   audit Slower", "+50 %", "allocs   audit Slower", "allocs   audit Faster", "new      audit New", "gone     audit Gone", "new      vault/pgstore Beside", "2 ms"}, []string{"Elsewhere", "Same", "Little", "Unsure", "slower   audit Faster"}},
		"nothing": {"pkg: github.com/fieldvault/fieldvault/audit\n,baseline,,now,,,\n,sec/op,CI,sec/op,CI,vs base,P\nSame,1e-06,1%,1.1e-06,1%,~,p=0.4 n=6\n", "cpu: x", []string{"bench: nothing got slower\n"}, []string{"Same", "allocations", "both"}},
		"a busy machine": {
			"pkg: github.com/fieldvault/fieldvault/audit\n,baseline,,now,,,\n,sec/op,CI,sec/op,CI,vs base,P\n" + strings.Repeat("Row,1e-06,1%,1.5e-06,1%,+50.00%,p=0.002 n=6\n", 20) + "Worse,1e-06,1%,2.5e-06,1%,+150.00%,p=0.002 n=6\n",
			"cpu: x",
			[]string{"1.50 times", "slower   audit Worse"},
			[]string{"audit Row"},
		},
		"another machine": {comparison, "cpu: y", []string{"another machine (cpu: x)", "not compared", "allocs   audit Slower"}, []string{"slower   audit"}},
	} {
		cmd := exec.Command("awk", "-F", ",", "-v", "limit=20", "-v", "was=cpu: x", "-v", "is="+c.is, "-f", "../deploy/ci/bench.awk")
		cmd.Stdin = strings.NewReader(c.in)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		for _, w := range c.want {
			if !strings.Contains(string(out), w) {
				t.Errorf("%s: %q is missing in\n%s", name, w, out)
			}
		}
		for _, n := range c.not {
			if strings.Contains(string(out), n) {
				t.Errorf("%s: %q is in\n%s", name, n, out)
			}
		}
	}
}
