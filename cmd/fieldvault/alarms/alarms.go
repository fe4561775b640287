// Package alarms raises alarms from the stream of audit events.
//
// What a [watch.Watch] finds alarming, and every row that the log refuses, becomes an
// alarm in three places: a line of the log, a metric, and a signed webhook. An alarm
// names nobody but who acted, and a honey person, who is none.
//
//   - [Alarms.Seen] and [Alarms.Refused] never wait. What they are told is in a bounded
//     queue; what has no room is lost, counted and said.
//   - Rows that are refused are one alarm a minute for each tenant, which counts them,
//     so that a flood of them hides no other alarm.
//   - [Alarms.Run] owns the sender of webhooks: when it ends, what is in the queue is
//     still raised, and then sent once.
package alarms

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/watch"
	"github.com/fieldvault/fieldvault/vault/notify"
)

// room is how many events wait to be looked at: some steps of the sequencer, which
// tells of up to 4,096 at once.
const room = 1 << 14

// tamperingEvery is how often there is an alarm for refused rows of one tenant.
const tamperingEvery = time.Minute

// Config is what alarms need. All of it is required.
type Config struct {
	Rules  watch.Rules                             // what is alarming
	Honey  func(tenant string, uid uuid.UUID) bool // which people are bait; it must be quick
	Now    func() time.Time                        // the clock
	NewID  func() uuid.UUID                        // makes ids of webhooks
	Logger *slog.Logger                            // gets each alarm
}

// Alarms raises alarms. Make one with [New].
type Alarms struct {
	cfg    Config
	watch  *watch.Watch
	queue  chan item
	lost   atomic.Int64
	raised *prometheus.CounterVec
	sender *notify.Sender // nil: none
	rows   map[string]*refused
}

// An item is an event, or a row that was refused.
type item struct {
	event  *audit.Event // nil: a row
	tenant string
	row    int64
	why    string
}

// refused counts the rows of a tenant since the last alarm for them.
type refused struct {
	last  time.Time
	count int
}

// New makes alarms; the error names a limit that is none, or what is missing.
func New(cfg Config) (*Alarms, error) {
	if cfg.Honey == nil || cfg.Now == nil || cfg.NewID == nil || cfg.Logger == nil {
		return nil, errors.New("alarms: a part of the configuration is missing")
	}
	w, err := watch.New(cfg.Rules, cfg.Honey)
	if err != nil {
		return nil, err
	}
	a := &Alarms{cfg: cfg, watch: w, queue: make(chan item, room), rows: map[string]*refused{}}
	a.raised = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "fieldvault", Name: "alarms_total", Help: "Alarms that this process has raised.",
	}, []string{"kind"})
	for _, k := range watch.Kinds() {
		a.raised.WithLabelValues(string(k))
	}
	return a, nil
}

// Deliver has alarms sent as webhooks. It is called before [Alarms.Run], which runs the
// sender.
func (a *Alarms) Deliver(s *notify.Sender) { a.sender = s }

// Seen takes an event of the log, in order. It does not change.
func (a *Alarms) Seen(_ string, _ int64, e *audit.Event) { a.put(item{event: e}) }

// Refused takes a row that the log refused, or with row 0 that a log was altered.
func (a *Alarms) Refused(tenant string, row int64, why string) {
	a.put(item{tenant: tenant, row: row, why: why})
}

func (a *Alarms) put(x item) {
	select {
	case a.queue <- x:
	default:
		a.lost.Add(1)
	}
}

// Run raises alarms until ctx ends, and returns nil then.
func (a *Alarms) Run(ctx context.Context) error {
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	if a.sender != nil {
		wg.Go(func() {
			if err := a.sender.Run(sending); err != nil {
				a.cfg.Logger.ErrorContext(ctx, "webhooks are not sent", "error", err)
			}
		})
	}
	said := int64(0)
	for ctx.Err() == nil {
		select {
		case x := <-a.queue:
			a.look(ctx, x)
		case <-ctx.Done():
		}
		if lost := a.lost.Load(); lost != said {
			said = lost
			a.cfg.Logger.ErrorContext(ctx, "events came too fast to be watched for alarms", "lost", lost)
		}
	}
	for {
		select {
		case x := <-a.queue:
			a.look(ctx, x)
		default:
			return nil
		}
	}
}

// look raises what an item gives cause for.
func (a *Alarms) look(ctx context.Context, x item) {
	if x.event == nil {
		a.refuse(ctx, x)
		return
	}
	for _, alarm := range a.watch.See(x.event) {
		a.raise(ctx, &alarm)
	}
}

func (a *Alarms) refuse(ctx context.Context, x item) {
	r := a.rows[x.tenant]
	if r == nil {
		r = &refused{}
		a.rows[x.tenant] = r
	}
	r.count++
	now := a.cfg.Now()
	if since := now.Sub(r.last); x.row != 0 && since >= 0 && since < tamperingEvery {
		return
	}
	alarm := watch.Tampered(x.tenant, x.row, x.why, r.count, now)
	r.last, r.count = now, 0
	a.raise(ctx, &alarm)
}

// raise says that something is wrong, everywhere.
func (a *Alarms) raise(ctx context.Context, alarm *watch.Alarm) {
	a.raised.WithLabelValues(string(alarm.Kind)).Inc()
	a.cfg.Logger.WarnContext(ctx, "alarm", attrs(alarm)...)
	if a.sender == nil {
		return
	}
	if err := a.sender.Send(a.cfg.NewID().String(), string(alarm.Kind), alarm.AppendJSON(nil)); err != nil {
		a.cfg.Logger.ErrorContext(ctx, "an alarm is not sent as a webhook", "kind", string(alarm.Kind), "error", err)
	}
}

// attrs are the members of an alarm that it has.
func attrs(alarm *watch.Alarm) []any {
	list := []any{"kind", string(alarm.Kind), "tenant", alarm.Tenant, "count", alarm.Count, "since", alarm.Since, "at", alarm.At}
	for _, x := range []struct{ name, value string }{{"actor", alarm.Actor}, {"purpose", string(alarm.Purpose)}, {"why", alarm.Why}} {
		if x.value != "" {
			list = append(list, x.name, x.value)
		}
	}
	for _, x := range []struct {
		name string
		id   uuid.UUID
	}{{"uid", alarm.UID}, {"event", alarm.Event}} {
		if x.id != uuid.Nil {
			list = append(list, x.name, x.id.String())
		}
	}
	if alarm.Row != 0 {
		list = append(list, "row", alarm.Row)
	}
	return list
}

// Collectors are the metrics of alarms and of their webhooks.
func (a *Alarms) Collectors() []prometheus.Collector {
	count := func(name, help string, f func() int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "fieldvault", Name: name, Help: help}, func() float64 { return float64(f()) })
	}
	list := []prometheus.Collector{
		a.raised, count("alarm_events_lost_total", "Events that came too fast to be watched for alarms.", a.lost.Load),
	}
	if s := a.sender; s != nil {
		list = append(list,
			count("webhooks_delivered_total", "Webhooks that were delivered.", func() int64 { return s.Stats().Delivered }),
			count("webhooks_failed_total", "Webhooks that were given up.", func() int64 { return s.Stats().Failed }),
			count("webhooks_refused_total", "Webhooks that found no room to wait.", func() int64 { return s.Stats().Refused }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "fieldvault", Name: "webhooks_waiting", Help: "Webhooks that are not delivered yet."},
				func() float64 { return float64(s.Stats().Waiting) }))
	}
	return list
}
