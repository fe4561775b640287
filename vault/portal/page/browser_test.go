package page_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/fieldvault/fieldvault/vault/pacetest"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// axeAll makes a long run of it: both looks in both languages.
var axeAll = flag.Bool("axe.all", false, "have axe look at each page in light and dark in every language")

var screenshots = flag.String("screenshots", "", "put a picture of every page into this folder")

// site serves the shots as a browser would get them, with the real policy.
type site struct {
	*httptest.Server
	pages *page.Pages
	all   []shot
}

func serve(t *testing.T) *site {
	pages := newPages(t)
	s := &site{pages: pages, all: shots(t)}
	mux := http.NewServeMux()
	for _, a := range pages.Assets() {
		mux.HandleFunc("GET "+a.Path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", a.Type)
			_, _ = w.Write(a.Body)
		})
	}
	mux.HandleFunc("GET /shot/{lang}/{name}", s.shot)
	mux.HandleFunc("GET /faulty", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", page.CSP)
		_, _ = w.Write([]byte(faulty))
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *site) shot(w http.ResponseWriter, r *http.Request) {
	for _, sh := range s.all {
		if sh.name != r.PathValue("name") {
			continue
		}
		sh.frame.Lang = page.Lang(r.PathValue("lang"))
		b, err := s.pages.Render(sh.frame, sh.page)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", page.CSP)
		_, _ = w.Write(b)
		return
	}
	http.NotFound(w, r)
}

// browser starts Chromium. Where there is none, the test is skipped, but in CI it fails.
func browser(t *testing.T) context.Context {
	t.Helper()
	pacetest.NeedTime(t)
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no chromium: `bash deploy/ci/setup.sh browser` installs it")
		}
		t.Skip("no chromium: `bash deploy/ci/setup.sh browser` installs it")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("hide-scrollbars", true), chromedp.WSURLReadTimeout(time.Minute)) // a busy machine takes its time
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// tab opens one more tab, whose console must stay silent.
func tab(parent context.Context, t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent)
	messages := chromedp.Console(ctx)
	var said sync.WaitGroup
	said.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			t.Errorf("the console says: %s (%s)", m, m.URL)
		}
	})
	t.Cleanup(func() { cancel(); said.Wait() })
	return ctx
}

func do(ctx context.Context, t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func eval[T any](ctx context.Context, t *testing.T, script string, opts ...chromedp.EvaluateOption) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, opts...))
	if err != nil {
		t.Fatalf("%v in %.80s", err, script)
	}
	return v
}

// scheme makes the browser prefer light or dark, as its user would.
func scheme(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPagesInBrowser looks at every page in both languages, both colour schemes,
// and the widths of a phone and a desk: nothing that axe finds fault with, nothing
// that scrolls sideways, nothing refused by the policy.
func TestPagesInBrowser(t *testing.T) {
	root := browser(t)
	s := serve(t)
	axe, err := os.ReadFile("testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, sh := range s.all {
		t.Run(sh.name, func(t *testing.T) {
			ctx := tab(root, t)
			for _, lang := range page.Langs() {
				do(ctx, t, chromedp.Navigate(s.URL+"/shot/"+string(lang)+"/"+sh.name))
				fits(ctx, t, 1440)
				fits(ctx, t, 360)
				eval[chromedp.Void](ctx, t, string(axe)+";undefined")
				if lang == page.English || *axeAll {
					scheme(ctx, t, "light")
					violations(ctx, t, `{}`)
				}
				if lang == page.German || *axeAll {
					scheme(ctx, t, "dark") // but for its colours the page is the same
					violations(ctx, t, `{runOnly: ["color-contrast"]}`)
				}
			}
		})
	}
}

// fits makes the window so wide and fails if the page is wider.
func fits(ctx context.Context, t *testing.T, width int64) {
	t.Helper()
	do(ctx, t, chromedp.EmulateViewport(width, 800))
	if n := eval[int](ctx, t, `document.documentElement.scrollWidth`); n > int(width) {
		t.Errorf("at %d pixels the page has %d: %s", width, n, eval[string](ctx, t, widest))
	}
}

// widest names the elements that reach beyond the window.
const widest = `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
	.map(e => e.tagName + "." + e.className).slice(0, 5).join(" ")`

// violations has axe look at the page as it is shown, and fails for what it finds,
// however light.
func violations(ctx context.Context, t *testing.T, options string) {
	t.Helper()
	for _, f := range faults(ctx, t, options) {
		t.Error(f)
	}
}

func faults(ctx context.Context, t *testing.T, options string) (list []string) {
	t.Helper()
	found := eval[string](ctx, t, `axe.run(document, Object.assign({resultTypes: ["violations"]}, `+options+`)).then(r => JSON.stringify(
		r.violations.map(v => ({id: v.id, impact: v.impact, where: v.nodes.slice(0, 4).map(n => n.target.join(" ") + ": " + (n.any[0] || n.all[0] || n.none[0]).message)}))))`,
		chromedp.EvalAwaitPromise)
	var all []struct {
		ID, Impact string
		Where      []string
	}
	if err := json.Unmarshal([]byte(found), &all); err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		list = append(list, fmt.Sprintf("%s (%s):\n%s", v.ID, v.Impact, strings.Join(v.Where, "\n")))
	}
	return list
}

