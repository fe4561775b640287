package cmd_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/fieldvault/fieldvault/"

// layers says which packages of this module each package may import. A package
// may import only what stands above it, so the list is also the order in which
// to read the code. A name that ends in /* stands for all packages below it.
//
// Do not loosen a line to make a build pass: move the code instead, or say in
// the change why the design has changed.
const layers = `
vault/pacetest:
crypto/secret:
crypto/field:                 crypto/secret
crypto/keyring:               crypto/field crypto/secret
crypto/transit:
crypto/transit/transittest:   crypto/transit vault/pacetest
crypto/transit/transittest/build: crypto/transit/transittest
crypto/localkek:
crypto/cryptotest:            crypto/keyring
crypto/fpe:
accessctl:
accessctl/consent:            accessctl
accessctl/jwtauth:            accessctl
accessctl/oidcauth:           accessctl accessctl/jwtauth
accessctl/oidcauth/oidctest:
audit:                        accessctl
audit/tree:                   audit
audit/evidence:               audit audit/tree accessctl accessctl/consent
audit/report:                 accessctl audit
audit/watch:                  accessctl audit
audit/tiledir:                audit/tree
audit/trail:                  audit audit/tree
vault/release:
vault/release/parquetfile:
vault/catalog:                crypto/fpe crypto/secret vault/release
vault/token:                  crypto/fpe crypto/secret
vault/freetext:               vault/catalog
vault/processing:             accessctl vault/catalog
vault/api:
vault/client:                 vault/api
vault/jobs:
vault/notify:
vault/failpoint:
vault/ledger:                 vault/failpoint
vault/ledger/ledgertest:      vault/ledger
vault/erasure:                audit audit/evidence accessctl
vault/rights:
vault/rights/bundle:          audit/evidence vault/rights
vault/aggregate/noise:
vault/aggregate:              vault/aggregate/noise
vault:                        accessctl accessctl/consent audit audit/evidence audit/report audit/trail audit/tree audit/watch crypto/field crypto/keyring crypto/secret vault/aggregate vault/catalog vault/erasure vault/failpoint vault/freetext vault/ledger vault/release vault/release/parquetfile vault/rights vault/rights/bundle vault/token
vault/keyrow:                 vault
vault/pgstore:                vault vault/keyrow vault/failpoint vault/ledger accessctl accessctl/consent audit audit/trail audit/tree crypto/field crypto/keyring vault/catalog
vault/sqlitestore:            vault vault/keyrow accessctl accessctl/consent audit audit/trail audit/tree crypto/field crypto/keyring vault/catalog
vault/storetest:              vault vault/pacetest accessctl accessctl/consent audit audit/trail audit/tree crypto/field crypto/keyring vault/catalog
vault/throttle:
vault/httpapi:                vault vault/throttle vault/api vault/catalog vault/rights accessctl accessctl/consent audit audit/report crypto/secret
vault/portal/chart:
vault/portal/page:             vault/portal/chart
vault/portal/guard:
vault/portal:                 vault vault/throttle vault/catalog vault/rights vault/portal/guard vault/portal/page accessctl accessctl/consent accessctl/oidcauth audit/report
vault/portal/console:         vault vault/throttle vault/catalog vault/rights vault/portal/guard vault/portal/page accessctl accessctl/oidcauth audit audit/report crypto/secret
deploy/sample:
vault/vaulttest:              vault audit audit/trail vault/erasure vault/ledger accessctl vault/catalog vault/sqlitestore crypto/keyring crypto/cryptotest deploy/sample
cmd/fieldvault:               *
cmd/fieldvault/*:             *
`

// only says which packages may import a package from outside this module, or one
// below it; of several lines that fit, the longest name counts.
const only = `
net/http:                            vault/httpapi vault/portal vault/portal/guard vault/portal/console vault/client vault/notify accessctl/jwtauth accessctl/oidcauth accessctl/oidcauth/oidctest crypto/transit crypto/transit/transittest cmd/fieldvault
database/sql:                        vault/sqlitestore
database/sql/driver:                 vault/sqlitestore crypto/secret
os/exec:                             vault/storetest crypto/transit/transittest cmd/fieldvault
modernc.org/sqlite:                  vault/sqlitestore
github.com/jackc/pgx/v5:             vault/pgstore vault/storetest cmd/fieldvault/bench
github.com/pressly/goose/v3:         vault/pgstore vault/sqlitestore
github.com/go-chi/chi/v5:            vault/httpapi vault/portal vault/portal/console
github.com/danielgtaylor/huma/v2:    vault/httpapi
github.com/golang-jwt/jwt/v5:        accessctl/jwtauth
github.com/MicahParks:               accessctl/jwtauth
github.com/coreos/go-oidc/v3:        accessctl/oidcauth
golang.org/x/oauth2:                 accessctl/oidcauth
github.com/cedar-policy/cedar-go:    accessctl
github.com/hashicorp/vault/api:      crypto/transit crypto/transit/transittest cmd/fieldvault
github.com/tink-crypto/tink-go/v2:   crypto/field crypto/keyring crypto/transit crypto/localkek crypto/cryptotest cmd/fieldvault/bench
github.com/nyaruka/phonenumbers:     vault/catalog vault/freetext
github.com/gowebpki/jcs:             audit/evidence
github.com/piprate/json-gold:
github.com/parquet-go/parquet-go:    vault/release/parquetfile
github.com/spf13/cobra:              cmd/fieldvault
github.com/chromedp:
github.com/knadh/koanf:              cmd/fieldvault
github.com/jedib0t/go-pretty/v6:     cmd/fieldvault
golang.org/x/mod:                    audit/tree cmd/fieldvault
math/rand:                           cmd/fieldvault/bench
unsafe:                              crypto/secret
`

