//go:build e2e

package browser_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
)

// serve goes on, as `fieldvault serve`, with what a dev has begun, under these settings of
// the portal.
func serve(t *testing.T, portal map[string]any) *service {
	t.Helper()
	dir := t.TempDir()
	begun := dev(t, "--dir", dir)
	begun.process.Stop(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	begun.program.Run(t, 0, nil, "token", "--issuer-file", in("issuer.jwk"), "--role", "app", "--jwks", in("jwks.json"))
	processtest.WriteConfig(t, in("serve.yaml"), map[string]any{
		"listen": "127.0.0.1:0", "metrics_listen": "", "tenant": "default", "shutdown": "5s",
		"auth": map[string]any{"audience": "fieldvault", "issuers": []any{map[string]any{
			"name": "https://dev.fieldvault.local", "tenants": []string{"default"}, "jwks_file": in("jwks.json"), "algorithms": []string{"EdDSA"},
		}}},
		"store":  map[string]any{"url": "sqlite:" + in("fieldvault.db"), "allow_unverified": true},
		"ledger": map[string]any{"file": in("ledger")},
		"kek":    map[string]any{"local": map[string]any{"file": in("kek.json"), "allow_clear": true}},
		"portal": portal,
	})
	s := ready(t, begun.program, begun.program.Start(t, nil, "serve", "--config", in("serve.yaml"), "--json"))
	s.Tokens = begun.Tokens
	return s
}

// shop serves a page that holds the consent form under the link of the query.
func shop(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		link := strings.ReplaceAll(r.URL.Query().Get("link"), `"`, "")
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,"><h1>Shop</h1>
			<iframe title="Consent" width="800" height="700" style="border: 0" src="` + link + `"></iframe>`))
	}))
	t.Cleanup(s.Close)
	return s
}

// centre is where the middle of something is, and then its upper left corner.
func centre(v *visitor, t *testing.T, selector string) []float64 {
	t.Helper()
	return eval[[]float64](v, t, `(r => [r.x + r.width / 2, r.y + r.height / 2, r.x, r.y])(document.querySelector(`+quote(selector)+`).getBoundingClientRect())`)
}

// TestForm: a page of the application holds the form, a tick and a button consent, and a
// page of anybody else is not given it.
func TestForm(t *testing.T) {
	root := chromium(t)
	own, stranger := shop(t), shop(t)
	s := serve(t, map[string]any{"frames": own.URL})
	desk := manner{lang: "en", width: 1440, scripts: true, pictures: true}
	v := newVisitor(root, t, desk, nil)
	v.open(t, s.link(t, "form"), http.StatusOK)
	v.look(t, "form")
	if v.has(t, "input:checked") {
		t.Error("a box is ticked")
	}
	v.do(t, chromedp.EmulateViewport(800, 700)) // as in the frame, into which the test cannot look
	box, button := centre(v, t, "input[value=marketing]"), centre(v, t, "form button")
	v.do(t, chromedp.EmulateViewport(desk.width, 900))

	v.open(t, own.URL+"/?link="+url.QueryEscape(s.link(t, "form")), http.StatusOK)
	s.mustSee(t, marketing, "hidden consent")
	frame := centre(v, t, "iframe")
	v.do(t, chromedp.MouseClickXY(frame[2]+box[0], frame[3]+box[1]), chromedp.MouseClickXY(frame[2]+button[0], frame[3]+button[1]))
	await(t, "marketing reads", func() bool { got, _ := s.sees(t, marketing, "email"); return got == "plain" })
	v.heard(t, "the form")

	other := newVisitor(root, t, desk, nil)
	other.open(t, stranger.URL+"/?link="+url.QueryEscape(s.link(t, "form")), http.StatusOK)
	await(t, "the browser refuses", func() bool {
		other.mu.Lock()
		defer other.mu.Unlock()
		return strings.Contains(strings.Join(other.says, "\n"), "frame-ancestors")
	})
}
