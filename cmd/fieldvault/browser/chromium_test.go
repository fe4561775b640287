//go:build e2e

package browser_test

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

var screenshots = flag.String("screenshots", "", "put a picture of every view into this folder")

func TestMain(m *testing.M) { os.Exit(processtest.Main(m)) }

// chromium starts a browser. Where there is none, the test is skipped, but in CI it fails.
func chromium(t *testing.T) context.Context {
	t.Helper()
	storetest.NeedTime(t)
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

// A manner is how somebody uses a browser.
type manner struct {
	name     string
	lang     string
	width    int64
	keyboard bool // and no mouse
	scripts  bool
	pictures bool // if they are asked for
}

// A visitor is somebody with a browser of their own: cookies are shared with nobody.
type visitor struct {
	manner
	ctx   context.Context
	dir   string // of downloads
	acts  int    // clicks and keys since it was set to 0
	axe   string
	seen  map[string]int
	mu    sync.Mutex
	says  []string // what the console said
	ready bool     // the page has axe
}

func newVisitor(root context.Context, t *testing.T, m manner, headers network.Headers) *visitor {
	t.Helper()
	ctx, cancel := chromedp.NewContext(root, chromedp.WithNewBrowserContext())
	v := &visitor{manner: m, ctx: ctx, dir: t.TempDir(), seen: map[string]int{}}
	axe, err := os.ReadFile("../../../vault/portal/page/testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	v.axe = string(axe)
	messages := chromedp.Console(ctx)
	var heard sync.WaitGroup
	heard.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			v.mu.Lock()
			v.says = append(v.says, m.String()+" ("+m.URL+")")
			v.mu.Unlock()
		}
	})
	t.Cleanup(func() { cancel(); heard.Wait() })
	all := network.Headers{"Accept-Language": m.lang}
	for k, h := range headers {
		all[k] = h
	}
	v.do(t, chromedp.EmulateViewport(m.width, 900))
	call(v, t, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	call(v, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !m.scripts})
	call(v, t, network.Enable, network.EnableParams{})
	call(v, t, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: all})
	_, err = chromedp.CallBrowser(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, BrowserContextID: chromedp.FromContext(ctx).BrowserContextID, DownloadPath: v.dir,
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *visitor) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, processtest.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func eval[T any](v *visitor, t *testing.T, script string, opts ...chromedp.EvaluateOption) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, processtest.Patience)
	defer cancel()
	out, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, opts...))
	if err != nil {
		t.Fatalf("%v in %.200s", err, script)
	}
	return out
}

// loads does something that leads to a page, and returns that page's status.
func (v *visitor) loads(t *testing.T, steps ...chromedp.Action[chromedp.Void]) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, processtest.Patience)
	defer cancel()
	r, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		t.Fatalf("the page does not come: %v", err)
	}
	v.ready = false
	return r.Status
}

// open types an address.
func (v *visitor) open(t *testing.T, url string, status int64) {
	t.Helper()
	if got := v.loads(t, chromedp.Navigate(url)); got != status {
		t.Fatalf("%s: %d, want %d\n%s", v.path(t), got, status, v.text(t))
	}
}

// follow uses a link or a button that leads to a page with that path.
func (v *visitor) follow(t *testing.T, selector, path string) {
	t.Helper()
	if status := v.loads(t, v.use(t, selector)); status != 200 || v.path(t) != path {
		t.Fatalf("%s leads to %s with %d, want %s\n%s", selector, v.path(t), status, path, v.text(t))
	}
}

// use gets to a control and is the act that works it: a click, or the key.
func (v *visitor) use(t *testing.T, selector string) chromedp.Action[chromedp.Void] {
	t.Helper()
	if !v.keyboard {
		v.acts++
		return chromedp.Click(chromedp.CSS(selector))
	}
	v.tabTo(t, selector)
	v.acts++
	if eval[bool](v, t, `document.activeElement.matches("input")`) {
		return chromedp.KeyEvent(" ")
	}
	return chromedp.KeyEvent(kb.Enter)
}

// tabTo moves the focus as often as it takes.
func (v *visitor) tabTo(t *testing.T, selector string) {
	t.Helper()
	for range 300 {
		if eval[bool](v, t, `document.activeElement.matches(`+quote(selector)+`)`) {
			return
		}
		v.do(t, chromedp.KeyEvent(kb.Tab))
		v.acts++
	}
	t.Fatalf("the keyboard does not reach %s", selector)
}

// write replaces what stands in a field.
func (v *visitor) write(t *testing.T, selector, text string) {
	t.Helper()
	if v.keyboard {
		v.tabTo(t, selector)
	} else {
		v.do(t, chromedp.Click(chromedp.CSS(selector)))
	}
	v.do(t, chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl)), chromedp.KeyEvent(text))
	if got := eval[string](v, t, `document.activeElement.value`); got != text {
		t.Fatalf("%s holds %q, want %q", selector, got, text)
	}
}

// take uses what downloads a file, and returns its content.
func (v *visitor) take(t *testing.T, selector, name string) []byte {
	t.Helper()
	v.do(t, v.use(t, selector))
	path := filepath.Join(v.dir, name)
	await(t, "the file "+name, func() bool {
		// While it comes, an empty file keeps its name, and another one grows beside it.
		f, err := os.Stat(path)
		growing, _ := filepath.Glob(filepath.Join(v.dir, "*.crdownload"))
		return err == nil && f.Size() > 0 && len(growing) == 0
	})
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	return b
}

func (v *visitor) path(t *testing.T) string {
	t.Helper()
	return eval[string](v, t, `location.pathname`)
}

// text is what stands on the page, but for what is folded away.
func (v *visitor) text(t *testing.T) string {
	t.Helper()
	return eval[string](v, t, `document.body.innerText`)
}

// reads fails unless the page says all that.
func (v *visitor) reads(t *testing.T, texts ...string) {
	t.Helper()
	page := v.text(t)
	for _, s := range texts {
		if !strings.Contains(page, s) {
			t.Errorf("%s does not say %q:\n%s", v.path(t), s, page)
		}
	}
}

// has says whether something is on the page.
func (v *visitor) has(t *testing.T, selector string) bool {
	t.Helper()
	return eval[bool](v, t, `document.querySelector(`+quote(selector)+`) !== null`)
}
