package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A certified is a self-signed certificate for 127.0.0.1, for servers and clients.
type certified struct {
	cert, key []byte // PEM
	pair      tls.Certificate
	pool      *x509.CertPool
}

func certify(t *testing.T, name string) certified {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := certified{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		pool: x509.NewCertPool(),
	}
	c.pool.AppendCertsFromPEM(c.cert)
	if c.pair, err = tls.X509KeyPair(c.cert, c.key); err != nil {
		t.Fatal(err)
	}
	return c
}

// healthz asks once, on a connection of its own, and returns why it failed.
func healthz(t *testing.T, url string, cfg *tls.Config) error {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}, Timeout: patience}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		t.Errorf("healthz: %s", resp.Status)
	}
	return resp.Body.Close()
}

// serveTLS starts the service with a certificate in tls.crt and tls.key.
func serveTLS(t *testing.T, c certified, args ...string) (*installation, *server) {
	t.Helper()
	in := install(t)
	write(t, in.path("tls.crt"), c.cert)
	write(t, in.path("tls.key"), c.key)
	s := in.serve(t, append([]string{"--tls-cert-file", in.path("tls.crt"), "--tls-key-file", in.path("tls.key")}, args...)...)
	if !strings.HasPrefix(s.URL, "https://") {
		t.Fatalf("it serves at %s", s.URL)
	}
	return in, s
}

func TestCertificatesAreReadAgain(t *testing.T) {
	first, second := certify(t, "first"), certify(t, "second")
	in, s := serveTLS(t, first)
	if err := healthz(t, s.URL, &tls.Config{RootCAs: first.pool}); err != nil {
		t.Fatal(err)
	}
	if err := healthz(t, s.URL, &tls.Config{RootCAs: second.pool}); err == nil {
		t.Fatal("any certificate will do")
	}

	// Half of a new pair, and nonsense: the last pair that was whole stays.
	write(t, in.path("tls.crt"), second.cert)
	until(t, func() bool {
		if err := healthz(t, s.URL, &tls.Config{RootCAs: first.pool}); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(s.stderr.String(), "cannot be read")
	})
	write(t, in.path("tls.key"), second.key)
	until(t, func() bool { return healthz(t, s.URL, &tls.Config{RootCAs: second.pool}) == nil })
	if err := healthz(t, s.URL, &tls.Config{RootCAs: first.pool}); err == nil {
		t.Error("the old certificate is in use still")
	}
	s.end(t)
}

// until waits for something that must happen.
func until(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatal("it does not happen")
}

func TestOnlyTLS(t *testing.T) {
	c := certify(t, "server")
	_, s := serveTLS(t, c)
	if err := healthz(t, s.URL, &tls.Config{RootCAs: c.pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
	if err := healthz(t, s.URL, &tls.Config{RootCAs: c.pool, MaxVersion: tls.VersionTLS12}); err != nil {
		t.Errorf("TLS 1.2 is refused: %v", err)
	}
	plain := "http://" + strings.TrimPrefix(s.URL, "https://")
	if status, _ := s.do(t, http.MethodGet, plain+"/healthz", "", "", ""); status != http.StatusBadRequest {
		t.Errorf("plain HTTP is answered with %d", status)
	}
}

func TestClientCertificates(t *testing.T) {
	server, client, stranger := certify(t, "server"), certify(t, "client"), certify(t, "stranger")
	_, open := serveTLS(t, server)
	if err := healthz(t, open.URL, &tls.Config{RootCAs: server.pool, Certificates: []tls.Certificate{stranger.pair}}); err != nil {
		t.Errorf("a certificate that nobody asked for: %v", err)
	}
	dir := t.TempDir()
	write(t, dir+"/clients.pem", client.cert)
	_, s := serveTLS(t, server, "--tls-client-ca-file", dir+"/clients.pem")
	if err := healthz(t, s.URL, &tls.Config{RootCAs: server.pool, Certificates: []tls.Certificate{client.pair}}); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
	if err := healthz(t, s.URL, &tls.Config{RootCAs: server.pool}); err == nil {
		t.Error("without a certificate it answers")
	}
	if err := healthz(t, s.URL, &tls.Config{RootCAs: server.pool, Certificates: []tls.Certificate{stranger.pair}}); err == nil {
		t.Error("with a stranger's certificate it answers")
	}
}

func TestTLSSettingsThatDoNotDo(t *testing.T) {
	c := certify(t, "server")
	dir := t.TempDir()
	write(t, dir+"/tls.crt", c.cert)
	write(t, dir+"/tls.key", c.key)
	write(t, dir+"/empty", nil)
	for name, cfg := range map[string]TLSConfig{
		"no key":              {CertFile: dir + "/tls.crt"},
		"no certificate":      {KeyFile: dir + "/tls.key"},
		"neither exists":      {CertFile: dir + "/nowhere", KeyFile: dir + "/nowhere"},
		"swapped":             {CertFile: dir + "/tls.key", KeyFile: dir + "/tls.crt"},
		"another's key":       {CertFile: dir + "/tls.crt", KeyFile: dir + "/empty"},
		"authorities alone":   {ClientCAFile: dir + "/tls.crt"},
		"no authorities":      {CertFile: dir + "/tls.crt", KeyFile: dir + "/tls.key", ClientCAFile: dir + "/empty"},
		"authorities nowhere": {CertFile: dir + "/tls.crt", KeyFile: dir + "/tls.key", ClientCAFile: dir + "/nowhere"},
	} {
		if got, err := tlsConfig(cfg, nil); err == nil {
			t.Errorf("%s: accepted as %v", name, got)
		}
	}
}
