package page_test

import (
	"bytes"
	"fmt"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/fieldvault/fieldvault/vault/portal/page"
)

func newPages(t testing.TB) *page.Pages {
	t.Helper()
	p, err := page.New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func draw(t testing.TB, p *page.Pages, f page.Frame, pg page.Page) *html.Node {
	t.Helper()
	b, err := p.Render(f, pg)
	if err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func elements(root *html.Node) (list []*html.Node) {
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			list = append(list, n)
		}
	}
	return list
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// TestEveryPage draws all pages in all languages: one headline, a title, nothing
// that the policy would refuse, ids once, and every form and link a known route.
func TestEveryPage(t *testing.T) {
	p := newPages(t)
	for _, sh := range shots(t) {
		for _, l := range page.Langs() {
			t.Run(sh.name+"/"+string(l), func(t *testing.T) {
				sh.frame.Lang = l
				count, ids := map[string]int{}, map[string]bool{}
				for _, n := range elements(draw(t, p, sh.frame, sh.page)) {
					if n.Namespace == "" { // a drawing has titles of its own
						count[n.Data]++
					}
					lookAt(t, n, ids)
				}
				for _, want := range []string{"h1", "title", "main"} {
					if count[want] != 1 {
						t.Errorf("%d elements %s, want 1", count[want], want)
					}
				}
			})
		}
	}
}

func lookAt(t *testing.T, n *html.Node, ids map[string]bool) {
	t.Helper()
	for _, a := range n.Attr {
		if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.Contains(a.Val, "ZgotmplZ") {
			t.Errorf("%s has the attribute %s=%q", n.Data, a.Key, a.Val)
		}
		if a.Key == "id" {
			if ids[a.Val] {
				t.Errorf("the id %s stands twice", a.Val)
			}
			ids[a.Val] = true
		}
	}
	switch n.Data {
	case "style":
		t.Error("there is a style element")
	case "script":
		if attr(n, "src") == "" {
			t.Error("there is a script in the page")
		}
	case "form":
		knownForm(t, n)
	}
}

// leads says whether a route is that of a path.
func leads(r page.Route, to string) bool {
	same, err := path.Match(r.Path, to)
	return err == nil && same
}

// knownForm checks a form against Routes.
func knownForm(t *testing.T, form *html.Node) {
	t.Helper()
	method := strings.ToUpper(attr(form, "method"))
	i := slices.IndexFunc(page.Routes(), func(r page.Route) bool { return r.Method == method && leads(r, attr(form, "action")) })
	if i < 0 {
		t.Errorf("a form of the method %s leads to %s, which is no route", method, attr(form, "action"))
		return
	}
	if method == "GET" && !slices.Contains([]string{page.PathConsoleExplain, page.PathConsoleAudit, page.PathConsoleAsk}, attr(form, "action")) {
		t.Errorf("a form to %s is not a POST", attr(form, "action"))
	}
	fields := strings.Join(page.Routes()[i].Fields, " ")
	for _, n := range elements(form) {
		if name, _, _ := strings.Cut(attr(n, "name"), "."); name != "" && !strings.Contains(fields, name) {
			t.Errorf("a form to %s sends %s, which its route does not name", attr(form, "action"), name)
		}
	}
}

// TestLinksLeadToRoutes checks the links that templates write themselves.
func TestLinksLeadToRoutes(t *testing.T) {
	p := newPages(t)
	given := []string{
		"/me/receipts/1", "/me/requests/5/bundle.zip", "/certificates/1", "/me/provider", "/consent/receipt", "/notice",
		"/console/sign-in/go", "/console/requests/5/bundle.zip",
	}
	for _, sh := range shots(t) {
		for _, n := range elements(draw(t, p, sh.frame, sh.page)) {
			u, err := url.Parse(attr(n, "href"))
			if n.Data != "a" || err != nil || u.Path == "" || slices.Contains(given, u.Path) {
				continue
			}
			if !slices.ContainsFunc(page.Routes(), func(r page.Route) bool {
				return r.Method == "GET" && (leads(r, u.Path) || r.Path == page.PathRequest && strings.HasPrefix(u.Path, r.Path))
			}) {
				t.Errorf("%s: a link leads to %s, which is no route", sh.name, u.Path)
			}
		}
	}
}

// payloads are what an attacker would write into a field.
func payloads() []string {
	return []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `</title></textarea><svg onload=alert(1)>`,
		`javascript:alert(1)`, `<!--`, `]]><a href="//x">`, "\"\x00\u2028<iframe srcdoc=x>", `{{.}}{n}{purpose}`, `<style>@import "//x"</style>`, `&lt;script&gt;`,
	}
}

