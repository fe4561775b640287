package main

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"

	"github.com/fieldvault/fieldvault/vault/notify"
)

// A webhook is the settings of an address to which messages are posted, signed.
type webhook struct {
	prefix     string // of its settings: "alarms.webhook_"
	url        string
	secretFile string
	caFile     string
}

// sender makes what posts there, or none without an address. It refuses half a webhook.
func (h webhook) sender(p *parts) (*notify.Sender, error) {
	switch {
	case h.url == "" && (h.secretFile != "" || h.caFile != ""):
		return nil, withHint(fmt.Errorf("%[1]ssecret_file or %[1]sca_file is set without %[1]surl", h.prefix), "set the address to which messages go, too")
	case h.url == "":
		return nil, nil
	case h.secretFile == "":
		return nil, withHint(fmt.Errorf("%[1]surl is set without %[1]ssecret_file", h.prefix),
			`make a secret that the receiver gets, too: echo "whsec_$(openssl rand -base64 32)" > FILE`)
	}
	secret, err := h.secret()
	if err != nil {
		return nil, err
	}
	roots, err := rootsOf(h.prefix+"ca_file", h.caFile)
	if err != nil {
		return nil, err
	}
	s, err := notify.New(notify.Config{URL: h.url, Secret: secret, Now: now, Logger: p.log, Roots: roots})
	return s, withHint(err, "check "+h.prefix+"url: https, or http on this very machine, without user and password")
}

// secret reads the form that receivers' libraries take.
func (h webhook) secret() ([]byte, error) {
	b, err := os.ReadFile(h.secretFile)
	if err != nil {
		return nil, withHint(fmt.Errorf("reading %ssecret_file: %w", h.prefix, err), "it must name a file that holds the secret and nothing else")
	}
	text, ok := bytes.CutPrefix(bytes.TrimSpace(b), []byte("whsec_"))
	secret, err := base64.StdEncoding.DecodeString(string(text))
	if !ok || err != nil || len(secret) < notify.MinSecret {
		return nil, withHint(fmt.Errorf("%ssecret_file holds no secret of a webhook", h.prefix),
			`make one: echo "whsec_$(openssl rand -base64 32)" > FILE`)
	}
	return secret, nil
}

// rootsOf are the authorities in the file of a setting, or nil for the system's.
func rootsOf(key, path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, withHint(fmt.Errorf("reading %s: %w", key, err), "it must name a file of PEM certificates")
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, withHint(fmt.Errorf("%s holds no certificate", key), "it must name a file of PEM certificates")
	}
	return roots, nil
}
