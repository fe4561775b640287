package main

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// retention returns what asks, again and again, for the removal of values whose time
// has passed: soon after the start, then as often as the settings say. The job itself
// runs on one node.
func (p *parts) retention() (run func(context.Context) error, err error) {
	every, err := duration("retention.every", p.cfg.Retention.Every)
	if err != nil {
		return nil, err
	}
	if every < time.Second {
		return nil, withHint(errors.New("retention.every is below 1s"), "write it as 1h, which is the default")
	}
	return func(ctx context.Context) error {
		wait := min(retentionFirst, every)
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(wait):
			}
			wait = every
			if err := p.vault.PlanRetention(ctx, every); err != nil && ctx.Err() == nil {
				wait = min(retentionRetry, every)
				p.log.WarnContext(ctx, "retention could not be planned; trying again", "after", wait, "error", err)
			}
		}
	}, nil
}

const (
	// retentionFirst is after how long a process looks first.
	retentionFirst = 2 * time.Second
	// retentionRetry is after how long it looks again when it could not.
	retentionRetry = time.Minute
)

// newLateness makes the measure of how punctual retention is.
func newLateness() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "fieldvault", Name: "retention_lateness_seconds",
		Help:    "How long after the end of its retention each value was removed by this process.",
		Buckets: []float64{60, 600, 1800, 3600, 2 * 3600, 6 * 3600, 86400, 7 * 86400, 30 * 86400},
	})
}

// measureRetention registers how retention stands.
func (p *parts) measureRetention(r prometheus.Registerer) {
	r.MustRegister(p.late)
	gauge := func(name, help string, f func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "fieldvault", Name: name, Help: help}, f))
	}
	gauge("retention_overdue_seconds", "For how long the value has been past its time that is so for the longest and may be removed; 0: none.",
		func() float64 { return p.vault.RetentionStats().Overdue.Seconds() })
	gauge("retention_kept_values", "Values that a hold or a restriction kept past their time, as of the last pass.",
		func() float64 { return float64(p.vault.RetentionStats().Kept) })
	gauge("retention_stuck_records", "Records that the last pass could not look at; fieldvault fsck names them.",
		func() float64 { return float64(p.vault.RetentionStats().Stuck) })
	gauge("retention_last_pass_timestamp_seconds", "When the last pass over all records began, in Unix seconds; 0: there was none.",
		func() float64 {
			last := p.vault.RetentionStats().Last
			if last.IsZero() {
				return 0
			}
			return float64(last.Unix())
		})
}
