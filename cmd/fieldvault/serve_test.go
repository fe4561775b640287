package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestServeSaysWhereOnceReady(t *testing.T) {
	in := install(t)
	s := in.serve(t)
	var object map[string]string
	if err := json.Unmarshal(s.line, &object); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"metrics_url", "url"}, slices.Sorted(maps.Keys(object))); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if status, body := s.do(t, http.MethodGet, s.URL+"/readyz", "", "", ""); status != http.StatusOK {
		t.Errorf("readyz: %d %s", status, body)
	}
	if log := s.stderr.String(); !strings.Contains(log, `"msg":"serving"`) || !strings.Contains(log, `"fips140":"`) {
		t.Errorf("the log does not say where it serves and in which mode: %s", log)
	}
	token := in.token(t, "app")
	const record = "/v1/subjects/c-1/records/customer/self"
	if status, body := s.do(t, http.MethodPut, s.URL+record, token, "", `{"fields":{"email":"a@example.org"}}`); status != http.StatusCreated {
		t.Fatalf("put: %d %s", status, body)
	}
	status, body := s.do(t, http.MethodGet, s.URL+record+"?fields=email", in.token(t, "billing"), "billing", "")
	if status != http.StatusOK || !strings.Contains(body, "a@example.org") {
		t.Errorf("get: %d %s", status, body)
	}
	s.end(t)
}

func TestMetricsAreApart(t *testing.T) {
	s := install(t).serve(t)
	if status, body := s.do(t, http.MethodGet, s.Metrics, "", "", ""); status != http.StatusOK || !strings.Contains(body, "fieldvault_kek_requests_total") {
		t.Errorf("metrics: %d %s", status, body)
	}
	if status, _ := s.do(t, http.MethodGet, s.URL+"/metrics", "", "", ""); status != http.StatusNotFound {
		t.Errorf("the API's listener answers /metrics with %d", status)
	}
	side := strings.TrimSuffix(s.Metrics, "/metrics")
	for _, path := range []string{"/", "/healthz", "/v1/catalog", "/debug/pprof/"} {
		if status, _ := s.do(t, http.MethodGet, side+path, "", "", ""); status != http.StatusNotFound {
			t.Errorf("the metrics' listener answers %s with %d", path, status)
		}
	}
}

func TestMetricsMayBeSwitchedOff(t *testing.T) {
	s := install(t).serve(t, "--metrics-listen", "")
	if s.Metrics != "" {
		t.Errorf("metrics are at %s", s.Metrics)
	}
}

// underWay begins a PUT whose body is not whole yet. The server has begun to
// read it when underWay returns.
func underWay(t *testing.T, s *server, token string) (conn net.Conn, in *bufio.Reader, rest string) {
	t.Helper()
	const body = `{"fields":{"email":"a@example.org"}}`
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "PUT /v1/subjects/c-1/records/customer/self HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", token, len(body))
	in = bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q %v", line, err)
	}
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, body[:10]); err != nil {
		t.Fatal(err)
	}
	return conn, in, body[10:]
}

// refused waits until nobody listens any more.
func refused(t *testing.T, url string) {
	t.Helper()
	addr := strings.TrimPrefix(url, "http://")
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var d net.Dialer
		c, err := d.DialContext(t.Context(), "tcp", addr)
		if err != nil {
			return
		}
		_ = c.Close()
	}
	t.Fatal("new connections are accepted still")
}

func TestRequestsUnderWayFinish(t *testing.T) {
	in := install(t)
	s := in.serve(t)
	conn, r, rest := underWay(t, s, in.token(t, "app"))
	s.stop()
	refused(t, s.URL)
	select {
	case code := <-s.ended:
		t.Fatalf("it ended with code %d while a request was under way", code)
	default:
	}
	if _, err := io.WriteString(conn, rest); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("the request that was under way got %d", resp.StatusCode)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = conn.Close()
	if code := s.wait(t); code != 0 {
		t.Errorf("exit code %d: %s", code, s.stderr)
	}
	// What was answered is stored.
	in.run(t, "fsck")
	if out := in.run(t, "fsck"); !strings.HasPrefix(out, "1 people, 1 records") {
		t.Error(out)
	}
}

func TestRequestsThatDoNotFinishAreCutOff(t *testing.T) {
	in := install(t)
	s := in.serve(t, "--shutdown", "50ms")
	conn, _, _ := underWay(t, s, in.token(t, "app"))
	s.stop()
	if code := s.wait(t); code != 0 {
		t.Errorf("exit code %d: %s", code, s.stderr)
	}
	if !strings.Contains(s.stderr.String(), "cut off") {
		t.Errorf("the log does not say so: %s", s.stderr)
	}
	_ = conn.Close()
}

// Background work that fails ends the service, so that somebody starts it again,
// and all of it.
func TestServeAllEndsWhenAPartFails(t *testing.T) {
	broken := errors.New("broken")
	var lc net.ListenConfig
	n, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	other := make(chan struct{})
	l := &listener{name: "test", server: &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: patience}, net: n}
	err = serveAll(ctx, slog.New(slog.DiscardHandler), patience, []*listener{l}, []func(context.Context) error{
		func(context.Context) error { return broken },
		func(ctx context.Context) error { <-ctx.Done(); close(other); return nil },
	})
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	select {
	case <-other:
	default:
		t.Error("other work goes on")
	}
	refused(t, "http://"+n.Addr().String())
}

func TestServeAllEndsWhenAListenerFails(t *testing.T) {
	var lc net.ListenConfig
	n, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	l := &listener{name: "the API", server: &http.Server{ReadHeaderTimeout: patience}, net: n}
	err = serveAll(t.Context(), slog.New(slog.DiscardHandler), patience, []*listener{l}, nil)
	if err == nil || !strings.Contains(err.Error(), "serving the API") {
		t.Errorf("%v", err)
	}
}
