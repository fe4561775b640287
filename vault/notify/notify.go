// Package notify delivers signed webhooks: a [Sender] posts messages to one
// address, in order, and tries again where that can help.
//
// It follows Standard Webhooks 1.0 (https://www.standardwebhooks.com), so that a
// receiver in any language has a library that verifies. What holds:
//
//   - [Sender.Send] never waits: a message is in a bounded queue, or refused.
//   - Messages are delivered one after the other, in the order they were taken. One
//     that fails for good makes room for the next.
//   - A message may arrive more than once, as when an answer is lost. Its id is the
//     same each time; a receiver that must act once remembers ids for [Tolerance].
//   - A message that was taken and not delivered before the process ends is lost.
//   - A redirect is never followed, so that a message and its signature reach the one
//     address that was configured, or none.
//   - The log gets the id and kind of a message, the host, the number of the status
//     and words of this package. It gets nothing else of an answer or an error, and
//     no path or query of the address, which are often a password.
//
// # Format
//
// A message is a POST with the body as it was given, a Content-Type of
// application/json, and three headers:
//
//	webhook-id:        the message's id
//	webhook-timestamp: when this attempt was signed: seconds since 1970, decimal
//	webhook-signature: v1,<padded base64 of the HMAC-SHA-256>
//
// The HMAC is made with the secret over id, timestamp and body with a full stop
// between them. An id has no full stop in it, so these three have one reading.
// [Check] is what a receiver does. To a receiver's library the secret is given as
// "whsec_" and its padded base64.
package notify

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Bounds.
const (
	MinSecret = 32              // bytes of a secret
	MaxID     = 64              // bytes of a message's id
	MaxKind   = 63              // bytes of a message's kind
	MaxBody   = 64 << 10        // bytes of a message's body
	Tolerance = 5 * time.Minute // by which the clocks of sender and receiver may differ
)

// What a Config leaves open.
const (
	defaultAttempts = 8
	defaultQueue    = 1000
	defaultTimeout  = 10 * time.Second
)

// Config says where a [Sender] delivers, and how.
type Config struct {
	// URL is the address: https, or http on this very machine (localhost or a
	// loopback address), without user and password. Required.
	URL string
	// Secret signs: at least MinSecret random bytes, shared with the receiver.
	// Required.
	Secret []byte
	// Now is the clock that is signed. Required.
	Now func() time.Time
	// Logger gets what was not delivered. Required.
	Logger *slog.Logger
	// Client is used with its transport and time-out, but never follows redirects or
	// keeps cookies. One that does not verify TLS is refused. Default: a client with
	// a time-out of 10 s an attempt; without a time-out it gets this one.
	Client *http.Client
	// Roots are the authorities that may vouch for the receiver, instead of the
	// system's. Not together with Client, whose transport has its own.
	Roots *x509.CertPool
	// Attempts is how often a message is sent at most. 0: 8, which with the waits
	// between them takes at least a minute.
	Attempts int
	// Queue is how many messages wait at most, with the one that is being delivered;
	// each has at most MaxBody bytes. 0: 1000.
	Queue int
	// Jitter says how long to wait instead of d before a message is sent again, so
	// that many senders do not come back together. nil: at random from half of d to d.
	Jitter func(d time.Duration) time.Duration
}

// A Sender delivers messages to one address. Make one with [New], and let
// [Sender.Run] run. It is safe for concurrent use.
type Sender struct {
	cfg  Config
	host string
	http *http.Client

	mu    sync.Mutex // before queue and what follows
	queue chan message
	state state
	stats Stats
}

// Stats counts messages since the sender was made.
type Stats struct {
	Delivered int64 // answered with a status from 200 to 299
	Failed    int64 // taken, and given up
	Refused   int64 // not taken, because the queue was full
	Waiting   int64 // taken, and neither delivered nor given up yet
}

// New makes a sender. It sends nothing yet. It refuses a configuration with a gap:
// an address to which a message could leak, or a secret that could be guessed. No
// error tells the address or the secret.
func New(cfg Config) (*Sender, error) {
	u, err := address(cfg.URL)
	if err != nil {
		return nil, err
	}
	switch {
	case len(cfg.Secret) < MinSecret:
		return nil, ErrSecret
	case cfg.Now == nil:
		return nil, errors.New("notify: Config.Now is required")
	case cfg.Logger == nil:
		return nil, errors.New("notify: Config.Logger is required")
	case cfg.Attempts < 0 || cfg.Queue < 0:
		return nil, errors.New("notify: a number of Config is negative")
	}
	hc, err := client(&cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = defaultAttempts
	}
	if cfg.Queue == 0 {
		cfg.Queue = defaultQueue
	}
	if cfg.Jitter == nil {
		cfg.Jitter = jitter
	}
	cfg.Secret = bytes.Clone(cfg.Secret)
	return &Sender{cfg: cfg, host: u.Host, http: hc, queue: make(chan message, cfg.Queue)}, nil
}

// address parses an address that messages may be sent to. The cause of an error is
// left out: it would hold the address.
func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return nil, errors.New("notify: Config.URL must be like https://hooks.example.org/alarms, without user and password")
	case u.Scheme == "https", u.Scheme == "http" && local(u.Hostname()):
		return u, nil
	}
	return nil, errors.New("notify: Config.URL must be https: others on the way would read the messages")
}

// local reports whether the host is this machine.
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// client is the configured client, or one of our own, that stays where it is sent.
func client(cfg *Config) (*http.Client, error) {
	var hc http.Client
	if cfg.Client != nil {
		hc = *cfg.Client
		if cfg.Roots != nil {
			return nil, errors.New("notify: Config.Client and Config.Roots exclude each other")
		}
	}
	if hc.Transport == nil {
		hc.Transport = transport(cfg.Roots)
	}
	if t, ok := hc.Transport.(*http.Transport); ok && t.TLSClientConfig != nil && t.TLSClientConfig.InsecureSkipVerify {
		return nil, errors.New("notify: Config.Client must verify TLS: give the receiver's authority as Config.Roots")
	}
	if hc.Timeout <= 0 {
		hc.Timeout = defaultTimeout
	}
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	hc.Jar = nil
	return &hc, nil
}

func transport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           1,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: maxAnswer,
	}
}

// jitter is at random from half of d to d.
func jitter(d time.Duration) time.Duration {
	r, err := rand.Int(rand.Reader, big.NewInt(int64(d/2)+1))
	if err != nil {
		return d
	}
	return d/2 + time.Duration(r.Int64())
}
