package main

import (
	"context"
	"crypto/fips140"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
	"github.com/fieldvault/fieldvault/vault"
)

// measure registers what the parts count.
func (p *parts) measure(r prometheus.Registerer) {
	r.MustRegister(p.alarms.Collectors()...)
	counter := func(name, help string, f func() float64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "fieldvault", Name: name, Help: help}, f))
	}
	gauge := func(name, help string, f func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "fieldvault", Name: name, Help: help}, f))
	}
	counter("kek_requests_total", "Requests sent to the key-encryption key.", func() float64 { return float64(p.kek.Requests()) })
	counter("kek_items_total", "Keys wrapped, unwrapped or rewrapped.", func() float64 { return float64(p.kek.Items()) })
	counter("key_cache_hits_total", "Opened keys found in the cache.", func() float64 { return float64(p.ring.Stats().Hits) })
	counter("key_cache_misses_total", "Opened keys not found in the cache.", func() float64 { return float64(p.ring.Stats().Misses) })
	counter("kek_wraps_total", "Keys wrapped or rewrapped by this process.", func() float64 { return float64(p.ring.Stats().Wraps) })
	counter("audit_sequenced_total", "Events that this process has put into the audit logs.", func() float64 { return float64(p.vault.LogStats().Sequenced) })
	counter("audit_refused_total", "Rows of the audit intake that are no events of the service's: somebody wrote them by SQL.", func() float64 { return float64(p.vault.LogStats().Refused) })
	gauge("audit_sequencing_lag_seconds", "In the process that leads: how old the oldest event of the last step was when it was in its log, or while events wait, at most how old the oldest is.", func() float64 { return p.vault.LogStats().Lag.Seconds() })
	gauge("audit_sequencing_leader", "1 in the process that puts events into the audit logs.", func() float64 {
		if p.vault.LogStats().Leads {
			return 1
		}
		return 0
	})
	p.measureRetention(r)
	p.measureRights(r)
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "fieldvault", Name: "kek_version_uses",
		Help: "How often, in all processes, the version in use of that key-encryption key was used that was used most; 2^32 is the limit.",
	}, func() float64 { return float64(p.vault.MostUsed().Uses) }))
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "fieldvault", Name: "key_cache_entries", Help: "Opened keys in the cache.",
	}, func() float64 { return float64(p.ring.Stats().Entries) }))
}

// metricsHandler serves the metrics, on a listener of its own.
func metricsHandler(g prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{}))
	return mux
}

// readiness adds the parts that the core does not know to what readyz says.
func (p *parts) readiness(auth *jwtauth.Verifier) func(context.Context) []vault.Check {
	return func(ctx context.Context) []vault.Check {
		key := vault.Check{Name: "key-encryption key", OK: true}
		if err := p.kek.Ping(ctx); err != nil {
			key.OK, key.Note = false, "it does not answer: erasures and withdrawals work, keys that are not in the cache do not open"
		}
		tokens := vault.Check{Name: "issuers", OK: true}
		if err := auth.Ready(); err != nil {
			tokens.OK, tokens.Note = false, "the keys of an issuer cannot be read; the log names it"
		}
		return append(p.vault.Ready(ctx), key, tokens)
	}
}

// fipsMode names the mode of the cryptographic module, for the log at start. The
// mode only is refused earlier.
func fipsMode() string {
	if fips140.Enabled() {
		return "on"
	}
	return "off"
}
