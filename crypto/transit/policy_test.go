package transit_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/crypto/transit"
	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
)

// attempt is a request that a policy denies. %K stands for a key of ours, %M for
// the mount.
type attempt struct {
	method, path string
	body         map[string]any
}

var b64 = base64.StdEncoding.EncodeToString([]byte("0123456789abcdef"))

// material is what takes key material out of Vault, brings it in, or goes around
// keys: neither role may.
var material = []attempt{
	{"GET", "%M/export/encryption-key/%K", nil},
	{"GET", "%M/export/encryption-key/%K/1", nil},
	{"GET", "%M/export/hmac-key/%K", nil},
	{"GET", "%M/backup/%K", nil},
	{"POST", "%M/restore", map[string]any{"backup": b64}},
	{"POST", "%M/restore/%K", map[string]any{"backup": b64, "force": true}},
	{"POST", "%M/keys/%K/import", map[string]any{"ciphertext": b64, "type": "aes256-gcm96", "derived": true}},
	{"POST", "%M/keys/%K/import_version", map[string]any{"ciphertext": b64}},
	{"GET", "%M/byok-export/%K/%K", nil},
	{"POST", "%M/datakey/plaintext/%K", map[string]any{"context": b64}},
	{"POST", "%M/datakey/wrapped/%K", map[string]any{"context": b64}},
	{"POST", "%M/hmac/%K", map[string]any{"input": b64}},
	{"POST", "%M/sign/%K", map[string]any{"input": b64}},
	{"POST", "%M/random/32", map[string]any{}},
	{"DELETE", "%M/keys/%K", nil},
	{"POST", "%M/keys/%K/config", map[string]any{"deletion_allowed": true}},
	{"POST", "%M/keys/%K/config", map[string]any{"exportable": true}},
	{"POST", "%M/keys/%K/config", map[string]any{"allow_plaintext_backup": true}},
	{"POST", "%M/keys/%K/config", map[string]any{"auto_rotate_period": "24h"}},
	{"POST", "%M/keys/%K/config", map[string]any{"min_decryption_version": 1, "deletion_allowed": true}},
	{"LIST", "%M/keys", nil},
	{"POST", "%M/config/keys", map[string]any{"disable_upsert": false}},
	{"GET", "%M/config/keys", nil},
	{"POST", "%M/cache-config", map[string]any{"size": 0}},
	{"POST", "sys/seal", map[string]any{}},
	{"GET", "sys/mounts", nil},
	{"POST", "sys/mounts/elsewhere", map[string]any{"type": "transit"}},
	{"DELETE", "sys/mounts/%M", nil},
	{"POST", "sys/remount", map[string]any{"from": "%M", "to": "elsewhere"}},
	{"POST", "sys/rotate", map[string]any{}},
	{"PUT", "sys/policies/acl/mine", map[string]any{"policy": `path "*" { capabilities = ["sudo"] }`}},
	{"LIST", "sys/policies/acl", nil},
	{"GET", "sys/audit", nil},
	{"GET", "sys/auth", nil},
	{"GET", "sys/raw/core", nil},
	{"LIST", "auth/approle/role", nil},
	{"POST", "auth/token/create", map[string]any{"policies": []string{"root"}}},
	{"POST", "identity/entity", map[string]any{"name": "mine"}},
	{"POST", "cubbyhole/x", map[string]any{"x": "y"}},
}

// changes is what only the keeper may do.
var changes = []attempt{
	{"POST", "%M/keys/%K", map[string]any{"type": "aes256-gcm96", "derived": true}},
	{"POST", "%M/keys/fieldvault-new", map[string]any{"type": "aes256-gcm96", "derived": true}},
	{"POST", "%M/keys/fieldvault-new", map[string]any{}},
	{"POST", "%M/keys/%K/rotate", map[string]any{}},
	{"POST", "%M/keys/%K/config", map[string]any{"min_decryption_version": 2}},
	{"POST", "%M/keys/%K/config", map[string]any{"min_encryption_version": 2}},
	{"POST", "%M/keys/%K/trim", map[string]any{"min_available_version": 1}},
}

