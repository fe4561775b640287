package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
)

// An Authenticator turns a bearer token into who it speaks for. Every error
// means the same to the caller: 401. It must be safe for concurrent use.
type Authenticator interface {
	// Verify returns the principal of a token that is valid now.
	Verify(ctx context.Context, token string) (accessctl.Principal, error)
}

// A Config says what the API is made of. Every field is required unless its comment says otherwise.
type Config struct {
	// Vault does the work and holds the rules.
	Vault *vault.Vault
	// Auth checks tokens.
	Auth Authenticator
	// Logger gets one line a request, and faults. Never a path, an id of a
	// person, or a value.
	Logger *slog.Logger
	// Now is the clock.
	Now func() time.Time
	// NewID makes the ids of requests that bring none.
	NewID func() uuid.UUID
	// DefaultTenant is the tenant that public routes mean without ?tenant=.
	DefaultTenant string
	// Rate is how many requests a second one principal may send in the long run;
	// failed authentications of one address are bounded by a tenth of it.
	Rate float64
	// Burst is how many requests one principal may send at once; failed
	// authentications of one address are bounded by a tenth of it.
	Burst int
	// MaxInFlight is how many requests may be under way at the same time; one
	// principal gets at most half of them.
	MaxInFlight int
	// Registerer gets the metrics: counts, durations and requests under way, by
	// route pattern and status class.
	Registerer prometheus.Registerer
	// Version of the service, for the OpenAPI document.
	Version string
	// Keys reads how key-encryption keys stand.
	Keys vault.KeyReader
	// PortalURL is where people find their control panel, as https://privacy.example.org.
	// Optional: without it links begin with a path.
	PortalURL string
	// Ready says what /readyz answers.
	Ready func(context.Context) []vault.Check
}

func (c *Config) check() error {
	gaps := []struct {
		name string
		gap  bool
	}{
		{"Vault", c.Vault == nil},
		{"Auth", c.Auth == nil},
		{"Logger", c.Logger == nil},
		{"Now", c.Now == nil},
		{"NewID", c.NewID == nil},
		{"DefaultTenant", c.DefaultTenant == ""},
		{"Rate", !(c.Rate > 0)},
		{"Burst", c.Burst < 1},
		{"MaxInFlight", c.MaxInFlight < 1},
		{"Registerer", c.Registerer == nil},
		{"Version", c.Version == ""},
		{"Keys", c.Keys == nil},
		{"Ready", c.Ready == nil},
	}
	var errs []error
	for _, g := range gaps {
		if g.gap {
			errs = append(errs, fmt.Errorf("httpapi: Config.%s is required", g.name))
		}
	}
	return errors.Join(errs...)
}

// NewServer makes a server for h with every time-out and the size of headers
// bounded, so that slow clients and endless headers end by themselves. The
// server's own errors, which may quote what a client sent, go to log only as a count
// of lines without their text.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(quiet{log.Handler()}, slog.LevelDebug),
	}
}

// quiet keeps net/http's lines and drops their text.
type quiet struct{ slog.Handler }

// Handle logs that there was a line.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Message = "a connection failed before its request could be answered"
	return q.Handler.Handle(ctx, r)
}
