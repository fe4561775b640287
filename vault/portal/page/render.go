package page

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed templates
var templateFiles embed.FS

// A Page is a view model of this package. Its template is templates/<name>.html.
type Page interface {
	about() about
}

// about says what a page is.
type about struct {
	name  string  // of its template
	title string  // the key of its title
	area  area    // whose navigation stands beside it
	place section // which entry of that is the current one
}

// Pages draws pages. Make one with [New]; it may be used by many at once.
type Pages struct {
	assets map[string]Asset
	sets   map[Lang]map[string]*template.Template
	words  map[Lang]*words
}

// New returns the pages of the templates, messages and static files that are
// built in; they are read once in a process. An error is a fault of this package.
func New() (*Pages, error) {
	return builtIn()
}

var builtIn = sync.OnceValues(read) //nolint:gochecknoglobals // what is built in never changes

// read reads what is built in.
func read() (*Pages, error) {
	assets, err := readAssets()
	if err != nil {
		return nil, err
	}
	p := &Pages{assets: assets, sets: map[Lang]map[string]*template.Template{}, words: map[Lang]*words{}}
	for _, l := range Langs() {
		w, err := readWords(l)
		if err != nil {
			return nil, err
		}
		p.words[l] = w
		if p.sets[l], err = parse(p.funcs(w)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// parse returns one template for each page: the parts that all share, and its own.
func parse(funcs template.FuncMap) (map[string]*template.Template, error) {
	shared, err := template.New("").Funcs(funcs).ParseFS(templateFiles, "templates/parts/*.html")
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	set := map[string]*template.Template{}
	for _, name := range files {
		t, err := shared.Clone()
		if err != nil {
			return nil, err
		}
		if t, err = t.ParseFS(templateFiles, name); err != nil {
			return nil, err
		}
		set[strings.TrimSuffix(path.Base(name), ".html")] = t
	}
	return set, nil
}

// Assets lists the static files that the pages load, in order of their paths.
func (p *Pages) Assets() []Asset {
	var all []Asset
	for _, a := range p.assets {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Asset) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// view is what a template sees: the frame F and the page P.
type view struct {
	F   Frame
	P   Page
	Nav []navItem
	// Title and Name are of the page.
	Title, Name string
	// Console says that the page is one of the operators'.
	Console bool
}

// Render draws a page. An error is a fault of the caller or of this package, such
// as a period that is none, and nothing is drawn.
func (p *Pages) Render(f Frame, pg Page) ([]byte, error) {
	if f.Lang == "" {
		f.Lang = English
	}
	is := pg.about()
	t, ok := p.sets[f.Lang][is.name]
	if !ok {
		return nil, fmt.Errorf("no page %s in language %s", is.name, f.Lang)
	}
	if f.Operator != "" {
		is.area = areaConsole
	}
	v := view{F: f, P: pg, Title: is.title, Name: is.name, Console: is.area == areaConsole}
	if f.SignedIn {
		v.Nav = navigation(is.area, is.place, f.May)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout", v); err != nil {
		return nil, fmt.Errorf("drawing page %s: %w", is.name, err)
	}
	return b.Bytes(), nil
}

// keyed is a value of a closed set that has a name in every language.
type keyed interface{ key() string }

// explained is a keyed value that has an explanation too.
type explained interface{ explanation() string }

// funcs are what templates may call.
func (p *Pages) funcs(w *words) template.FuncMap {
	return template.FuncMap{
		"t":         w.text,
		"n":         w.count,
		"word":      w.word,
		"staff":     w.staff,
		"consent":   w.consent,
		"detail":    w.detail,
		"num":       func(n int) string { return w.number(float64(n)) },
		"big":       func(n int64) string { return w.number(float64(n)) },
		"draw":      w.draw,
		"estimates": w.drawEstimates,
		"asks":      w.asks,
		"expects":   w.expects,
		"quantile":  w.quantile,
		"part":      w.part,
		"loss":      w.loss,
		"dec":       w.decimal,
		"chance":    w.thousandths,
		"hundred":   func(share float64) int { return int(math.Round(100 * min(max(share, 0), 1))) },
		"explain":   func(e explained) (string, error) { return w.text(e.explanation()) },
		"date":      w.date,
		"clock":     w.clock,
		"hour":      w.hour,
		"iso":       func(t time.Time) string { return t.Format(time.RFC3339) },
		"list":      w.list,
		"period":    w.period,
		"langs":     Langs,
		"langName": func(l Lang) string {
			return l.name()
		},
		"hereIn":  func(f Frame, l Lang) (string, error) { return f.hereIn(l) },
		"asset":   p.assetPath,
		"args":    pairs,
		"inc":     func(i int) int { return i + 1 },
		"flash":   w.flash,
		"changed": w.change,
		"flashIcon": func(f Flash) string {
			if f.Kind.Bad() {
				return "bad"
			}
			return "good"
		},
	}
}

func (p *Pages) assetPath(name string) (string, error) {
	a, ok := p.assets[name]
	if !ok {
		return "", fmt.Errorf("no static file %s", name)
	}
	return a.Path, nil
}

// pairs hands several values to a part: names and values in turn.
func pairs(args ...any) (map[string]any, error) {
	m := map[string]any{}
	for i := 0; i < len(args); i += 2 {
		name, ok := args[i].(string)
		if !ok || i+1 == len(args) {
			return nil, errors.New("a part takes names and values in turn")
		}
		m[name] = args[i+1]
	}
	return m, nil
}