// otherKeys are keys of a kind that Fieldvault does not make, and names that are
// not its own.
var otherKeys = []attempt{
	{"POST", "%M/keys/fieldvault-new", map[string]any{"type": "aes256-gcm96", "derived": false}},
	{"POST", "%M/keys/fieldvault-new", map[string]any{"type": "rsa-2048", "derived": true}},
	{"POST", "%M/keys/fieldvault-new", map[string]any{"type": "aes256-gcm96", "derived": true, "exportable": true}},
	{"POST", "%M/keys/fieldvault-new", map[string]any{"type": "aes256-gcm96", "derived": true, "allow_plaintext_backup": true}},
	{"POST", "%M/keys/fieldvault-new", map[string]any{"type": "aes256-gcm96", "derived": true, "convergent_encryption": true}},
	{"POST", "%M/keys/fieldvault-new", map[string]any{"type": "aes256-gcm96", "derived": true, "auto_rotate_period": "24h"}},
	{"POST", "%M/encrypt/fieldvault-new", map[string]any{"plaintext": b64, "context": b64}},
	{"POST", "%M/encrypt/other", map[string]any{"plaintext": b64, "context": b64}},
	{"POST", "%M/decrypt/other", map[string]any{"ciphertext": "vault:v1:" + b64, "context": b64}},
	{"POST", "%M/rewrap/other", map[string]any{"ciphertext": "vault:v1:" + b64, "context": b64}},
}

// opening is what the keeper may not do.
var opening = []attempt{
	{"POST", "%M/decrypt/%K", map[string]any{"ciphertext": "vault:v1:" + b64, "context": b64}},
	{"POST", "%M/decrypt/%K", map[string]any{"batch_input": []any{map[string]any{"ciphertext": "vault:v1:" + b64, "context": b64}}}},
	{"POST", "%M/rewrap/%K", map[string]any{"ciphertext": "vault:v1:" + b64, "context": b64}},
}

// denied fails unless token gets 403 for every attempt, and the key is as before
// after each.
func denied(t *testing.T, s *transittest.Server, token, key string, attempts ...[]attempt) {
	t.Helper()
	expand := strings.NewReplacer("%K", "fieldvault-"+key, "%M", s.Mount)
	path := s.Mount + "/keys/fieldvault-" + key
	before := s.Must("GET", path, nil)
	for _, list := range attempts {
		for _, a := range list {
			status, answer := s.Do(token, a.method, expand.Replace(a.path), a.body)
			if status != http.StatusForbidden {
				t.Errorf("%s %s %v: %d %s", a.method, a.path, a.body, status, answer)
			}
		}
	}
	if diff := cmp.Diff(before, s.Must("GET", path, nil)); diff != "" {
		t.Errorf("the key has changed: %s", diff)
	}
	if status, _ := s.Do(s.RootToken, "GET", s.Mount+"/keys/fieldvault-new", nil); status != http.StatusNotFound {
		t.Errorf("there is a new key: %d", status)
	}
}

