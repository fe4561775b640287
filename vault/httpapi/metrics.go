package httpapi

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count requests. Their labels come from the table of routes and from
// closed sets: nothing that a client sends becomes one.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	underWay prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fieldvault_http_requests_total",
			Help: "Requests answered, by method, route pattern and class of status.",
		}, []string{"method", "route", "class"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "fieldvault_http_request_seconds",
			Help:    "Time to answer a request, by method and route pattern.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"method", "route"}),
		underWay: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fieldvault_http_requests_in_flight",
			Help: "Requests under way.",
		}),
	}
	return m, errors.Join(r.Register(m.requests), r.Register(m.seconds), r.Register(m.underWay))
}

func (m *metrics) done(method, pattern string, status int, took time.Duration) {
	m.requests.WithLabelValues(method, pattern, string([]byte{'0' + byte(status/100%10), 'x', 'x'})).Inc() //nolint:gosec // one digit
	m.seconds.WithLabelValues(method, pattern).Observe(took.Seconds())
}