// TestBrowserSeesFaults shows that the checks above can fail: a page with a script
// of its own and a box without a name is found out.
func TestBrowserSeesFaults(t *testing.T) {
	ctx, cancel := chromedp.NewContext(browser(t))
	defer cancel()
	s := serve(t)
	axe, err := os.ReadFile("testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	messages := chromedp.Console(ctx)
	do(ctx, t, chromedp.Navigate(s.URL+"/faulty"))
	for m, err := range messages {
		if err != nil || !strings.Contains(m.Text, "Content Security Policy") {
			t.Errorf("the console says %q, %v", m, err)
		}
		break
	}
	eval[chromedp.Void](ctx, t, string(axe)+";undefined")
	found := strings.Join(faults(ctx, t, `{}`), "\n")
	for _, want := range []string{"label (critical)", "color-contrast (serious)"} {
		if !strings.Contains(found, want) {
			t.Errorf("axe does not find %s, but %s", want, found)
		}
	}
}

const faulty = `<!doctype html><html lang="en"><title>Faulty</title><link rel="icon" href="data:,">
<main><h1>Faulty</h1><p><font color="#bbbbbb">pale</font></p><input></main><script>alert(1)</script>`

// TestPauseCounts: with the script the button waits and then says so.
func TestPauseCounts(t *testing.T) {
	ctx := tab(browser(t), t)
	s := serve(t)
	do(ctx, t, chromedp.Navigate(s.URL+"/shot/en/erase-confirm"))
	const button = `document.querySelector("button.danger")`
	if got := eval[string](ctx, t, button+`.disabled + " " + `+button+`.textContent.replace(/[0-9]+/, "N")`); got != "true Please wait: N" {
		t.Errorf("while it waits the button is %q", got)
	}
	do(ctx, t, chromedp.Navigate(s.URL+"/shot/en/erase-early"))
	got, err := chromedp.Run(ctx, chromedp.Poll[string](`!`+button+`.disabled && `+button+`.textContent + " " + document.querySelector("[data-wait-said]").textContent`))
	if err != nil || got != "Erase all my data You can erase your data now." {
		t.Errorf("after the wait the button is %q, %v", got, err)
	}
}

// TestPictures puts a picture of every page, as wide as a phone and a desk and in
// both colour schemes, into the folder that -screenshots names.
func TestPictures(t *testing.T) {
	if *screenshots == "" {
		return
	}
	root := browser(t)
	s := serve(t)
	if err := os.MkdirAll(*screenshots, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, sh := range s.all {
		t.Run(sh.name, func(t *testing.T) {
			ctx := tab(root, t)
			for _, lang := range page.Langs() {
				do(ctx, t, chromedp.Navigate(s.URL+"/shot/"+string(lang)+"/"+sh.name))
				for _, width := range []int64{360, 1440} {
					do(ctx, t, chromedp.EmulateViewport(width, 800))
					for _, colours := range []string{"light", "dark"} {
						scheme(ctx, t, colours)
						b, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
						if err != nil {
							t.Fatal(err)
						}
						name := fmt.Sprintf("%s-%s-%d-%s.png", sh.name, lang, width, colours)
						if err := os.WriteFile(filepath.Join(*screenshots, name), b, 0o644); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		})
	}
}

// TestKeyboard goes through every page with Tab: the focus must reach every
// control, in the order of the page, be visible, and come out at the end.
func TestKeyboard(t *testing.T) {
	root := browser(t)
	s := serve(t)
	for _, sh := range s.all {
		t.Run(sh.name, func(t *testing.T) {
			ctx := tab(root, t)
			do(ctx, t, chromedp.EmulateViewport(360, 800), chromedp.Navigate(s.URL+"/shot/en/"+sh.name))
			// A button that waits joins the others later: wait, too.
			if _, err := chromedp.Run(ctx, chromedp.Poll[bool](`!document.querySelector("form[data-wait] button:disabled")`)); err != nil {
				t.Fatal(err)
			}
			want := eval[int](ctx, t, controls)
			if want == 0 {
				return
			}
			got, stops := 0, 0 // where the focus is: it starts at the first
			for got < want-1 {
				do(ctx, t, chromedp.KeyEvent(kb.Tab))
				at := eval[int](ctx, t, focused)
				if stops++; at == got && stops < 5 {
					continue // a date has a stop for each of its parts
				}
				if at != got+1 {
					t.Fatalf("Tab leads from control %d of %d to %d", got, want, at)
				}
				got, stops = at, 0
			}
			for range 5 { // and out of the last
				do(ctx, t, chromedp.KeyEvent(kb.Tab))
				if eval[int](ctx, t, focused) != got {
					return
				}
			}
			t.Errorf("Tab does not lead out of control %d", got)
		})
	}
}

// controls numbers everything that the keyboard must reach; focused says where it is.
const controls = `(window.order = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")].filter(
		e => !e.disabled && e.type !== "hidden" && e.checkVisibility() &&
		(e.type !== "radio" || e.checked || !document.querySelector('input[type=radio][name="' + e.name + '"]:checked') && e === document.querySelector('input[type=radio][name="' + e.name + '"]'))
	)) && (order[0]?.focus(), order.length)`

const focused = `(() => {
	const e = document.activeElement;
	if (!e || e === document.body) return -1;
	const s = getComputedStyle(e);
	if (s.outlineStyle === "none" && s.boxShadow === "none") throw new Error("the focus does not show on " + e.outerHTML);
	return order.indexOf(e);
})()`

// TestWithdrawingIsAsEasyAsConsenting counts what a person must do for either.
func TestWithdrawingIsAsEasyAsConsenting(t *testing.T) {
	root := browser(t)
	s := serve(t)
	ctx := tab(root, t)
	do(ctx, t, chromedp.Navigate(s.URL+"/shot/en/purposes"))
	steps := func(decision string) []int {
		return eval[[]int](ctx, t, `[...document.querySelectorAll("button[value=`+decision+`]")].map(b =>
			1 + [...b.form.elements].filter(e => e.type !== "hidden" && e !== b).length)`)
	}
	grant, withdraw := steps(page.DecideGrant), steps(page.DecideWithdraw)
	if len(grant) != 1 || len(withdraw) != 1 || withdraw[0] > grant[0] || grant[0] != 1 {
		t.Errorf("steps to consent %v, to withdraw %v: want one each", grant, withdraw)
	}
}
