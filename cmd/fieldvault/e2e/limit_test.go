//go:build e2e

package e2e_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func limitCases() []testCase {
	return []testCase{
		{name: "X01_pages", run: pages},
		{name: "X02_forwarded_for_does_not_move_the_limit", run: forwardedFor, long: true},
		{name: "X03_metacharacters_are_stored_verbatim", run: metacharacters},
		{name: "X04_bodies_that_are_too_much", run: tooMuch, long: true},
		{name: "X05_bodies_that_never_end", run: endlessBodies, long: true},
		{name: "X06_slow_connections", run: slowConnections},
		{name: "X07_a_thousand_reads_of_one_cold_person", run: thousandColdReads, long: true},
		{name: "X08_wrong_input_is_named_and_never_shown", run: wrongInput},
		{name: "X09_requests_that_are_none", run: noRequests},
		{name: "X10_cold_reads_that_wait_for_vault", run: waitingColdReads},
	}
}

func pages(t *testing.T, w *world) {
	app := w.token(t, "app")
	for i := range 5 {
		w.do(t, call{token: app, method: "PUT", path: recordPath("x01", "customer", fmt.Sprint("r", i)), body: fields{"fields": fields{"city": "Oslo"}}}).want(t, "storing", "201")
	}
	path := "/v1/subjects/x01/records"
	for _, limit := range []string{"-1", "1000000000", "99999999999999999999", "1.5", "x", "0x10", "1e9", "+1", "%201", "NaN", "1001"} {
		a := w.do(t, call{token: app, purpose: "support", path: path + "?limit=" + limit})
		if a.String() != "400 invalid" && a.status != http.StatusOK {
			t.Errorf("limit=%s: %s", limit, a)
		}
		if a.status == http.StatusOK && bytes.Count(a.body, []byte(`"record"`)) > 5 {
			t.Errorf("limit=%s: more records than there are", limit)
		}
	}
	if a := w.do(t, call{token: app, purpose: "support", path: path + "?limit=-1"}); a.status != http.StatusBadRequest {
		t.Errorf("limit=-1: %s", a)
	}
	seen, cursor := map[string]int{}, ""
	for range 10 {
		var page struct {
			Records []struct{ Record string }
			Cursor  string
		}
		w.do(t, call{token: app, purpose: "support", path: path + "?limit=2" + cursor}).want(t, "a page", "200").decode(t, &page)
		for _, r := range page.Records {
			seen[r.Record]++
		}
		if page.Cursor == "" {
			break
		}
		if strings.Contains(page.Cursor, "x01") || len(page.Cursor) > 1000 {
			t.Errorf("the cursor says too much: %s", page.Cursor)
		}
		cursor = "&cursor=" + url.QueryEscape(page.Cursor)
	}
	if len(seen) != 5 {
		t.Errorf("the pages hold %v", seen)
	}
	search := fields{"collection": "customer", "field": "email", "equals": "x@example.org"}
	for _, limit := range []any{-1, 1e9, 1.5, "10", nil} {
		search["limit"] = limit
		a := w.do(t, call{token: app, purpose: "support", method: "POST", path: "/v1/search", body: search})
		if a.status >= 500 {
			t.Errorf("a search with limit %v: %s", limit, a)
		}
	}
}

