package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/vault/client"
)

func newCertificate(w world) *cobra.Command {
	return group("certificate", "Check certificates and receipts, offline", certificateVerify(), certificateKey(w))
}

func certificateVerify() *cobra.Command {
	var key, url string
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check a certificate of erasure or a receipt of consent, offline",
		Long: `Checks the signature of FILE with nothing but the service's public key: the key
itself ("ed25519:..."), or a file that holds it or the answer of
GET /v1/audit/key. Take the key from where whoever made the certificate could
not have changed it; --url asks the service for it, and so trusts the service.

If the proof stands beside it that the audit log holds its event, that is
checked, too: a proof that does not hold is an error, none is said.`,
		Example: `  curl -sS https://vault.example.org/v1/audit/key > key.json
  fieldvault certificate verify c-17.json --key key.json`,
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&key, "key", "", "the public key, or a file that holds it")
	c.Flags().StringVar(&url, "url", "", "service to ask for its key, such as https://vault.example.org")
	c.RunE = func(c *cobra.Command, args []string) error {
		if (key == "") == (url == "") {
			return wrongUsage("--key is required: the service's public key, or a file that holds it; or --url, to ask the service")
		}
		keys, err := publicKeys(key)
		if url != "" {
			keys, err = servedKeys(c.Context(), url)
		}
		if err != nil {
			return err
		}
		b, err := os.ReadFile(args[0])
		if err != nil {
			return fmt.Errorf("reading the document: %w", err)
		}
		for _, k := range keys {
			pub, err := evidence.ParseKey(k)
			if err != nil {
				return withHint(err, "the key reads ed25519:<base64>, as GET /v1/audit/key gives it")
			}
			if err = evidence.Verify(b, pub); err == nil {
				return genuine(c, b, pub)
			}
		}
		return withHint(errors.New("the document does not verify: it was changed, or another key signed it"),
			"compare the key_id in its proof with that of the key, and ask for the document again")
	}
	return c
}

// genuine says that a document is genuine, and where the log has its event.
func genuine(c *cobra.Command, doc []byte, pub ed25519.PublicKey) error {
	out := map[string]any{"valid": true, "key_id": evidence.KeyID(pub), "logged": false}
	words := "The document is genuine and unchanged. It bears no proof that the audit log holds its event."
	log, index, err := evidence.VerifyInclusion(doc, pub)
	switch {
	case err == nil:
		out["logged"], out["log"], out["index"] = true, log, index
		words = fmt.Sprintf("The document is genuine and unchanged. The audit log %s holds its event at index %d.", log, index)
	case !errors.Is(err, evidence.ErrNoInclusion):
		return withHint(fmt.Errorf("the document itself is genuine, but not what stands beside it: %w", err), "ask the service for the document again")
	}
	return answer(c, out, words)
}

// servedKeys asks a service for its public keys.
func servedKeys(ctx context.Context, url string) ([]string, error) {
	s, err := client.New(client.Config{URL: url})
	if err != nil {
		return nil, wrongUsage("--url: %v", err)
	}
	list, err := s.VerifierKeys(ctx)
	if err != nil {
		return nil, withHint(fmt.Errorf("asking for the key: %w", err), "check --url, or give the key with --key")
	}
	keys := make([]string, len(list))
	for i := range list {
		keys[i] = list[i].Key
	}
	return keys, nil
}

// publicKeys reads --key: the key, a file that holds it, or one with the answer of
// GET /v1/audit/key, which may hold several.
func publicKeys(key string) ([]string, error) {
	b, err := os.ReadFile(key)
	if err != nil {
		return []string{key}, nil //nolint:nilerr // then it is the key itself
	}
	var doc struct {
		Keys []struct {
			Key string `json:"key"`
		} `json:"keys"`
	}
	if json.Unmarshal(b, &doc) != nil {
		return []string{string(b)}, nil
	}
	keys := make([]string, len(doc.Keys))
	for i, k := range doc.Keys {
		keys[i] = k.Key
	}
	if len(keys) == 0 {
		return nil, withHint(errors.New("the file of --key holds no key"), "it holds ed25519:<base64>, or what GET /v1/audit/key answers")
	}
	return keys, nil
}

func certificateKey(w world) *cobra.Command {
	c := &cobra.Command{
		Use:     "key",
		Short:   "Print the service's public key, which certificates and receipts verify with",
		Long:    "Opens the store and the key-encryption key, and prints the key, as\nGET /v1/audit/key answers it.",
		Example: "  fieldvault certificate key --config serve.yaml > key.txt",
		Args:    cobra.NoArgs,
	}
	storeFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error {
			pub := p.vault.VerifierKey()
			if pub == nil {
				return withHint(errors.New("the signing key is not open"), "run `fieldvault migrate`, or see that the key-encryption key is the right one and answers")
			}
			text := evidence.FormatKey(pub)
			return answer(c, map[string]any{"keys": []map[string]string{{"id": evidence.KeyID(pub), "key": text}}}, text)
		})
	}
	return c
}
