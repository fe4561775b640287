package transit_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/crypto/transit"
	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
)

// selfSigned returns a certificate for name, which vouches for itself, and its key.
func selfSigned(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := transittest.StartOwn(t, transittest.Options{TLS: true})
	if !strings.HasPrefix(s.Address, "https://") {
		t.Fatal(s.Address)
	}
	k := s.KEK(t)
	key := newKey(t, k, "acme")
	contexts, wrapped := wrap(t, k, key, 100)
	mustOpen(t, k, key, contexts, wrapped)

	ca, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	stranger, _ := selfSigned(t, "localhost")
	for _, tt := range []struct {
		name string
		edit func(*transit.Config)
		good bool
	}{
		{"CA in PEM", func(c *transit.Config) { c.CACertFile, c.CACertPEM = "", string(ca) }, true},
		{"another name it has", func(c *transit.Config) { c.ServerName = "localhost" }, true},
		{"a name it has not", func(c *transit.Config) { c.ServerName = "vault.example.org" }, false},
		{"another authority", func(c *transit.Config) { c.CACertFile, c.CACertPEM = "", string(stranger) }, false},
		{"the system's authorities", func(c *transit.Config) { c.CACertFile = "" }, false},
		{"clear text", func(c *transit.Config) { c.Address = strings.Replace(c.Address, "https:", "http:", 1) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := s.Config(transit.Auth{Token: s.RootToken})
			tt.edit(&cfg)
			err := transittest.New(t, cfg).Ping(t.Context())
			if tt.good != (err == nil) || err != nil && !errors.Is(err, transit.ErrUnavailable) {
				t.Errorf("Ping: %v", err)
			}
			cfg.Auth = transit.Auth{AppRole: s.AppRole("node", time.Hour, time.Hour)}
			if _, err := transit.New(t.Context(), cfg); tt.good != (err == nil) {
				t.Errorf("logging in: %v", err)
			}
		})
	}
}

// secure is a false Vault over TLS as conf says.
func secure(t *testing.T, conf *tls.Config) (address, caPEM string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	srv.TLS = conf
	srv.Config.ErrorLog = nil
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.URL, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	for version, good := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		address, ca := secure(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version})
		k := transittest.New(t, transit.Config{Address: address, CACertPEM: ca, Auth: transit.Auth{Token: "t"}, Now: time.Now})
		if err := k.Ping(t.Context()); good != (err == nil) {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
}

// Our certificate is shown, and read again for every connection.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	first, firstKey := selfSigned(t, "first")
	second, secondKey := selfSigned(t, "second")
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(second)
	address, ca := secure(t, &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write := func(c, k []byte) {
		t.Helper()
		if err := errors.Join(os.WriteFile(cert, c, 0o600), os.WriteFile(key, k, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write(first, firstKey)
	k := transittest.New(t, transit.Config{
		Address: address, CACertPEM: ca, Auth: transit.Auth{Token: "t"}, Now: time.Now,
		ClientCertFile: cert, ClientKeyFile: key,
	})
	if err := k.Ping(t.Context()); !errors.Is(err, transit.ErrUnavailable) {
		t.Errorf("a certificate that Vault does not know: %v", err)
	}
	write(second, secondKey)
	if err := k.Ping(t.Context()); err != nil {
		t.Errorf("the right one, written since: %v", err)
	}
}