// exposes lists the packages, and single files, that may call Expose, the one exit of plaintext and
// key material from secret.Bytes; packages for tests may too. The linter says the
// same of the type; this sees every selector of that name, promoted from an
// embedded field too.
const exposes = `
crypto/secret
crypto/field
crypto/keyring
vault/catalog
vault/token
vault/httpapi
vault/portal/data.go
vault/portal/requests.go
vault/portal/console/people.go
vault/portal/console/requests.go
vault/redact.go
vault/tenant.go
vault/requestbundle.go
vault/requesttold.go
vault/search.go
vault/resolve.go
`

func TestLayers(t *testing.T) {
	above, may := map[string]bool{}, map[string][]string{}
	for _, r := range rules(layers) {
		for _, imp := range r.list {
			if imp != "*" && !above[imp] {
				t.Errorf("layers: %s may import %s, which does not stand above it", r.name, imp)
			}
		}
		above[r.name], may[r.name] = true, r.list
	}
	imports := imports(t)
	for pkg, imps := range imports {
		list, ok := may[pkg]
		if !ok {
			list, ok = may[below(pkg, may)]
		}
		if !ok {
			t.Errorf("layers: no line for package %s", pkg)
			continue
		}
		for _, imp := range imps {
			if in, ok := strings.CutPrefix(imp, module); ok && !slices.Contains(list, in) && !slices.Contains(list, "*") {
				t.Errorf("%s may not import %s", pkg, in)
			}
		}
	}
	for pkg := range may {
		if _, ok := imports[pkg]; !ok && !strings.HasSuffix(pkg, "/*") {
			t.Errorf("layers: there is no package %s", pkg)
		}
	}
}

func TestImportsFromOutside(t *testing.T) {
	all := rules(only)
	slices.SortFunc(all, func(a, b rule) int { return len(b.name) - len(a.name) })
	for pkg, imps := range imports(t) {
		for _, imp := range imps {
			i := slices.IndexFunc(all, func(r rule) bool { return within(imp, r.name) })
			if i >= 0 && !slices.ContainsFunc(all[i].list, func(p string) bool { return covers(p, pkg) }) {
				t.Errorf("%s may not import %s", pkg, imp)
			}
		}
	}
}

// covers reports whether a line's mention of name speaks of pkg: the command is
// spoken of with all its parts.
func covers(name, pkg string) bool {
	return pkg == name || name == "cmd/fieldvault" && within(pkg, name)
}

func TestPlaintextHasOneExit(t *testing.T) {
	eachFile(t, func(path string, fset *token.FileSet, f *ast.File) {
		pkg, all := pkgOf(path), strings.Fields(exposes)
		if slices.Contains(all, pkg) || slices.Contains(all, strings.TrimPrefix(path, "../")) || strings.HasSuffix(pkg, "test") {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Expose" {
				t.Errorf("%s: %s may not call Expose", fset.Position(sel.Pos()), pkg)
			}
			return true
		})
	})
}

// TestMasksHaveOneDoor: every masked view passes where texts are redacted. What asked a
// field for its mask elsewhere would show nothing of a text, or mask it twice.
func TestMasksHaveOneDoor(t *testing.T) {
	eachFile(t, func(path string, fset *token.FileSet, f *ast.File) {
		if pkgOf(path) == "vault/catalog" || path == "../vault/redact.go" {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "MaskValue" {
				t.Errorf("%s: only vault/redact.go may call MaskValue", fset.Position(sel.Pos()))
			}
			return true
		})
	})
}

// within reports whether pkg is parent or stands below it.
func within(pkg, parent string) bool {
	return pkg == parent || strings.HasPrefix(pkg, parent+"/")
}

// below returns the name in may that ends in /* and covers pkg.
func below(pkg string, may map[string][]string) string {
	for name := range may {
		if parent, ok := strings.CutSuffix(name, "/*"); ok && within(pkg, parent) {
			return name
		}
	}
	return ""
}

type rule struct {
	name string
	list []string
}

func rules(text string) (all []rule) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		name, list, _ := strings.Cut(line, ":")
		all = append(all, rule{name, strings.Fields(list)})
	}
	return all
}

// imports returns the imports of every package of this module, less its tests'.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	m := map[string][]string{}
	eachFile(t, func(path string, _ *token.FileSet, f *ast.File) {
		list := m[pkgOf(path)]
		for _, spec := range f.Imports {
			list = append(list, strings.Trim(spec.Path.Value, `"`))
		}
		m[pkgOf(path)] = list
	})
	return m
}

// pkgOf returns the package, relative to the module, that a file of eachFile is in.
func pkgOf(path string) string {
	return strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../")
}

// eachFile calls do for every Go file of this module that is not a test, whatever
// its build constraints, in order of their paths.
//
// It reads the files itself: go list, or go/packages, would run in another
// process, which the test cache does not see, and the test would go stale.
func eachFile(t *testing.T, do func(path string, fset *token.FileSet, f *ast.File)) {
	t.Helper()
	fset := token.NewFileSet()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != ".." {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
				return filepath.SkipDir // a module of its own
			}
			if d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, path, src, parser.ParseComments)
		if err != nil {
			return err
		}
		do(path, fset, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
