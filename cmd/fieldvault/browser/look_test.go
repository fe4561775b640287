//go:build e2e

package browser_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
)

func call[P, R any](v *visitor, t *testing.T, c cdp.Command[P, R], params P) {
	t.Helper()
	if _, err := chromedp.Call(v.ctx, c, params); err != nil {
		t.Fatal(err)
	}
}

// await waits for what must happen and has no time of its own.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for tick, end := time.NewTicker(50*time.Millisecond), time.After(processtest.Patience); !done(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: still not after %v", what, processtest.Patience)
		}
	}
}

func quote(s string) string {
	b, _ := json.Marshal(s) // a string always encodes
	return string(b)
}

// look fails for what is wrong with a page whatever it says, and takes its pictures.
func (v *visitor) look(t *testing.T, name string) {
	t.Helper()
	if n := eval[int](v, t, `document.documentElement.scrollWidth`); n > int(v.width) {
		t.Errorf("%s: at %d pixels the page has %d", name, v.width, n)
	}
	v.audit(t, name)
	v.heard(t, name)
	if *screenshots != "" && v.pictures {
		v.picture(t, name)
	}
}

// audit has axe look at the page.
func (v *visitor) audit(t *testing.T, name string) {
	t.Helper()
	if !v.scripts {
		call(v, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{})
		defer call(v, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	}
	if !v.ready {
		eval[chromedp.Void](v, t, v.axe+";undefined")
		v.ready = true
	}
	found := eval[string](v, t, `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.map(
		v => v.id + " (" + v.impact + "): " + v.nodes.map(n => n.target.join(" ")).join(", ")).join("\n"))`, chromedp.EvalAwaitPromise)
	if found != "" {
		t.Errorf("%s: axe finds\n%s", name, found)
	}
}

// heard fails for what the console has said, but for statuses that the test asked for.
func (v *visitor) heard(t *testing.T, name string, expected ...int) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.says {
		fine := false
		for _, status := range expected {
			fine = fine || strings.Contains(s, fmt.Sprintf("responded with a status of %d", status))
		}
		if !fine {
			t.Errorf("%s: the console says %s", name, s)
		}
	}
	v.says = nil
}

// tallest is the height of a picture in pixels: what is below is cut off.
const tallest = 1300

// picture takes the view at both widths, light and dark.
func (v *visitor) picture(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll(*screenshots, 0o750); err != nil {
		t.Fatal(err)
	}
	if v.seen[name]++; v.seen[name] > 1 {
		return
	}
	for _, width := range []int64{360, 1440} {
		for _, colours := range []string{"light", "dark"} {
			v.do(t, chromedp.EmulateViewport(width, 700))
			height := eval[int64](v, t, `document.documentElement.scrollHeight`)
			v.do(t, chromedp.EmulateViewport(width, min(height, tallest)))
			eval[chromedp.Void](v, t, `scrollTo(0, 0)`)
			call(v, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: colours}, {Name: "prefers-reduced-motion", Value: "reduce"}},
			})
			b, err := chromedp.Run(v.ctx, chromedp.CaptureScreenshot())
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(*screenshots, fmt.Sprintf("%s-%d-%s.png", name, width, colours))
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	call(v, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})
	v.do(t, chromedp.EmulateViewport(v.width, 900))
}
