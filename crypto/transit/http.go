package transit

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/hashicorp/vault/api"
)

// maxAnswer is the largest answer that is read: above what a full request can
// give back.
const maxAnswer = 4 * maxRequest

var errTooLong = errors.New("the answer is too long")

// newHTTPClient returns a client that verifies Vault, follows no redirect, uses
// no proxy and reads no more than maxAnswer.
func newHTTPClient(cfg Config) (*http.Client, error) {
	conf, err := newTLS(cfg)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: cfg.Timeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    cfg.Timeout,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 5 * time.Second},
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
	return &http.Client{
		Transport:     limited{t},
		Timeout:       cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

func newTLS(cfg Config) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cfg.ServerName}
	pem := []byte(cfg.CACertPEM)
	if cfg.CACertFile != "" {
		var err error
		if pem, err = os.ReadFile(cfg.CACertFile); err != nil {
			return nil, fmt.Errorf("%w: reading CACertFile: %w", ErrInput, err)
		}
	}
	if cfg.CACertFile != "" || cfg.CACertPEM != "" {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%w: there is no certificate in CACertFile or CACertPEM", ErrInput)
		}
	}
	if cfg.ClientCertFile == "" {
		return conf, nil
	}
	load := func() (*tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(cfg.ClientCertFile, cfg.ClientKeyFile)
		return &c, err
	}
	if _, err := load(); err != nil {
		return nil, fmt.Errorf("%w: reading ClientCertFile and ClientKeyFile: %w", ErrInput, err)
	}
	conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	return conf, nil
}

// newClient returns Vault's client over hc, without what it takes from the
// environment and without its own retries and time-outs.
func newClient(cfg Config, hc *http.Client) (*api.Client, error) {
	c, err := api.NewClient(&api.Config{Address: cfg.Address, HttpClient: hc, DisableRedirects: true})
	if err != nil {
		return nil, fmt.Errorf("%w: making Vault's client (are there broken VAULT_ variables in the environment?)", ErrInput)
	}
	c.ClearToken()
	c.SetWrappingLookupFunc(func(string, string) string { return "" })
	c.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
	if cfg.Namespace != "" {
		c.SetNamespace(cfg.Namespace)
	}
	return c, nil
}

// limited cuts answers off at maxAnswer.
type limited struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.ContentLength > maxAnswer {
		return nil, errors.Join(errTooLong, resp.Body.Close())
	}
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: maxAnswer}
	return resp, nil
}

type limitedBody struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}
