package transit_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/crypto/transit"
	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
)

// recovers fails unless a call succeeds in the end.
func recovers(t *testing.T, call func() error) {
	t.Helper()
	for {
		err := call()
		if err == nil {
			return
		}
		if !errors.Is(err, transit.ErrUnavailable) {
			t.Fatal(err)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// A Vault that hangs is ErrUnavailable within the budget; then the breaker opens
// and no request is sent; and when Vault goes on, so do we.
func TestStopped(t *testing.T) {
	t.Parallel()
	s := transittest.StartOwn(t, transittest.Options{})
	key := newKey(t, s.KEK(t), "acme")
	var j journal
	cfg := s.Config(transit.Auth{Token: s.RootToken})
	cfg.Timeout, cfg.Logger = 300*time.Millisecond, j.logger()
	k := transittest.New(t, cfg)
	contexts, wrapped := wrap(t, k, key, 1)
	open := func() error {
		_, _, err := k.Unwrap(t.Context(), key, contexts, wrapped)
		return err
	}
	s.Stop()
	for unsent := false; !unsent; {
		before := k.Requests()
		if err := open(); !errors.Is(err, transit.ErrUnavailable) {
			t.Fatalf("stopped: %v", err)
		}
		unsent = k.Requests() == before
	}
	for name, call := range map[string]func() error{
		"Wrap":   func() error { _, err := k.Wrap(t.Context(), key, contexts, contexts); return err },
		"Rewrap": func() error { _, _, err := k.Rewrap(t.Context(), key, contexts, wrapped); return err },
		"Status": func() error { _, err := k.Status(t.Context(), key); return err },
		"Rotate": func() error { _, err := k.Rotate(t.Context(), key); return err },
		"Ping":   func() error { return k.Ping(t.Context()) },
	} {
		if err := call(); !errors.Is(err, transit.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.Continue()
	recovers(t, open)
	mustOpen(t, k, key, contexts, wrapped)
	if n := j.of("vault breaker"); n < 2 {
		t.Errorf("the breaker moved %d times", n)
	}
}

func TestSealed(t *testing.T) {
	t.Parallel()
	s := transittest.StartOwn(t, transittest.Options{})
	k := s.KEK(t)
	key := newKey(t, k, "acme")
	contexts, wrapped := wrap(t, k, key, 1)
	s.Seal()
	open := func() error {
		_, _, err := k.Unwrap(t.Context(), key, contexts, wrapped)
		return err
	}
	if err := open(); !errors.Is(err, transit.ErrUnavailable) || errors.Is(err, transit.ErrDenied) {
		t.Errorf("sealed: %v", err)
	}
	if err := k.Ping(t.Context()); !errors.Is(err, transit.ErrUnavailable) {
		t.Errorf("Ping: %v", err)
	}
	s.Unseal()
	recovers(t, open)
	mustOpen(t, k, key, contexts, wrapped)
}

// What was wrapped before Vault was killed opens after it is back.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := transittest.StartOwn(t, transittest.Options{Dir: dir})
	k := s.KEK(t)
	key := newKey(t, k, "acme")
	contexts, wrapped := wrap(t, k, key, 1)
	s.Kill()
	open := func() error {
		_, _, err := k.Unwrap(t.Context(), key, contexts, wrapped)
		return err
	}
	if err := open(); !errors.Is(err, transit.ErrUnavailable) {
		t.Errorf("killed: %v", err)
	}
	transittest.StartOwn(t, transittest.Options{Dir: dir, Addr: strings.TrimPrefix(s.Address, "http://")})
	recovers(t, open)
	mustOpen(t, k, key, contexts, wrapped)
}

// canary stands in every answer of the false Vaults below, and in no error.
const canary = "canary-of-vault"

// good is a wrapped key as Vault would write it.
var good = "vault:v1:" + strings.Repeat("QUJD", 16)

// against returns a client of a false Vault that answers all with answer, and how
// many requests that got.
func against(t *testing.T, answer http.HandlerFunc, logs *journal) (*transit.KEK, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	ended := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		select {
		case <-ended:
		default:
			answer(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(ended) })
	k := transittest.New(t, transit.Config{
		Address: srv.URL, Auth: transit.Auth{Token: "canary-token"}, Logger: logs.logger(), Now: time.Now,
		Timeout: 500 * time.Millisecond,
	})
	return k, &n
}

func text(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func results(items ...string) string {
	return `{"request_id":"` + canary + `","data":{"batch_results":[` + strings.Join(items, ",") + `]}}`
}

// Whatever goes wrong is ErrUnavailable with nothing of Vault's text in error or
// log (I14), and is sent again only where that can help.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		op     string // "decrypt" unless said otherwise
		sent   int64  // requests
	}{
		{"500", text(500, `{"errors":["`+canary+`"]}`), "", 3},
		{"502 of a proxy", text(502, `<html>`+canary), "", 3},
		{"503 sealed", text(503, `{"errors":["Vault is sealed `+canary+`"]}`), "", 3},
		{"500 with results", text(500, results(`{"error":"`+canary+`"}`)), "", 3},
		{"429", text(429, `{"errors":["`+canary+`"]}`), "", 3},
		{"reset", func(w http.ResponseWriter, _ *http.Request) { reset(t, w, "") }, "", 3},
		{"reset after half an answer", func(w http.ResponseWriter, _ *http.Request) {
			reset(t, w, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"+`{"data":{"batch_results":[{"plaintext":"QUJD`)
		}, "", 3},
		{"no HTTP", func(w http.ResponseWriter, _ *http.Request) { reset(t, w, canary+"\r\n\r\n") }, "", 3},
		{"a status that is none", func(w http.ResponseWriter, _ *http.Request) { reset(t, w, "HTTP/1.1 "+canary+"\r\n\r\n") }, "", 3},
		{"slow", func(_ http.ResponseWriter, r *http.Request) { hang(r) }, "", 1},
		{"slow body", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			_, _ = w.Write([]byte(`{"data":`))
			_ = http.NewResponseController(w).Flush()
			hang(r)
		}, "", 1},
		{"401", text(401, canary), "", 1},
		{"404", text(404, `{"errors":["no handler for route `+canary+`"]}`), "", 2}, // and the key is looked for
		{"400 without results", text(400, `{"errors":["`+canary+`"]}`), "", 2},
		{"403", text(403, `{"errors":["`+canary+`"]}`), "", 2},
		{"empty 200", text(200, ""), "", 1},
		{"empty 204", text(204, ""), "", 1},
		{"a page", text(200, "<html>"+canary), "", 1},
		{"null", text(200, "null"), "", 1},
		{"another shape", text(200, `{"data":{"plaintext":"QUJD"}}`), "", 1},
		{"no results", text(200, results()), "", 1},
		{"too many results", text(200, results(`{"plaintext":"QUJD"}`, `{"plaintext":"QUJD"}`)), "", 1},
		{"results that are no list", text(200, `{"data":{"batch_results":"`+canary+`"}}`), "", 1},
		{"plaintext that is no base64", text(200, results(`{"plaintext":"`+canary+`"}`)), "", 1},
		{"plaintext of loose base64", text(200, results(`{"plaintext":"QUJ"}`)), "", 1},
		{"plaintext with loose bits", text(200, results(`{"plaintext":"QUI/"}`+`,{"plaintext":"QR=="}`)), "", 1},
		{"plaintext that is a number", text(200, results(`{"plaintext":7}`)), "", 1},
		{"text behind the answer", text(200, results(`{"plaintext":"QUJD"}`)+canary), "", 1},
		{"an endless answer", endless, "", 1},
		{"an answer that says it is endless", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000000000000")
			endless(w, r)
		}, "", 1},
		{"rewrap: nothing", text(200, results(`{}`)), "rewrap", 1},
		{"rewrap: v01", text(200, results(`{"ciphertext":"vault:v01:`+good[9:]+`"}`)), "rewrap", 1},
		{"rewrap: another version", text(200, results(`{"ciphertext":"`+good+`","key_version":2}`)), "rewrap", 1},
		{"rewrap: no ciphertext", text(200, results(`{"ciphertext":"`+canary+`"}`)), "rewrap", 1},
		{"rewrap: a plaintext", text(200, results(`{"plaintext":"QUJD"}`)), "rewrap", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var j journal
			k, n := against(t, tt.answer, &j)
			call := k.Unwrap
			var out any
			var errs []error
			var err error
			if tt.op == "rewrap" {
				out, errs, err = k.Rewrap(t.Context(), "acme", [][]byte{place(0)}, []string{good})
			} else {
				out, errs, err = call(t.Context(), "acme", [][]byte{place(0)}, []string{good})
			}
			if !errors.Is(err, transit.ErrUnavailable) || errors.Is(err, transit.ErrNoKey) || errs != nil {
				t.Errorf("%v, items %v", err, errs)
			}
			if s := fmt.Sprint(out); s != "[]" {
				t.Errorf("there is a result: %d bytes", len(s))
			}
			if got := n.Load(); got != tt.sent {
				t.Errorf("%d requests, not %d", got, tt.sent)
			}
			if said := fmt.Sprint(err) + j.String(); strings.Contains(said, canary) || strings.Contains(said, "canary-token") || strings.Contains(said, "QUJD") {
				t.Errorf("said too much: %s", said)
			}
		})
	}
}

func reset(t *testing.T, w http.ResponseWriter, before string) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = c.Write([]byte(before))
	if tcp, ok := c.(*net.TCPConn); ok && before == "" {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// hang waits for the client to go.
func hang(r *http.Request) {
	buf := make([]byte, 512)
	for {
		if _, err := r.Body.Read(buf); err != nil {
			break
		}
	}
	<-r.Context().Done()
}

func endless(w http.ResponseWriter, _ *http.Request) {
	chunk := bytes.Repeat([]byte(`{"data":"`+canary+`"},`), 1000)
	for {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// Wrap fails as a whole, and looks at the key first.
func TestWrapFaults(t *testing.T) {
	t.Parallel()
	key := `{"data":{"type":"aes256-gcm96","derived":true,"latest_version":1}}`
	for name, answer := range map[string]string{
		"an item's error":       results(`{"ciphertext":"`+good+`"}`, `{"error":"`+canary+`"}`),
		"fewer":                 results(`{"ciphertext":"` + good + `"}`),
		"one empty":             results(`{"ciphertext":"`+good+`"}`, `{}`),
		"one of a strange form": results(`{"ciphertext":"`+good+`"}`, `{"ciphertext":"vault:v+1:`+good[9:]+`"}`),
		"plaintext":             results(`{"plaintext":"QUJD"}`, `{"plaintext":"QUJD"}`),
	} {
		t.Run(name, func(t *testing.T) {
			k, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					text(200, key)(w, r)
				} else {
					text(200, answer)(w, r)
				}
			}, &journal{})
			got, err := k.Wrap(t.Context(), "acme", [][]byte{place(0), place(1)}, [][]byte{plain(0), plain(1)})
			if err == nil || got != nil || strings.Contains(err.Error(), canary) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	for name, answer := range map[string]string{"garbage": "<html>", "no version": `{"data":{"type":"aes256-gcm96","derived":true}}`, "nothing": ""} {
		k, n := against(t, text(200, answer), &journal{})
		if _, err := k.Wrap(t.Context(), "acme", [][]byte{place(0)}, [][]byte{plain(0)}); !errors.Is(err, transit.ErrUnavailable) || n.Load() != 1 {
			t.Errorf("%s for the key: %v, %d requests", name, err, n.Load())
		}
	}
}

// A rotation is sent once: sent again, it could be done twice.
func TestRotateIsSentOnce(t *testing.T) {
	t.Parallel()
	var rotations atomic.Int64
	k, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			text(200, `{"data":{"type":"aes256-gcm96","derived":true,"latest_version":1}}`)(w, r)
			return
		}
		rotations.Add(1)
		text(500, canary)(w, r)
	}, &journal{})
	if _, err := k.Rotate(t.Context(), "acme"); !errors.Is(err, transit.ErrUnavailable) {
		t.Error(err)
	}
	if n := rotations.Load(); n != 1 {
		t.Errorf("%d rotations", n)
	}
}

// After three calls that failed, the next are not sent; later one is, and when it
// succeeds all are.
func TestBreaker(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	down.Store(true)
	var j journal
	k, n := against(t, func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			text(500, "")(w, r)
			return
		}
		text(200, results(`{"plaintext":"QUJD"}`))(w, r)
	}, &j)
	open := func() error {
		_, _, err := k.Unwrap(t.Context(), "acme", [][]byte{place(0)}, []string{good})
		return err
	}
	for range 3 {
		if err := open(); !errors.Is(err, transit.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	sent := n.Load()
	for range 10 {
		if err := open(); !errors.Is(err, transit.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	// At most one probe, should the machine have slept for a second meanwhile.
	if more := n.Load() - sent; more > 3 {
		t.Errorf("%d requests through an open breaker", more)
	}
	down.Store(false)
	recovers(t, open)
	for range 10 {
		if err := open(); err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(j.String(), `"state":"open"`) || !strings.Contains(j.String(), `"state":"closed"`) {
		t.Errorf("the log does not say so: %s", j.String())
	}
}

// What Vault refuses is no fault of Vault's: the breaker stays closed.
func TestRefusalsDoNotBreak(t *testing.T) {
	t.Parallel()
	k, n := against(t, text(403, ""), &journal{})
	for range 10 {
		if err := k.Ping(t.Context()); !errors.Is(err, transit.ErrDenied) {
			t.Fatal(err)
		}
	}
	if n.Load() != 10 {
		t.Errorf("%d requests", n.Load())
	}
}

// Redirects are not followed: the other server gets no request and no token.
func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	var other atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		other.Add(1)
		_, _ = w.Write([]byte(results(`{"plaintext":"QUJD"}`)))
	}))
	defer srv.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		k, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, srv.URL+r.URL.Path, status)
		}, &journal{})
		if _, _, err := k.Unwrap(t.Context(), "acme", [][]byte{place(0)}, []string{good}); !errors.Is(err, transit.ErrUnavailable) {
			t.Errorf("%d: Unwrap: %v", status, err)
		}
		if _, err := k.Status(t.Context(), "acme"); !errors.Is(err, transit.ErrUnavailable) {
			t.Errorf("%d: Status: %v", status, err)
		}
		_, err := transit.New(t.Context(), transit.Config{
			Address: redirecting(t, srv.URL, status), Now: time.Now,
			Auth: transit.Auth{AppRole: &transit.AppRole{RoleID: "r", SecretID: "s"}},
		})
		if !errors.Is(err, transit.ErrUnavailable) {
			t.Errorf("%d: login: %v", status, err)
		}
	}
	if n := other.Load(); n != 0 {
		t.Errorf("the other server got %d requests", n)
	}
}

func redirecting(t *testing.T, to string, status int) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, to+r.URL.Path, status)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// Nothing is taken from the environment that Vault's own tools read.
func TestEnvironmentIsIgnored(t *testing.T) {
	var stray atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stray.Add(1) }))
	defer other.Close()
	for name, value := range map[string]string{
		"VAULT_ADDR": other.URL, "VAULT_AGENT_ADDR": other.URL, "VAULT_TOKEN": "stray", "VAULT_NAMESPACE": "stray",
		"VAULT_HEADERS": `{"X-Stray":"stray"}`, "VAULT_SKIP_VERIFY": "true", "VAULT_MAX_RETRIES": "9",
		"VAULT_PROXY_ADDR": other.URL, "VAULT_HTTP_PROXY": other.URL, "HTTP_PROXY": other.URL, "VAULT_WRAP_TTL": "1h",
	} {
		t.Setenv(name, value)
	}
	headers := make(chan http.Header, 1)
	k, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
		headers <- r.Header.Clone()
		text(200, results(`{"plaintext":"QUJD"}`))(w, r)
	}, &journal{})
	if _, _, err := k.Unwrap(t.Context(), "acme", [][]byte{place(0)}, []string{good}); err != nil {
		t.Fatal(err)
	}
	h := <-headers
	for name, want := range map[string]string{
		"X-Vault-Token": "canary-token", "X-Vault-Namespace": "", "X-Stray": "", "X-Vault-Wrap-Ttl": "", "X-Vault-Request": "true",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if stray.Load() != 0 {
		t.Error("a server that the environment names got a request")
	}
}
