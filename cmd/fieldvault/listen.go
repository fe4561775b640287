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

// addresses are what the service listens on, opened before anything else is: an
// address that is taken is known before work is done.
type addresses struct {
	api, metrics net.Listener // metrics may be nil
}

// bind opens the addresses of the settings.
func bind(ctx context.Context, cfg Config) (a addresses, err error) {
	var lc net.ListenConfig
	if a.api, err = lc.Listen(ctx, "tcp", cfg.Listen); err != nil {
		return a, withHint(fmt.Errorf("listening for the API: %w", err), "choose another address (port 0 takes a free one), or stop what uses it")
	}
	if cfg.MetricsListen == "" {
		return a, nil
	}
	if a.metrics, err = lc.Listen(ctx, "tcp", cfg.MetricsListen); err != nil {
		err = withHint(fmt.Errorf("listening for metrics: %w", err), "choose another metrics_listen, or an empty one for none")
		return a, errors.Join(err, a.close())
	}
	return a, nil
}

// close closes what is open still; servers close what they serve on.
func (a addresses) close() error {
	var errs []error
	for _, l := range []net.Listener{a.api, a.metrics} {
		if l == nil {
			continue
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// withTLS makes a listener that speaks TLS only, or a plain one without settings.
func withTLS(n net.Listener, cert *tls.Config) net.Listener {
	if cert == nil {
		return n
	}
	return tls.NewListener(n, cert)
}

// serveAll serves until ctx ends or a part fails, then lets requests under way
// finish for as long as grace. Background work runs meanwhile, and ends after the
// last request.
func serveAll(ctx context.Context, log *slog.Logger, grace time.Duration, listeners []*listener, work []func(context.Context) error) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, serving := errgroup.WithContext(ctx)
	var jobs sync.WaitGroup
	failed := make(chan error, len(work))
	for _, run := range work {
		jobs.Go(func() {
			if err := run(background); err != nil {
				failed <- fmt.Errorf("working in the background: %w", err)
			}
		})
	}
	g.Go(func() error {
		select {
		case err := <-failed:
			return err
		case <-serving.Done():
			return nil
		}
	})
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
	jobs.Wait()
	return err
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
