package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// A listener is one HTTP server and where it listens.
type listener struct {
	name   string
	server *http.Server
	net    net.Listener
	tls    bool
}

// url is where clients reach it.
func (l *listener) url() string {
	if l.tls {
		return "https://" + l.net.Addr().String()
	}
	return "http://" + l.net.Addr().String()
}

// listen opens the address. With a certificate it speaks TLS only.
func listen(ctx context.Context, name, addr string, server *http.Server, cert *tls.Config) (*listener, error) {
	var lc net.ListenConfig
	n, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, withHint(fmt.Errorf("listening for %s on %s: %w", name, addr, err), "choose another address, or stop what uses it")
	}
	if cert != nil {
		n = tls.NewListener(n, cert)
	}
	return &listener{name: name, server: server, net: n, tls: cert != nil}, nil
}

// serveAll serves until ctx ends, then lets requests under way finish for as
// long as grace. Background work runs meanwhile, and ends after the last request.
func serveAll(ctx context.Context, log *slog.Logger, grace time.Duration, listeners []*listener, work []func(context.Context) error) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var jobs errgroup.Group
	for _, run := range work {
		jobs.Go(func() error { return run(background) })
	}
	g, serving := errgroup.WithContext(ctx)
	for _, l := range listeners {
		g.Go(func() error {
			if err := l.server.Serve(l.net); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serving %s: %w", l.name, err)
			}
			return nil
		})
		g.Go(func() error {
			<-serving.Done()
			wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
			defer cancel()
			if err := l.server.Shutdown(wait); err != nil {
				log.WarnContext(wait, "requests were cut off after the time to finish", "listener", l.name)
				return l.server.Close()
			}
			return nil
		})
	}
	err := g.Wait()
	stop()
	return errors.Join(err, jobs.Wait())
}

// A certificate is read again when its files change, at most once a second.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	cert    *tls.Certificate
	checked time.Time
	stamp   string
}

// tlsConfig makes the listener's TLS settings, or nil for plain HTTP.
func tlsConfig(cfg TLSConfig, log *slog.Logger) (*tls.Config, error) {
	if cfg.CertFile == "" && cfg.KeyFile == "" {
		if cfg.ClientCAFile != "" {
			return nil, withHint(errors.New("tls.client_ca_file is set without tls.cert_file"), "set tls.cert_file and tls.key_file too")
		}
		return nil, nil
	}
	c := &certificate{certFile: cfg.CertFile, keyFile: cfg.KeyFile, log: log}
	if _, err := c.get(nil); err != nil {
		return nil, withHint(err, "tls.cert_file and tls.key_file must name a PEM certificate chain and its key")
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"h2", "http/1.1"}}
	if cfg.ClientCAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(cfg.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("reading tls.client_ca_file: %w", err)
	}
	t.ClientCAs, t.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !t.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("tls.client_ca_file holds no certificate")
	}
	return t, nil
}

// get returns the present certificate. One that cannot be read keeps the last.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cert != nil && now().Sub(c.checked) < time.Second {
		return c.cert, nil
	}
	c.checked = now()
	stamp := stampOf(c.certFile) + stampOf(c.keyFile)
	if c.cert != nil && stamp == c.stamp {
		return c.cert, nil
	}
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		if c.cert == nil {
			return nil, fmt.Errorf("reading the certificate: %w", err)
		}
		c.log.Warn("the new certificate cannot be read; the last one stays") //nolint:sloglint // no context in a handshake callback
		return c.cert, nil
	}
	c.cert, c.stamp = &cert, stamp
	return c.cert, nil
}

func stampOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s %d %d;", path, info.Size(), info.ModTime().UnixNano())
}