// One principal is slowed down, wherever its requests say that they come from, and
// nobody else is.
func forwardedFor(t *testing.T, w *world) {
	// A process of its own, with limits that the slowest machine exceeds.
	at := w.with(t, "--limits-rate", "1", "--limits-burst", "40")
	token, path := w.token(t, "support", named("flood")), "/v1/subjects/c-7/records"
	var mu sync.Mutex
	statuses := map[int]int{}
	var refused answer
	deadline := time.Now().Add(patience)
	for statuses[http.StatusTooManyRequests] == 0 && time.Now().Before(deadline) {
		var all sync.WaitGroup
		for worker := range 32 {
			all.Go(func() {
				for i := range 60 {
					from := fmt.Sprintf("10.%d.%d.1", worker, i)
					a, err := w.try(t, at, call{token: token, path: path, header: map[string]string{
						"X-Forwarded-For": from, "X-Real-IP": from, "Forwarded": "for=" + from, "True-Client-IP": from, "CF-Connecting-IP": from,
					}})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					statuses[a.status]++
					if a.status == http.StatusTooManyRequests {
						refused = a
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
	}
	if statuses[http.StatusTooManyRequests] == 0 {
		t.Fatalf("nothing was refused: %v", statuses)
	}
	refused.want(t, "refused", "429 rate_limited")
	if refused.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	calm := call{token: w.token(t, "support", named("calm")), purpose: "support", path: recordPath("c-7", "customer", "self") + "?fields=country"}
	if a := w.at(t, at, calm); a.status == http.StatusTooManyRequests {
		t.Errorf("another principal: %s", a)
	}
}

func metacharacters(t *testing.T, w *world) {
	app := w.token(t, "app")
	for i, v := range []string{
		`Robert'); DROP TABLE record;--`, `' OR '1'='1`, `"; SELECT 1; --`, `\'; --`, `%_`, `$1`, `?1`, `{{.}}`, `<script>alert(1)</script>`, "tab\there",
		`\u0000`, `\x00`, `null`, `${jndi:ldap://x}`, "e\u0301", "é", "🎷", "مرحبا", `{"view":"plain"}`, "  padded  "[:9],
	} {
		name := fmt.Sprint("x03-", i)
		a := w.do(t, call{token: app, method: "PUT", path: recordPath(name, "customer", "self"), body: fields{"fields": fields{"city": v}}})
		if a.status == http.StatusBadRequest {
			if !strings.Contains(v, "\t") && strings.TrimSpace(v) == v {
				t.Errorf("%q is refused: %s", v, a.body)
			}
			continue
		}
		a.want(t, "storing", "201")
		if got := w.see(t, app, "support", name, "city"); got != "plain: "+v {
			t.Errorf("%q came back as %q", v, got)
		}
	}
	for _, v := range []string{`' OR 1=1 --`, `%`, `_`, `*`, `x' UNION SELECT * FROM subject --`} {
		a := w.do(t, call{token: app, purpose: "support", method: "POST", path: "/v1/search", body: fields{"collection": "customer", "field": "last_name", "equals": v}})
		if a.status != http.StatusOK && a.status != http.StatusBadRequest || bytes.Contains(a.body, []byte(`"subject"`)) {
			t.Errorf("searching %q: %s %s", v, a, a.body)
		}
	}
}

// spare is how much memory a refused request may cost at most, whatever it claims.
const spare = 400 << 20

func tooMuch(t *testing.T, w *world) {
	app := w.token(t, "app")
	before := w.proc.Peak(t)
	keys := func(n int) string {
		var b strings.Builder
		b.WriteString(`{"items":[],`)
		for i := range n {
			fmt.Fprintf(&b, `"k%d":1,`, i)
		}
		return strings.TrimSuffix(b.String(), ",") + "}"
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.CopyN(z, zeros{}, 64<<20)
	must(t, z.Close())
	put := recordPath("x04", "customer", "self")
	for what, c := range map[string]struct {
		c    call
		want []string
	}{
		"depth 10^5, lists":      {call{method: "PUT", path: put, body: strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)}, []string{"400 invalid"}},
		"depth 10^5, objects":    {call{method: "PUT", path: put, body: `{"fields":` + strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000) + "}"}, []string{"400 invalid"}},
		"depth 10^5, unfinished": {call{method: "POST", path: "/v1/records", body: strings.Repeat("[", 100_000)}, []string{"400 invalid"}},
		"10^6 keys":              {call{method: "POST", path: "/v1/records", body: keys(1_000_000)}, []string{"400 invalid"}},
		"10^6 keys, one record":  {call{method: "PUT", path: put, body: keys(1_000_000)}, []string{"413 too_large"}},
		"1 MiB and a byte":       {call{method: "PUT", path: put, body: `{"fields":{"city":"` + strings.Repeat("x", 1<<20) + `"}}`}, []string{"413 too_large"}},
		"16 MiB and a byte":      {call{method: "POST", path: "/v1/records", body: strings.Repeat(" ", 16<<20+1)}, []string{"413 too_large"}},
		"1,001 items":            {call{method: "POST", path: "/v1/reveal", purpose: "support", body: `{"items":[` + strings.Repeat(`{"subject":"a","collection":"customer","record":"r","fields":["city"]},`, 1000) + `{"subject":"a","collection":"customer","record":"r","fields":["city"]}]}`}, []string{"413 too_large"}},
		"a value over 64 KiB":    {call{method: "PUT", path: put, body: fields{"fields": fields{"city": strings.Repeat("x", 64<<10+1)}}}, []string{"400 invalid", "413 too_large"}},
		"gzip":                   {call{method: "PUT", path: put, body: zipped.String(), header: map[string]string{"Content-Encoding": "gzip"}}, []string{"415 unsupported"}},
		"gzip, unsaid":           {call{method: "PUT", path: put, body: zipped.String()}, []string{"400 invalid"}},
		"another media type":     {call{method: "PUT", path: put, body: `{"fields":{}}`, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, []string{"415 unsupported"}},
		"trailing data":          {call{method: "PUT", path: put, body: `{"fields":{"city":"x"}} {}`}, []string{"400 invalid"}},
		"an unknown key":         {call{method: "PUT", path: put, body: `{"fields":{"city":"x"},"admin":true}`}, []string{"400 invalid"}},
		"a key twice":            {call{method: "PUT", path: put, body: `{"fields":{"city":"x","city":"y"}}`}, []string{"400 invalid"}},
		"a key in two cases":     {call{method: "PUT", path: put, body: `{"fields":{"city":"x"},"Fields":{"city":"y"}}`}, []string{"400 invalid"}},
		"no UTF-8":               {call{method: "PUT", path: put, body: "{\"fields\":{\"city\":\"\xff\xfe\"}}"}, []string{"400 invalid"}},
		"a lone surrogate":       {call{method: "PUT", path: put, body: `{"fields":{"city":"\ud800"}}`}, []string{"400 invalid"}},
		"nothing":                {call{method: "PUT", path: put, body: ""}, []string{"400 invalid"}},
	} {
		c.c.token = app
		a := w.do(t, c.c)
		ok := false
		for _, want := range c.want {
			ok = ok || a.String() == want
		}
		if !ok {
			t.Errorf("%s: %s, want %v\n%.300s", what, a, c.want, a.body)
		}
	}
	if got := w.see(t, app, "support", "x04", "city"); got != "404 not_found" {
		t.Errorf("something was stored: %q", got)
	}
	w.memory(t, before)
}

func (w *world) memory(t *testing.T, before int64) {
	t.Helper()
	if grown := w.proc.Peak(t) - before; grown > spare {
		t.Errorf("the process grew by %d MiB", grown>>20)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// A counted reader says how much was taken of it.
type counted struct {
	io.Reader
	n atomic.Int64 // the transport may still read when the answer is there
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// endlessBodies sends bodies of 10 GiB and more, in chunks and with lengths that lie.
func endlessBodies(t *testing.T, w *world) {
	before, token := w.proc.Peak(t), w.token(t, "app")
	for _, path := range []string{"/v1/records", "/v1/reveal", recordPath("x05", "customer", "self")} {
		for _, tok := range []string{token, ""} {
			body := &counted{Reader: io.LimitReader(spaces{}, 10<<30)}
			method := http.MethodPost
			if strings.HasSuffix(path, "self") {
				method = http.MethodPut
			}
			a, err := w.try(t, w.url, call{token: tok, purpose: "support", method: method, path: path, body: body})
			switch {
			case err != nil && !closed(err):
				t.Errorf("%s: %v", path, err)
			case err == nil && tok != "" && a.String() != "413 too_large":
				t.Errorf("%s: %s", path, a)
			case err == nil && tok == "" && a.status != http.StatusUnauthorized && a.status != http.StatusTooManyRequests:
				t.Errorf("%s without a token: %s", path, a)
			}
			if n := body.n.Load(); n > 64<<20 {
				t.Errorf("%s took %d MiB", path, n>>20)
			}
		}
	}
	w.memory(t, before)
	if a := w.get(t, w.url+"/healthz"); a.status != http.StatusOK {
		t.Errorf("afterwards: %s", a)
	}
}

// closed says whether the server ended the connection before it had all of a body.
func closed(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "server closed")
}

type spaces struct{}

func (spaces) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// Connections that send a byte now and then do not keep others from being served.
func slowConnections(t *testing.T, w *world) {
	host := strings.TrimPrefix(w.url, "http://")
	head := "PUT " + recordPath("x06", "customer", "self") + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + w.token(t, "app", named("slow")) + "\r\n"
	for i := range 200 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", host)
		must(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		text := head[:len(head)-20] // in the middle of a header
		if i%2 == 0 {
			text = head + "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
		}
		_, err = conn.Write([]byte(text))
		must(t, err)
	}
	for range 20 {
		if got := w.see(t, w.token(t, "app"), "support", "c-8", "country"); got != "plain: Belgium" {
			t.Errorf("beside 200 slow connections: %q", got)
		}
	}
	if a := w.get(t, w.url+"/healthz"); a.status != http.StatusOK {
		t.Errorf("healthz: %s", a)
	}
}

// Concurrent misses of one key are one call.
func thousandColdReads(t *testing.T, w *world) {
	w.put(t, "x07", fields{"email": "x07@example.org"})
	w.restart(t)
	w.hears(t)
	tokens := make([]string, 4)
	for i := range tokens {
		tokens[i] = w.token(t, "app", named(fmt.Sprint("x07-", i)))
	}
	const items = "fieldvault_kek_items_total"
	before, beforeItems := w.kekRequests(t), w.metric(t, items)
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range 1000 {
		all.Go(func() {
			<-begin
			read := call{token: tokens[i%len(tokens)], purpose: "support", path: recordPath("x07", "customer", "self") + "?fields=email"}
			a, err := w.try(t, w.url, read)
			for range 100 { // a machine that is busy sends some away, as it says
				if err == nil && a.status != http.StatusServiceUnavailable {
					break
				}
				time.Sleep(100 * time.Millisecond)
				a, err = w.try(t, w.url, read)
			}
			if err != nil {
				t.Error(err)
			} else if a.status != http.StatusOK {
				t.Errorf("read %d: %s", i, a)
			}
		})
	}
	close(begin)
	all.Wait()
	if n := w.kekRequests(t) - before; n != 1 {
		t.Errorf("1,000 reads asked the key-encryption key %d times, want 1", n)
	}
	if n := w.metric(t, items) - beforeItems; n != 1 { // several could travel in one request
		t.Errorf("1,000 reads had %d keys opened, want 1", n)
	}
}

// Vault stands still until a hundred reads of one cold person wait for it: one key is
// unwrapped for all.
func waitingColdReads(t *testing.T, w *world) {
	if !w.production {
		return // the key file answers at once
	}
	w.put(t, "x10", fields{"email": "x10@example.org"})
	w.restart(t)
	w.hears(t)
	app := w.token(t, "app")
	const reads, items, misses = 100, "fieldvault_kek_items_total", "fieldvault_key_cache_misses_total"
	w.see(t, app, "support", "c-9", "email") // warm
	together := func(subject string, meanwhile func()) {
		var all sync.WaitGroup
		for range reads {
			all.Go(func() {
				a, err := w.try(t, w.url, call{token: app, purpose: "support", path: recordPath(subject, "customer", "self") + "?fields=email"})
				if err != nil || a.status != http.StatusOK {
					t.Errorf("a read: %s %v", a, err)
				}
			})
		}
		meanwhile()
		all.Wait()
	}
	together("c-9", func() {}) // opens connections
	before, missed := w.metric(t, items), w.metric(t, misses)
	w.vault.Stop()
	defer w.vault.Continue()
	together("x10", func() {
		defer w.vault.Continue()
		for deadline := time.Now().Add(patience); w.metric(t, misses)-missed < reads; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Error("the reads do not wait for a key")
				return
			}
		}
	})
	if n := w.metric(t, items) - before; n < 1 || n > 4 { // where this took long, a request was sent again
		t.Errorf("%d reads that waited had %d keys opened, want 1", reads, n)
	}
}

// Refused values are answered by field and rule.
func wrongInput(t *testing.T, w *world) {
	app, secret := w.token(t, "app"), w.canary("x08-")
	for field, value := range map[string]any{
		"email": secret + " is no address", "phone": secret, "nosuch": secret, secret: "x", "first_name": []string{secret}, "last_name": fields{secret: secret}, "city": 7391,
	} {
		for _, method := range []string{"PUT", "PATCH"} {
			a := w.do(t, call{token: app, method: method, path: recordPath("x08", "customer", "self"), body: fields{"fields": fields{field: value}}})
			if method == "PUT" || a.status != http.StatusNotFound {
				a.want(t, method+" of a wrong value", "400 invalid")
			}
			w.clean(t, "the refusal", a.body)
		}
	}
	a := w.do(t, call{token: app, method: "PUT", path: recordPath("x08", "customer", "self"), body: fields{"fields": fields{"email": "no address", "phone": "1"}}})
	var p struct {
		Fields []struct{ Field, Rule string }
	}
	a.decode(t, &p)
	if len(p.Fields) < 2 {
		t.Errorf("the refusal names %d fields: %s", len(p.Fields), a.body)
	}
	for what, c := range map[string]call{
		"search":  {method: "POST", path: "/v1/search", body: fields{"collection": "customer", "field": secret, "equals": secret}},
		"decrypt": {method: "POST", path: "/v1/decrypt", body: fields{"items": []any{fields{"subject": "x08", "field": "customer.email", "ciphertext": "fv1:" + secret}}}},
		"cursor":  {path: "/v1/subjects/c-2/records?cursor=" + secret},
		"fields":  {path: recordPath("c-2", "customer", "self") + "?fields=" + secret},
		"purpose": {path: recordPath("c-2", "customer", "self") + "?fields=city", purpose: secret},
		"path":    {path: "/v1/" + secret},
		"method":  {method: "BREW", path: "/v1/subjects/" + secret + "/records"},
	} {
		c.token = app
		if c.purpose == "" {
			c.purpose = "support"
		}
		a := w.do(t, c)
		if a.status == http.StatusOK && what != "decrypt" || a.status >= 500 {
			t.Errorf("%s: %s", what, a)
		}
		w.clean(t, "the refusal of a wrong "+what, a.body)
	}
}

// noRequests sends what is no HTTP, or HTTP that two readers understand differently.
func noRequests(t *testing.T, w *world) {
	host, token := strings.TrimPrefix(w.url, "http://"), w.token(t, "app")
	head := "PUT " + recordPath("x09", "customer", "self") + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + token + "\r\nContent-Type: application/json\r\n"
	body := `{"fields":{"city":"Oslo"}}`
	for what, text := range map[string]string{
		"length and chunks":   head + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", len(body), body),
		"two lengths":         head + fmt.Sprintf("Content-Length: %d\r\nContent-Length: 5\r\n\r\n%s", len(body), body),
		"a negative length":   head + "Content-Length: -1\r\n\r\n" + body,
		"chunked twice":       head + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
		"a chunk that lies":   head + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n" + body,
		"a header folded":     strings.Replace(head, "Host: x", "Host: x\r\n folded", 1) + "\r\n",
		"a space in the name": strings.Replace(head, "Host:", "Host :", 1) + "\r\n",
		"a bare line feed":    strings.ReplaceAll(head, "\r\n", "\n") + "Content-Length: 3\n\nxyz",
		"no HTTP":             "hello\r\n\r\n",
		"headers of 2 MiB":    head + "X-Much: " + strings.Repeat("x", 2<<20) + "\r\n\r\n",
	} {
		conn, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", host)
		must(t, err)
		_ = conn.SetDeadline(time.Now().Add(patience))
		go func() {
			_, _ = conn.Write([]byte(text))
			_ = conn.(*net.TCPConn).CloseWrite()
		}()
		b, _ := io.ReadAll(io.LimitReader(conn, 1<<20))
		if status := string(b[:min(len(b), 12)]); strings.HasPrefix(status, "HTTP/1.1 2") || strings.HasPrefix(status, "HTTP/1.1 5") && !strings.HasPrefix(status, "HTTP/1.1 501") {
			t.Errorf("%s: %q", what, status)
		}
		_ = conn.Close()
	}
	if got := w.see(t, token, "support", "x09", "city"); got != "404 not_found" {
		t.Errorf("something was stored: %q", got)
	}
}
