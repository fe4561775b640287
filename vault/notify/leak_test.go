package notify_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldvault/fieldvault/vault/notify"
)

// once runs a sender to a real address until one message is delivered or given up.
func once(t *testing.T, cfg notify.Config) notify.Stats {
	t.Helper()
	cfg.Secret, cfg.Now, cfg.Attempts = secret, time.Now, 1
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := notify.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	send(t, s, "a")
	run(t, s)()
	return s.Stats()
}

// TestARedirectIsNeverFollowed: not by the client that was given either.
func TestARedirectIsNeverFollowed(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		var elsewhere atomic.Int64
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
		var asked atomic.Int64
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			if len(r.Cookies()) > 0 {
				t.Error("a cookie was kept")
			}
			http.SetCookie(w, &http.Cookie{Name: "c", Value: "v"})
			http.Redirect(w, r, other.URL, code)
		}))
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		follows := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }, Jar: jar}
		for _, hc := range []*http.Client{nil, follows, follows} {
			if got := once(t, notify.Config{URL: srv.URL, Client: hc}); got != (notify.Stats{Failed: 1}) {
				t.Errorf("%d: %+v", code, got)
			}
		}
		if elsewhere.Load() != 0 || asked.Load() != 3 {
			t.Errorf("%d: %d requests went elsewhere, %d where they should", code, elsewhere.Load(), asked.Load())
		}
		srv.Close()
		other.Close()
	}
}

func TestTLSIsVerified(t *testing.T) {
	var rc receiver
	srv := httptest.NewTLSServer(&rc)
	defer srv.Close()
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	var log bytes.Buffer
	if got := once(t, notify.Config{URL: srv.URL, Logger: slog.New(slog.NewTextHandler(&log, nil))}); got.Failed != 1 {
		t.Errorf("an unknown authority was believed: %+v", got)
	}
	if !strings.Contains(log.String(), "the certificate of the receiver does not verify") {
		t.Errorf("the log does not say why:\n%s", &log)
	}
	if n := len(rc.arrivals(t)); n != 0 {
		t.Errorf("%d messages reached a stranger", n)
	}
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	if got := once(t, notify.Config{URL: srv.URL, Roots: roots}); got.Delivered != 1 {
		t.Errorf("with its authority: %+v", got)
	}
	if got := rc.ids(t); got != "[a]" {
		t.Errorf("arrived: %s", got)
	}
}

