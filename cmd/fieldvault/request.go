package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/vault/rights/bundle"
)

func newRequest(w world) *cobra.Command {
	return group("request", "Work on people's requests, and check their evidence offline",
		requestList(w), requestShow(w), requestFile(w), requestStep(w), requestBundle(w), requestVerify())
}

func requestVerify() *cobra.Command {
	var key string
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check the evidence bundle of a person's request, offline",
		Long: `Checks the evidence bundle FILE with nothing but the service's public key: the
key itself ("ed25519:..."), or a file that holds it or the answer of
GET /v1/audit/key. Take the key from where whoever made the bundle could not
have changed it.

Checked are the signed manifest, that every file is there as it was and no
other, and the certificate and receipts in it. If the proof stands beside one
of them that the audit log holds its event, that is checked, too. What is wrong
first is named.`,
		Example: `  curl -sS https://vault.example.org/v1/audit/key > key.json
  fieldvault request verify request.zip --key key.json`,
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&key, "key", "", "the public key, or a file that holds it")
	c.RunE = func(c *cobra.Command, args []string) error {
		if key == "" {
			return wrongUsage("--key is required: the service's public key, or a file that holds it")
		}
		keys, err := publicKeys(key)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(args[0])
		if err != nil {
			return fmt.Errorf("reading the bundle: %w", err)
		}
		r, err := verifyBundle(b, keys)
		if err != nil {
			return err
		}
		return genuineBundle(c, r)
	}
	return c
}

// verifyBundle checks a bundle with each key until one fits. A key that made the
// manifest decides; of keys that did not, the last is spoken of.
func verifyBundle(b []byte, keys []string) (*bundle.Report, error) {
	var last error
	for _, k := range keys {
		pub, err := evidence.ParseKey(k)
		if err != nil {
			return nil, withHint(err, "the key reads ed25519:<base64>, as GET /v1/audit/key gives it")
		}
		r, err := bundle.Verify(b, pub)
		if !errors.Is(err, evidence.ErrOtherKey) {
			return r, withHint(err, "ask the service for the bundle again")
		}
		last = err
	}
	return nil, withHint(last, "compare the key_id in the proof of manifest.json with that of the key")
}

// genuineBundle says what a bundle that verifies holds.
func genuineBundle(c *cobra.Command, r *bundle.Report) error {
	var words strings.Builder
	fmt.Fprintf(&words, "The bundle is genuine and complete. Request %s (%s) was filed on %s and is %s since %s.",
		r.Request.ID, r.Request.Kind, r.Request.Filed.Format("2006-01-02"), r.Request.State, r.Request.Ended.Format("2006-01-02"))
	signed := make([]map[string]any, len(r.Signed))
	for i, s := range r.Signed {
		signed[i] = map[string]any{"file": s.File, "logged": s.Logged}
		if !s.Logged {
			fmt.Fprintf(&words, "\n%s is signed. It bears no proof that the audit log holds its event.", s.File)
			continue
		}
		signed[i]["log"], signed[i]["index"] = s.Log, s.Index
		fmt.Fprintf(&words, "\n%s is signed. The audit log %s holds its event at index %d.", s.File, s.Log, s.Index)
	}
	return answer(c, map[string]any{"valid": true, "request": r.Request, "signed": signed}, words.String())
}
