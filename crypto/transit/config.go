package transit

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"
)

// Config says where Vault is and how to log in.
type Config struct {
	// Address is required: https://host[:port]. http:// is taken only for a
	// loopback address, because the token travels with every request.
	Address string
	// Mount is the path of the Transit engine; default "transit".
	Mount string
	// Namespace is Vault's own (Enterprise, OpenBao); default none.
	Namespace string
	// KeyPrefix stands before every key's name in Vault, as the policies in
	// deploy/vault expect; default "fieldvault-".
	KeyPrefix string

	// CACertFile and CACertPEM (at most one) name the only authorities that may
	// vouch for Vault; default: the system's.
	CACertFile string
	// CACertPEM holds the certificates themselves, see CACertFile.
	CACertPEM string
	// ServerName is verified in Vault's certificate instead of Address's host.
	ServerName string
	// ClientCertFile and ClientKeyFile (both or none) are our own certificate,
	// read again at every handshake.
	ClientCertFile, ClientKeyFile string

	// Auth is required.
	Auth Auth

	// Timeout bounds one request with its retries; default 2 s.
	Timeout time.Duration
	// MaxWait bounds the time that one batch of a call waits for its turn and
	// its answer; default twice Timeout, and never less.
	MaxWait time.Duration
	// MaxBatch is the most items in one request; default 1000, at most 10,000.
	MaxBatch int
	// Unwraps is how many requests to decrypt under one key may be under way at once;
	// default 1, at most 64. What comes meanwhile waits for the next, so that more of
	// them have keys wait less for each other, and ask Vault more often.
	Unwraps int

	// Logger gets what happens to logins, the breaker and failed requests, never
	// a value; default none.
	Logger *slog.Logger
	// Now is required: the clock, which spaces logins.
	Now func() time.Time
}

// Auth is how we log in: exactly one of its fields is set.
type Auth struct {
	// Token is used as it is and renewed while Vault allows.
	Token string
	// TokenFile holds a token, as Vault Agent writes it; it is read again when
	// Vault refuses the token.
	TokenFile string
	// AppRole logs in with a role id and a secret id.
	AppRole *AppRole
	// Kubernetes logs in with a service account's token.
	Kubernetes *Kubernetes
}

// AppRole is a login at Vault's AppRole method.
type AppRole struct {
	// RoleID is required.
	RoleID string
	// SecretID or SecretIDFile is required; the file is read at every login.
	SecretID, SecretIDFile string
	// Mount is the method's path; default "approle".
	Mount string
}

// Kubernetes is a login at Vault's Kubernetes method.
type Kubernetes struct {
	// Role is required.
	Role string
	// JWTFile is read at every login; default the place where Kubernetes puts
	// the service account's token.
	JWTFile string
	// Mount is the method's path; default "kubernetes".
	Mount string
}

const (
	defaultTimeout  = 2 * time.Second
	defaultMaxBatch = 1000
	maxMaxBatch     = 10_000
	maxUnwraps      = 64
	defaultJWTFile  = "/var/run/secrets/kubernetes.io/serviceaccount/token"
)

// withDefaults returns c completed and checked; every gap is named at once.
func (c Config) withDefaults() (Config, error) {
	setDefault(&c.Mount, "transit")
	setDefault(&c.KeyPrefix, "fieldvault-")
	setDefault(&c.Timeout, defaultTimeout)
	setDefault(&c.MaxBatch, defaultMaxBatch)
	setDefault(&c.Unwraps, 1)
	setDefault(&c.MaxWait, 2*c.Timeout)
	setDefault(&c.Logger, slog.New(slog.DiscardHandler))
	if c.Auth.AppRole != nil {
		a := *c.Auth.AppRole
		setDefault(&a.Mount, "approle")
		c.Auth.AppRole = &a
	}
	if c.Auth.Kubernetes != nil {
		a := *c.Auth.Kubernetes
		setDefault(&a.Mount, "kubernetes")
		setDefault(&a.JWTFile, defaultJWTFile)
		c.Auth.Kubernetes = &a
	}
	if err := errors.Join(c.check()...); err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrInput, err)
	}
	return c, nil
}

func setDefault[T comparable](p *T, def T) {
	var zero T
	if *p == zero {
		*p = def
	}
}

func (c Config) check() []error {
	errs := []error{checkAddress(c.Address), c.Auth.check()}
	refuse := func(when bool, text string) {
		if when {
			errs = append(errs, errors.New(text))
		}
	}
	refuse(!validPath(c.Mount), "mount is not a path of letters, digits, '_', '-' and '/'")
	refuse(c.Namespace != "" && !validPath(strings.TrimSuffix(c.Namespace, "/")), "namespace is not a path of letters, digits, '_', '-' and '/'")
	refuse(!validPath(c.KeyPrefix) || strings.Contains(c.KeyPrefix, "/"), "the key prefix is not made of letters, digits, '_' and '-'")
	refuse(c.CACertFile != "" && c.CACertPEM != "", "both CACertFile and CACertPEM are set")
	refuse((c.ClientCertFile == "") != (c.ClientKeyFile == ""), "one of ClientCertFile and ClientKeyFile is missing")
	refuse(c.Timeout < 0, "the time-out is negative")
	refuse(c.MaxWait < c.Timeout, "the longest wait is less than the time-out")
	refuse(c.MaxBatch < 1 || c.MaxBatch > maxMaxBatch, "the largest batch is not between 1 and 10000")
	refuse(c.Unwraps < 1 || c.Unwraps > maxUnwraps, "the requests to decrypt at once are not between 1 and 64")
	refuse(c.Now == nil, "the clock, Now, is missing")
	return errs
}

// checkAddress takes https, and http to this machine alone.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return errors.New("address is not a URL like https://vault.example.org:8200")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return errors.New("address has more than scheme, host and port")
	}
	switch u.Scheme {
	case "https":
		return nil
	case "http":
		if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
			return nil
		}
		return errors.New("address is http:// to another machine: the token would travel in clear, use https://")
	default:
		return errors.New("address is neither https:// nor http://")
	}
}

func (a Auth) check() error {
	n := 0
	for _, set := range []bool{a.Token != "", a.TokenFile != "", a.AppRole != nil, a.Kubernetes != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		return errors.New("auth needs exactly one of Token, TokenFile, AppRole and Kubernetes")
	}
	if r := a.AppRole; r != nil {
		switch {
		case r.RoleID == "":
			return errors.New("in Auth, AppRole.RoleID is missing")
		case (r.SecretID == "") == (r.SecretIDFile == ""):
			return errors.New("in Auth, AppRole needs exactly one of SecretID and SecretIDFile")
		case !validPath(r.Mount):
			return errors.New("in Auth, AppRole.Mount is not a path of letters, digits, '_', '-' and '/'")
		}
	}
	if r := a.Kubernetes; r != nil {
		switch {
		case r.Role == "":
			return errors.New("in Auth, Kubernetes.Role is missing")
		case !validPath(r.Mount):
			return errors.New("in Auth, Kubernetes.Mount is not a path of letters, digits, '_', '-' and '/'")
		}
	}
	return nil
}

// validPath reports whether s is made of non-empty segments of letters, digits,
// '_' and '-': nothing that a URL could read as something else.
func validPath(s string) bool {
	for segment := range strings.SplitSeq(s, "/") {
		if segment == "" || strings.Trim(segment, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
			return false
		}
	}
	return true
}