func TestNodePolicy(t *testing.T) {
	t.Parallel()
	s := transittest.Start(t)
	root := s.KEK(t)
	key := newKey(t, root, "acme")
	if _, err := root.Rotate(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	token := s.Token("node")
	node := transittest.New(t, s.Config(transit.Auth{Token: token}))

	t.Run("may", func(t *testing.T) {
		contexts, wrapped := wrap(t, node, key, 2)
		mustOpen(t, node, key, contexts, wrapped)
		rewrapped, errs, err := node.Rewrap(t.Context(), key, contexts, wrapped)
		if err != nil || errs != nil {
			t.Fatal(err, errs)
		}
		mustOpen(t, node, key, contexts, rewrapped)
		if st, err := node.Status(t.Context(), key); err != nil || st.Latest != 2 {
			t.Errorf("Status: %+v, %v", st, err)
		}
		if err := node.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if status, _ := s.Do(token, "POST", "auth/token/renew-self", map[string]any{}); status != http.StatusOK {
			t.Errorf("renewing its token: %d", status)
		}
	})
	t.Run("may not", func(t *testing.T) {
		denied(t, s, token, key, material, changes, otherKeys)
	})
	t.Run("through the client", func(t *testing.T) {
		for name, call := range map[string]func() error{
			"CreateKey":  func() error { return node.CreateKey(t.Context(), "new") },
			"Rotate":     func() error { _, err := node.Rotate(t.Context(), key); return err },
			"SetMinimum": func() error { return node.SetMinimum(t.Context(), key, 2, 2) },
			"Trim":       func() error { return node.Trim(t.Context(), key, 1) },
		} {
			if err := call(); !errors.Is(err, transit.ErrDenied) || !errors.Is(err, transit.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := node.Wrap(t.Context(), "new", [][]byte{place(0)}, [][]byte{plain(0)}); !errors.Is(err, transit.ErrNoKey) {
			t.Errorf("Wrap under a missing key: %v", err)
		}
		if _, _, err := node.Unwrap(t.Context(), "new", [][]byte{place(0)}, []string{"vault:v1:" + strings.Repeat("A", 40)}); !errors.Is(err, transit.ErrNoKey) {
			t.Errorf("Unwrap under a missing key: %v", err)
		}
	})
}

func TestKeeperPolicy(t *testing.T) {
	t.Parallel()
	s := transittest.Start(t)
	token := s.Token("keeper")
	keeper := transittest.New(t, s.Config(transit.Auth{Token: token}))
	key := newKey(t, keeper, "acme")

	t.Run("may", func(t *testing.T) {
		contexts, v1 := wrap(t, keeper, key, 1)
		mustOpen(t, s.KEK(t), key, contexts, v1)
		if v, err := keeper.Rotate(t.Context(), key); err != nil || v != 2 {
			t.Fatalf("Rotate: %d, %v", v, err)
		}
		if err := keeper.SetMinimum(t.Context(), key, 2, 2); err != nil {
			t.Fatal(err)
		}
		if err := keeper.Trim(t.Context(), key, 2); err != nil {
			t.Fatal(err)
		}
		if err := keeper.CreateKey(t.Context(), transit.System); err != nil {
			t.Fatal(err)
		}
		if err := keeper.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("may not", func(t *testing.T) {
		denied(t, s, token, key, material, otherKeys, opening)
	})
	t.Run("through the client", func(t *testing.T) {
		contexts, wrapped := wrap(t, keeper, key, 1)
		if _, _, err := keeper.Unwrap(t.Context(), key, contexts, wrapped); !errors.Is(err, transit.ErrDenied) {
			t.Errorf("Unwrap: %v", err)
		}
		if _, _, err := keeper.Rewrap(t.Context(), key, contexts, wrapped); !errors.Is(err, transit.ErrDenied) {
			t.Errorf("Rewrap: %v", err)
		}
	})
}

// Each attempt is a request that Vault knows: root is not denied, so that the
// policies are what denies it to others.
func TestAttemptsAreReal(t *testing.T) {
	t.Parallel()
	s := transittest.StartOwn(t, transittest.Options{})
	k := s.KEK(t)
	key := newKey(t, k, "acme")
	expand := strings.NewReplacer("%K", "fieldvault-"+key, "%M", s.Mount)
	for _, list := range [][]attempt{material, changes, otherKeys, opening} {
		for _, a := range list {
			switch a.path {
			case "sys/seal", "sys/mounts/%M", "sys/remount", "sys/raw/core":
				continue // they would end the test, or are off in this Vault; they are in its manual
			}
			status, answer := s.Do(s.RootToken, a.method, expand.Replace(a.path), a.body)
			if status == http.StatusForbidden || status == http.StatusMethodNotAllowed ||
				strings.Contains(answer, "unsupported path") || strings.Contains(answer, "unsupported operation") || strings.Contains(answer, "no handler") {
				t.Errorf("%s %s %v: %d %s", a.method, a.path, a.body, status, answer)
			}
		}
	}
}
