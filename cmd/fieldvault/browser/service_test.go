//go:build e2e

package browser_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
)

// person is the customer whom dev makes a link for.
const person = "c-17"

// A service is a running process, and what its callers hold.
type service struct {
	URL    string            `json:"url"`
	Link   string            `json:"portal_link"`
	Tokens map[string]string `json:"tokens"`
	Dir    string            `json:"dir"`

	program processtest.Program
	process *processtest.Process
}

// dev starts `fieldvault dev` with its sample.
func dev(t *testing.T, args ...string) *service {
	t.Helper()
	program := processtest.Build(t)
	return ready(t, program, program.Start(t, nil, append([]string{"dev", "--addr", "127.0.0.1:0", "--json"}, args...)...))
}

// ready waits for the line that a process prints.
func ready(t *testing.T, program processtest.Program, p *processtest.Process) *service {
	t.Helper()
	s := &service{program: program, process: p}
	line := p.Await(t, func(line string) bool {
		return strings.HasPrefix(line, "{") && strings.Contains(line, `"metrics_url":`)
	})
	if err := json.Unmarshal([]byte(line), s); err != nil {
		t.Fatal(err)
	}
	return s
}

// A caller is a role, and the purpose that it gives, if any.
type caller struct{ role, purpose string }

func (s *service) request(t *testing.T, who caller, method, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.Tokens[who.role])
	if who.purpose != "" {
		r.Header.Set("Fieldvault-Purpose", who.purpose)
	}
	switch {
	case path == "/v1/catalog":
		r.Header.Set("Content-Type", "application/yaml")
	case body != "":
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// get decodes an answer, which must be 200.
func get[T any](t *testing.T, s *service, who caller, path string) (out T) {
	t.Helper()
	status, body := s.request(t, who, http.MethodGet, path, "")
	if err := json.Unmarshal([]byte(body), &out); status != http.StatusOK || err != nil {
		t.Fatalf("%s: %d %s (%v)", path, status, body, err)
	}
	return out
}

// sees says what a caller gets of a field of the person: its view and, hidden, why.
func (s *service) sees(t *testing.T, who caller, field string) (view, value string) {
	t.Helper()
	r := get[struct {
		Fields map[string]struct{ View, Value, Reason string }
	}](t, s, who, "/v1/subjects/"+person+"/records/customer/self?fields=email,phone,city")
	f := r.Fields[field] // and not it alone: who may see nothing that they ask for is not told that there is anybody
	return strings.TrimSpace(f.View + " " + f.Reason), f.Value
}

// mustSee fails unless a caller's view of the person's address is as wanted.
func (s *service) mustSee(t *testing.T, who caller, want string) {
	t.Helper()
	if got, _ := s.sees(t, who, "email"); got != want {
		t.Errorf("%s sees the address %s, want %s", who.role, got, want)
	}
}

// link asks for one more link, as the application does.
func (s *service) link(t *testing.T, kind string) string {
	t.Helper()
	status, body := s.request(t, caller{role: "app"}, http.MethodPost, "/v1/subjects/"+person+"/portal-links", `{"kind":"`+kind+`"}`)
	var l struct{ URL string }
	if err := json.Unmarshal([]byte(body), &l); status != http.StatusOK || err != nil {
		t.Fatalf("a link: %d %s", status, body)
	}
	if strings.HasPrefix(l.URL, "/") { // where portal.url is not set
		return s.URL + l.URL
	}
	return l.URL
}

// apply puts another catalog in force.
func (s *service) apply(t *testing.T, source string) {
	t.Helper()
	if status, body := s.request(t, caller{role: "operator"}, http.MethodPut, "/v1/catalog", source); status != http.StatusOK {
		t.Fatalf("the catalog: %d %s", status, body)
	}
}

// person does something as the person themself.
func (s *service) person(t *testing.T, method, path, body string) {
	t.Helper()
	if status, answer := s.request(t, caller{role: "subject"}, method, path, body); status >= 300 {
		t.Fatalf("%s: %d %s", path, status, answer)
	}
}

// key is the file of the service's public key.
func (s *service) key(t *testing.T) string {
	t.Helper()
	_, body := s.request(t, caller{}, http.MethodGet, "/v1/audit/key", "")
	path := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// verifyBundle checks the evidence of a request as anybody can who has it.
func (s *service) verifyBundle(t *testing.T, zip []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "request.zip")
	if err := os.WriteFile(path, zip, 0o600); err != nil {
		t.Fatal(err)
	}
	s.program.Run(t, 0, nil, "request", "verify", path, "--key", s.key(t))
}

// verify checks a certificate or receipt as anybody can who has it.
func (s *service) verify(t *testing.T, doc []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "document.json")
	if err := os.WriteFile(path, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	s.program.Run(t, 0, nil, "certificate", "verify", path, "--url", s.URL)
}
