//go:build e2e

package e2e_test

import (
	"strings"
	"testing"
	"time"
)

// personRotated: new data keys for one person, through the API alone.
func personRotated(t *testing.T, w *world) {
	operator := w.token(t, "operator")
	app := w.token(t, "app")
	item := fields{"subject": "c-20", "field": "customer.city"}
	portable := func(path, purpose string, it fields) string {
		t.Helper()
		var out struct {
			Results []struct {
				Status     int
				Ciphertext string
				Value      string
			}
		}
		w.do(t, call{token: app, purpose: purpose, method: "POST", path: path, body: fields{"items": []any{it}}}).want(t, path, "200").decode(t, &out)
		return out.Results[0].Ciphertext + out.Results[0].Value
	}
	sealed := portable("/v1/encrypt", "", fields{"subject": item["subject"], "field": item["field"], "plaintext": "Oslo"})
	with := func(text string) fields {
		return fields{"subject": item["subject"], "field": item["field"], "ciphertext": text}
	}
	before := w.see(t, app, "support", "c-20", "email")

	var rotated struct{ Job struct{ ID string } }
	w.do(t, call{token: operator, method: "POST", path: "/v1/subjects/c-20/key-rotation"}).want(t, "rotating", "202").decode(t, &rotated)
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		var job struct{ State, Note string }
		w.do(t, call{token: operator, path: "/v1/jobs/" + rotated.Job.ID}).want(t, "the job", "200").decode(t, &job)
		if job.State == "done" {
			break
		}
		if job.State == "failed" || time.Now().After(deadline) {
			t.Fatalf("the job is %s: %s", job.State, job.Note)
		}
	}
	if got := w.see(t, app, "support", "c-20", "email"); got != before || !strings.HasPrefix(got, "plain: ") {
		t.Errorf("after the job %q, before %q", got, before)
	}
	if got := portable("/v1/decrypt", "support", with(sealed)); got != "Oslo" {
		t.Errorf("a ciphertext from before decrypts to %q", got)
	}
	moved := portable("/v1/reencrypt", "", with(sealed))
	w.do(t, call{token: operator, method: "POST", path: "/v1/subjects/c-20/key-retirement"}).want(t, "retiring", "200")
	if got := portable("/v1/decrypt", "support", with(moved)); got != "Oslo" {
		t.Errorf("a ciphertext that was moved decrypts to %q", got)
	}
	if got := portable("/v1/decrypt", "support", with(sealed)); got != "" {
		t.Errorf("a ciphertext that was not moved decrypts to %q", got)
	}
	for _, c := range []struct{ token, path, want string }{
		{app, "/v1/subjects/c-20/key-rotation", "403 denied"},
		{operator, "/v1/subjects/nobody/key-rotation", "404 not_found"},
		{operator, "/v1/subjects/nobody/key-retirement", "404 not_found"},
	} {
		w.do(t, call{token: c.token, method: "POST", path: c.path}).want(t, c.path, c.want)
	}
}