func TestNewRefusesGaps(t *testing.T) {
	good := notify.Config{URL: "https://hooks.example.org/a?b=c", Secret: secret, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
	for name, edit := range map[string]func(*notify.Config){
		"no address":           func(c *notify.Config) { c.URL = "" },
		"no host":              func(c *notify.Config) { c.URL = "https:///canary" },
		"only a port":          func(c *notify.Config) { c.URL = "https://:443/canary" },
		"opaque":               func(c *notify.Config) { c.URL = "https:hooks.example.org/canary" },
		"no scheme":            func(c *notify.Config) { c.URL = "hooks.example.org/canary" },
		"other scheme":         func(c *notify.Config) { c.URL = "ftp://hooks.example.org/canary" },
		"in the clear":         func(c *notify.Config) { c.URL = "http://hooks.example.org/canary" },
		"in the clear, near":   func(c *notify.Config) { c.URL = "http://10.0.0.1/canary" },
		"almost this machine":  func(c *notify.Config) { c.URL = "http://localhost.example.org/canary" },
		"user":                 func(c *notify.Config) { c.URL = "https://canary@hooks.example.org" },
		"user and password":    func(c *notify.Config) { c.URL = "https://u:canary@hooks.example.org" },
		"user of this machine": func(c *notify.Config) { c.URL = "http://canary@localhost" },
		"fragment":             func(c *notify.Config) { c.URL = "https://hooks.example.org/#canary" },
		"broken":               func(c *notify.Config) { c.URL = "https://hooks.example.org/%zz/canary" },
		"control":              func(c *notify.Config) { c.URL = "https://hooks.example.org/canary\n" },
		"no secret":            func(c *notify.Config) { c.Secret = nil },
		"short secret":         func(c *notify.Config) { c.Secret = secret[:notify.MinSecret-1] },
		"no clock":             func(c *notify.Config) { c.Now = nil },
		"no log":               func(c *notify.Config) { c.Logger = nil },
		"attempts":             func(c *notify.Config) { c.Attempts = -1 },
		"queue":                func(c *notify.Config) { c.Queue = -1 },
		"two transports":       func(c *notify.Config) { c.Client, c.Roots = &http.Client{}, x509.NewCertPool() },
		"TLS not verified": func(c *notify.Config) {
			c.Client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		},
	} {
		cfg := good
		edit(&cfg)
		if s, err := notify.New(cfg); err == nil || s != nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error tells the address: %v", name, err)
		}
	}
	for _, u := range []string{good.URL, "http://localhost:8080", "http://127.0.0.1/x?y", "http://[::1]:80", "https://10.0.0.1"} {
		cfg := good
		cfg.URL = u
		if _, err := notify.New(cfg); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
}

// TestTheLogTellsNothing: of path and query, of an answer, of a body, of the secret.
func TestTheLogTellsNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		answer string // raw; empty: the connection is closed
		status string // what the log may tell of it
	}{
		"refused":   {"HTTP/1.1 400 canary\r\nX-Canary: canary\r\nContent-Length: 6\r\n\r\ncanary", "status=400"},
		"failed":    {"HTTP/1.1 500 canary\r\nRetry-After: canary\r\nContent-Length: 6\r\n\r\ncanary", "status=500"},
		"redirect":  {"HTTP/1.1 302 canary\r\nLocation: https://canary.example.org/canary\r\nContent-Length: 0\r\n\r\n", "status=302"},
		"bad place": {"HTTP/1.1 302 canary\r\nLocation: %canary\r\nContent-Length: 0\r\n\r\n", "status=302"},
		"no HTTP":   {"canary canary canary\r\n\r\n", "status=0"},
		"no status": {"HTTP/1.1 canary canary\r\n\r\n", "status=0"},
		"bad head":  {"HTTP/1.1 200 OK\r\ncanary\r\n\r\n", "status=0"},
		"big head":  {"HTTP/1.1 200 OK\r\nX-Canary: " + strings.Repeat("canary", 1<<19) + "\r\n\r\n", "status=0"},
		"nothing":   {"", "status=0"},
	} {
		t.Run(name, func(t *testing.T) {
			addr := listen(t, tc.answer)
			var log bytes.Buffer
			got := once(t, notify.Config{
				URL: "http://" + addr + "/canary?token=canary", Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if got != (notify.Stats{Failed: 1}) {
				t.Errorf("stats %+v", got)
			}
			text := log.String()
			if strings.Contains(strings.ToLower(text), "canary") || strings.Contains(text, string(secret)) || strings.Contains(text, `"of"`) {
				t.Errorf("the log tells too much:\n%s", text)
			}
			if !strings.Contains(text, tc.status) || !strings.Contains(text, "host="+addr) || !strings.Contains(text, "id=a kind=test.kind") {
				t.Errorf("the log tells too little:\n%s", text)
			}
		})
	}
}

// listen answers one raw text to every connection.
func listen(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				req := make([]byte, 4096)
				if _, err := c.Read(req); err == nil {
					_, _ = io.WriteString(c, answer)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// TestAnEndlessAnswerIsCutOff: the status counts, and the rest is not read.
func TestAnEndlessAnswerIsCutOff(t *testing.T) {
	var wrote atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			n, err := w.Write(make([]byte, 4096))
			if err != nil {
				return
			}
			wrote.Add(int64(n))
		}
	}))
	defer srv.Close()
	began := time.Now()
	if got := once(t, notify.Config{URL: srv.URL}); got.Delivered != 1 {
		t.Errorf("stats %+v", got)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v, and %d bytes", took, wrote.Load())
	}
}

// TestAReceiverThatIsNotThereIsTriedAgain: a broken network is a reason to wait.
func TestAReceiverThatIsNotThereIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rc receiver
		hc, w := serve(t, &rc)
		dials := 0
		hc.Transport = &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials++; dials < 4 {
				return nil, &net.OpError{Op: "dial", Err: errors.New("canary")}
			}
			return w.dial(ctx, network, addr)
		}}
		var log bytes.Buffer
		s := sender(t, &rc, logTo(&log), func(c *notify.Config) { c.Client = hc })
		stop := run(t, s)
		send(t, s, "a")
		time.Sleep(time.Minute)
		stop()
		wantStats(t, s, notify.Stats{Delivered: 1})
		if text := log.String(); dials != 4 || strings.Count(text, "the receiver cannot be reached") != 3 || strings.Contains(text, "canary") {
			t.Errorf("%d dials:\n%s", dials, text)
		}
	})
}
