package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // what a DBA does to the file

	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault/storetest"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// TestMain makes the program a command of the scripts: this binary, run again.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"fieldvault": main})
}

// TestScripts runs the program as people do. Each script starts in a folder with
// the sample's files, an address that is taken ($TAKEN), and settings for an
// embedded installation that does not exist yet.
//
// Besides the usual commands there are
//
//	exits N command [args]   it must exit with code N, whose stderr says what to do unless N is 0
//	embedded                 makes the installation, with the sample's catalog and policy
//	members file name...     the file, or stdout, is one JSON object with exactly these members
//	sql statement            changes the SQLite file behind the program's back
//	mode file octal          the file has this mode
//
// Scripts of many processes run where the condition [thorough] holds: with
// -tags e2e, as in `make test`.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		WorkdirRoot:         vaulttest.Folder(t),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUpScript,
		Condition: func(name string) (bool, error) {
			if name != "thorough" {
				return false, fmt.Errorf("there is no condition %q", name)
			}
			return storetest.Thorough(), nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "embedded": embedded, "members": members, "sql": execSQL, "mode": mode,
		},
	})
}

func setUpScript(e *testscript.Env) error {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	e.Defer(func() { _ = taken.Close() })
	e.Setenv("TAKEN", taken.Addr().String())
	e.Setenv("FIELDVAULT_STORE_URL", "sqlite:"+filepath.Join(e.WorkDir, "vault.db"))
	e.Setenv("FIELDVAULT_KEK_LOCAL_FILE", filepath.Join(e.WorkDir, "kek.json"))
	e.Setenv("FIELDVAULT_KEK_LOCAL_ALLOW_CLEAR", "true")
	e.Setenv("FIELDVAULT_LEDGER_FILE", filepath.Join(e.WorkDir, "ledger"))
	return fs.WalkDir(sample.Files(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(sample.Files(), path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(e.WorkDir, path), b, 0o600)
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N command [args]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	if want != 0 && !strings.Contains(ts.ReadFile("stderr"), "What to do: ") {
		ts.Fatalf("standard error does not say what to do")
	}
}

func embedded(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: embedded")
	}
	for _, verb := range []string{"migrate", "tenant create default", "catalog apply catalog.yaml", "policy apply policy.cedar"} {
		ts.Check(ts.Exec("fieldvault", strings.Fields(verb)...))
	}
}

func members(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: members file name...")
	}
	text := ts.ReadFile(args[0])
	if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		ts.Fatalf("%s is not one line", args[0])
	}
	var object map[string]json.RawMessage
	ts.Check(json.Unmarshal([]byte(text), &object))
	want := slices.Clone(args[1:])
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(object))); diff != "" {
		ts.Fatalf("members (-want +got):\n%s", diff)
	}
}

func execSQL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sql statement")
	}
	db, err := sql.Open("sqlite", ts.MkAbs("vault.db"))
	ts.Check(err)
	defer func() { ts.Check(db.Close()) }()
	r, err := db.Exec(args[0])
	ts.Check(err)
	if n, err := r.RowsAffected(); strings.HasPrefix(args[0], "UPDATE") && (err != nil || n == 0) {
		ts.Fatalf("%d rows changed (%v)", n, err)
	}
}

func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode file octal")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}