// TestMarkupIsInert puts payloads into every string of every model and of the
// frame: the elements of the page and their attributes must be those of a page
// with harmless words.
func TestMarkupIsInert(t *testing.T) {
	p := newPages(t)
	for _, sh := range shots(t) {
		t.Run(sh.name, func(t *testing.T) {
			structure := func(word string) []string {
				f, m := sh.frame, reflect.New(reflect.TypeOf(sh.page)).Elem()
				m.Set(fill(reflect.ValueOf(sh.page), word))
				f.Controller, f.Contact, f.Here, f.Flash.Subject = word, word, "/me?q="+url.QueryEscape(word), word
				return skeleton(draw(t, p, f, m.Interface().(page.Page)))
			}
			want := structure("word")
			for _, payload := range payloads() {
				if diff := cmp.Diff(want, structure(payload)); diff != "" {
					t.Errorf("%q changes the page:\n%s", payload, diff)
				}
			}
		})
	}
}

// fill returns a copy of v with word for every string that is not empty and not
// of a closed set.
func fill(v reflect.Value, word string) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	switch kind := v.Kind(); {
	case kind == reflect.String && v.Type() == reflect.TypeFor[string]() && v.Len() > 0:
		c.SetString(word)
	case kind == reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				c.Field(i).Set(fill(v.Field(i), word))
			}
		}
	case kind == reflect.Pointer && !v.IsNil():
		c.Set(reflect.New(v.Type().Elem()))
		c.Elem().Set(fill(v.Elem(), word))
	case kind == reflect.Slice && v.Len() > 0:
		c = reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			c.Index(i).Set(fill(v.Index(i), word))
		}
	}
	return c
}

// skeleton lists elements and the names of their attributes, and the values of
// those that could run something.
func skeleton(root *html.Node) (list []string) {
	for _, n := range elements(root) {
		s := n.Data
		for _, a := range n.Attr {
			s += " " + a.Key
			if a.Key == "href" || a.Key == "src" || a.Key == "action" {
				u, err := url.Parse(a.Val)
				s += fmt.Sprintf("=%t", err == nil && (u.Scheme == "" || u.Scheme == "mailto") && u.Host == "")
			}
		}
		list = append(list, s)
	}
	return list
}

func TestEmbedPolicy(t *testing.T) {
	got, err := page.EmbedCSP([]string{"https://shop.example.org", "http://localhost:8080"})
	want := strings.TrimSuffix(page.CSP, "'none'") + "https://shop.example.org http://localhost:8080"
	if err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := page.EmbedCSP(nil); err != nil || got != page.CSP {
		t.Errorf("without origins: %q, %v", got, err)
	}
	for _, bad := range []string{"", "*", "shop.example.org", "https://", "https://a;script-src *", "https://a b", "https://*.org", "https://a/b", "data:", "'self'", "https://a,b"} {
		if got, err := page.EmbedCSP([]string{bad}); err == nil {
			t.Errorf("%q gives %q", bad, got)
		}
	}
}

func TestAssetsAreNamedByContent(t *testing.T) {
	for _, a := range newPages(t).Assets() {
		parts := strings.Split(a.Path, ".")
		if !strings.HasPrefix(a.Path, page.AssetPath) || len(parts) != 3 || len(parts[1]) != 16 || len(a.Body) == 0 || a.Type == "" {
			t.Errorf("asset %s of type %q and %d bytes", a.Path, a.Type, len(a.Body))
		}
	}
}
