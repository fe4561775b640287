package cmd_test

import (
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"
)

// The sizes past which a file or a function is split, by noun and not by layer.
const (
	maxFileLines = 500
	maxFuncLines = 80
)

func TestEveryPackageHasAComment(t *testing.T) {
	has := map[string]bool{}
	eachFile(t, func(path string, _ *token.FileSet, f *ast.File) {
		has[pkgOf(path)] = has[pkgOf(path)] || f.Doc.Text() != ""
	})
	for _, pkg := range slices.Sorted(maps.Keys(has)) {
		if !has[pkg] {
			t.Errorf("package %s has no comment", pkg)
		}
	}
}

// TestEveryExportedNameHasAComment holds for types, functions, methods (of
// interfaces too), constants, variables, and the fields of types named Config or
// Options, in every package but main. A group of constants or variables may
// share one comment.
func TestEveryExportedNameHasAComment(t *testing.T) {
	eachFile(t, func(_ string, fset *token.FileSet, f *ast.File) {
		if f.Name.Name == "main" {
			return
		}
		for _, d := range f.Decls {
			for _, name := range undocumented(d) {
				t.Errorf("%s: %s has no comment", fset.Position(name.Pos()), name.Name)
			}
		}
	})
}

func undocumented(d ast.Decl) []*ast.Ident {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc.Text() == "" && (d.Recv == nil || ast.IsExported(receiver(d))) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		var names []*ast.Ident
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				names = append(names, undocumentedType(d, s)...)
			case *ast.ValueSpec:
				if d.Doc.Text() == "" && s.Doc.Text() == "" && s.Comment.Text() == "" {
					names = append(names, exported(s.Names)...)
				}
			}
		}
		return names
	}
	return nil
}

func undocumentedType(d *ast.GenDecl, s *ast.TypeSpec) []*ast.Ident {
	if !s.Name.IsExported() {
		return nil
	}
	var names []*ast.Ident
	if s.Doc.Text() == "" && (d.Doc.Text() == "" || len(d.Specs) > 1) {
		names = append(names, s.Name)
	}
	var members *ast.FieldList
	switch typ := s.Type.(type) {
	case *ast.InterfaceType:
		members = typ.Methods
	case *ast.StructType:
		if !strings.HasSuffix(s.Name.Name, "Config") && !strings.HasSuffix(s.Name.Name, "Options") {
			return names
		}
		members = typ.Fields
	default:
		return names
	}
	for _, m := range members.List {
		if m.Doc.Text() == "" && m.Comment.Text() == "" {
			names = append(names, exported(m.Names)...)
		}
	}
	return names
}

// receiver returns the name of the type whose method d is.
func receiver(d *ast.FuncDecl) string {
	typ := d.Recv.List[0].Type
	for {
		switch t := typ.(type) {
		case *ast.StarExpr:
			typ = t.X
		case *ast.IndexExpr:
			typ = t.X
		case *ast.IndexListExpr:
			typ = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}

func exported(names []*ast.Ident) []*ast.Ident {
	return slices.DeleteFunc(slices.Clone(names), func(n *ast.Ident) bool { return !n.IsExported() })
}

func TestFilesAndFunctionsStayShort(t *testing.T) {
	eachFile(t, func(path string, fset *token.FileSet, f *ast.File) {
		if ast.IsGenerated(f) {
			return
		}
		if n := fset.File(f.Pos()).LineCount(); n > maxFileLines {
			t.Errorf("%s has %d lines, more than %d", path, n, maxFileLines)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			if n := fset.Position(fn.Body.End()).Line - fset.Position(fn.Pos()).Line; n > maxFuncLines {
				t.Errorf("%s: %s has %d lines, more than %d", fset.Position(fn.Pos()), fn.Name.Name, n, maxFuncLines)
			}
		}
	})
}
