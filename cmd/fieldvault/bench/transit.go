package bench

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// Transit is Vault's Transit engine used directly: what an application that keeps
// ciphertexts would do without Fieldvault. It logs nothing, knows no purposes and no
// consent.
type Transit struct {
	server  *Server
	mount   string
	key     string
	derived bool
	texts   []string // items of batches, each a ciphertext with its context
}

// NewTransit makes a key of the engine's default kind, aes256-gcm96. With derived it is
// what a key for each person takes there: every item names its person as the context,
// from which Transit derives the key. Without, one key opens everything.
func NewTransit(ctx context.Context, address, mount, auth, key string, derived bool) (*Transit, error) {
	s, err := NewServer(address, "X-Vault-Token: "+auth, "X-Vault-Request: true")
	if err != nil {
		return nil, err
	}
	t := &Transit{server: s, mount: "/v1/" + strings.Trim(mount, "/") + "/", key: key, derived: derived}
	if _, err := s.once(ctx, "POST", t.mount+"keys/"+key, fmt.Appendf(nil, `{"derived":%t}`, derived)); err != nil {
		return nil, fmt.Errorf("making a key at Vault: %w", err)
	}
	return t, nil
}

// Close removes the key again.
func (t *Transit) Close(ctx context.Context) error {
	if _, err := t.server.once(ctx, "POST", t.mount+"keys/"+t.key+"/config", []byte(`{"deletion_allowed":true}`)); err != nil {
		return err
	}
	_, err := t.server.once(ctx, "DELETE", t.mount+"keys/"+t.key, nil)
	return err
}

// perPerson is how many values of a row are one person's.
const perPerson = 10

// context names the person of a value; empty without derivation.
func (t *Transit) context(i int) string {
	if !t.derived {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(People{}.ID(int64(i / perPerson))))
}

// Encrypt has Vault encrypt values, which the workloads then decrypt.
func (t *Transit) Encrypt(ctx context.Context, values []string) error {
	t.texts = t.texts[:0]
	for len(values) > 0 {
		n := min(1000, len(values))
		type item struct {
			Plaintext  string `json:"plaintext,omitempty"`
			Ciphertext string `json:"ciphertext,omitempty"`
			Context    string `json:"context,omitempty"`
		}
		in := struct {
			Batch []item `json:"batch_input"`
		}{make([]item, n)}
		for i, v := range values[:n] {
			in.Batch[i].Plaintext = base64.StdEncoding.EncodeToString([]byte(v))
			in.Batch[i].Context = t.context(len(t.texts) + i)
		}
		body, err := json.Marshal(in)
		if err != nil {
			return err
		}
		answer, err := t.server.once(ctx, "POST", t.mount+"encrypt/"+t.key, body)
		if err != nil {
			return err
		}
		var out struct {
			Data struct {
				Results []item `json:"batch_results"`
			} `json:"data"`
		}
		if err := json.Unmarshal(answer, &out); err != nil || len(out.Data.Results) != n {
			return fmt.Errorf("the answer of Vault does not fit: %w", err)
		}
		for i, r := range out.Data.Results {
			text := `{"ciphertext":"` + r.Ciphertext
			if t.derived {
				text += `","context":"` + in.Batch[i].Context
			}
			t.texts = append(t.texts, text+`"}`)
		}
		values = values[n:]
	}
	return nil
}

func (t *Transit) name(what string) string {
	if !t.derived {
		return "transit-" + what + "-one-key"
	}
	return "transit-" + what
}

// Decrypt is one value a request.
func (t *Transit) Decrypt() Workload {
	return Workload{
		Name: t.name("decrypt"), Unit: "fields", Units: 1, Server: t.server,
		Request: func(b []byte, n int64) []byte {
			return t.server.appendRequest(b, "POST", t.mount+"decrypt/"+t.key, []byte(t.texts[int(n)%len(t.texts)]))
		},
		Check: func(_ int64, body []byte) error { return wants(body, `"plaintext":`, 1) },
	}
}

// Batch is size values a request, by decrypt or rewrap. The bodies are made before.
func (t *Transit) Batch(what string, size int) Workload {
	var bodies [][]byte
	for from := 0; from+size <= len(t.texts); from += size {
		b := []byte(`{"batch_input":[`)
		for i, text := range t.texts[from : from+size] {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, text...)
		}
		bodies = append(bodies, append(b, `]}`...))
	}
	word := map[string]string{"decrypt": `"plaintext":`, "rewrap": `"ciphertext":`}[what]
	return Workload{
		Name: t.name(fmt.Sprintf("%s-batch-%d", what, size)), Unit: map[string]string{"decrypt": "fields", "rewrap": "keys"}[what], Units: size, Server: t.server,
		Request: func(b []byte, n int64) []byte {
			return t.server.appendRequest(b, "POST", t.mount+what+"/"+t.key, bodies[int(n)%len(bodies)])
		},
		Check: func(_ int64, body []byte) error { return wants(body, word, size) },
	}
}
