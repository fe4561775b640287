package notify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/vault/notify"
)

var secret = bytes.Repeat([]byte("s3cr3t-"), 5)

// A receiver keeps what arrived and answers as it is told.
type receiver struct {
	answer func(w http.ResponseWriter, r *http.Request, n int) // n: the how-manieth request, from 1

	mu   sync.Mutex
	got  []arrival
	fail []error // of Check
}

type arrival struct {
	at     time.Time
	id     string
	body   string
	header http.Header
}

func (rc *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	rc.mu.Lock()
	rc.got = append(rc.got, arrival{time.Now(), r.Header.Get("webhook-id"), string(body), r.Header.Clone()})
	n := len(rc.got)
	if err := errors.Join(err, notify.Check(secret, r.Header, body, time.Now())); err != nil {
		rc.fail = append(rc.fail, err)
	}
	rc.mu.Unlock()
	if rc.answer != nil {
		rc.answer(w, r, n)
	}
}

func (rc *receiver) arrivals(t *testing.T) []arrival {
	t.Helper()
	rc.mu.Lock()
	defer rc.mu.Unlock()
	for _, err := range rc.fail {
		t.Errorf("what arrived does not pass: %v", err)
	}
	return rc.got
}

func (rc *receiver) ids(t *testing.T) string {
	t.Helper()
	var ids []string
	for _, a := range rc.arrivals(t) {
		ids = append(ids, a.id)
	}
	return fmt.Sprint(ids)
}

// status answers with one status after the other, and the last one for ever.
func status(codes ...int) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, _ *http.Request, n int) { w.WriteHeader(codes[min(n, len(codes))-1]) }
}

// A wire is a network in memory, on which time stands still while nothing happens.
type wire struct {
	calls chan net.Conn
	down  chan struct{}
}

func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.calls:
		return c, nil
	case <-w.down:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error   { close(w.down); return nil }
func (w *wire) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (w *wire) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case w.calls <- there:
		return here, nil
	case <-w.down:
		return nil, &net.OpError{Op: "dial", Err: errors.New("canary: refused")}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve lets h answer on a wire and returns a client of it.
func serve(t *testing.T, h http.Handler) (*http.Client, *wire) {
	t.Helper()
	w := &wire{calls: make(chan net.Conn), down: make(chan struct{})}
	srv := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go srv.Serve(w) //nolint:errcheck // it says that it was closed
	tr := &http.Transport{DialContext: w.dial}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		srv.Close() //nolint:errcheck // the wire has no errors
	})
	return &http.Client{Transport: tr}, w
}

const here = "http://127.0.0.1/hooks/path-canary?token=query-canary"

// sender makes a sender to a receiver on a wire.
func sender(t *testing.T, rc *receiver, edit ...func(*notify.Config)) *notify.Sender {
	t.Helper()
	hc, _ := serve(t, rc)
	cfg := notify.Config{
		URL: here, Secret: secret, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Client: hc,
		Jitter: func(d time.Duration) time.Duration { return d },
	}
	for _, f := range edit {
		f(&cfg)
	}
	s, err := notify.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs a sender and returns what stops it and waits for it.
func run(t *testing.T, s *notify.Sender) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// send queues messages with these ids.
func send(t *testing.T, s *notify.Sender, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := s.Send(id, "test.kind", []byte(`{"of":"`+id+`"}`)); err != nil {
			t.Errorf("Send %s: %v", id, err)
		}
	}
}

func wantStats(t *testing.T, s *notify.Sender, want notify.Stats) {
	t.Helper()
	if got := s.Stats(); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

// logTo makes a sender log to b.
func logTo(b io.Writer) func(*notify.Config) {
	return func(c *notify.Config) { c.Logger = slog.New(slog.NewTextHandler(b, nil)) }
}
