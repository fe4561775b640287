package vault

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/trail"
)

// A LogConfig says how the tenants' audit logs are kept. The zero value keeps none:
// events are written, and another process sequences them.
type LogConfig struct {
	// Origin names the service in signed checkpoints, as a URL without a scheme; it
	// must never change. A tenant's log is Origin/<tenant>. Empty: this process
	// neither sequences nor proves.
	Origin string
	// Seen is told every event once it is in its log, in order, by the process that
	// sequences. It must not block. Optional.
	Seen func(tenant string, index int64, e *audit.Event)
	// Refused is told of every row of the intake that is no event of the service's,
	// and of a log that was altered (row 0). It must not block. Optional.
	Refused func(tenant string, row int64, why string)
}

// LogStore is a store as package trail sees it: to check a log with nothing but the
// store and the public key.
func LogStore(s Store) trail.Store { return logStore{s} }

type logStore struct{ s Store }

func (l logStore) View(ctx context.Context, f func(trail.Tx) error) error {
	return l.s.View(ctx, func(tx Tx) error { return f(tx) })
}

func (l logStore) Update(ctx context.Context, f func(trail.Tx) error) error {
	return l.s.Update(ctx, func(tx Tx) error { return f(tx) })
}

func (l logStore) Settle(ctx context.Context) error {
	s, ok := l.s.(Settler)
	if !ok {
		return errNoSettle
	}
	return s.Settle(ctx)
}

var errNoSettle = fmt.Errorf("%w: the store cannot wait for transactions", ErrUnavailable)

// newSequencer makes the part that grows the logs, or nil if this process does not.
func (v *Vault) newSequencer(cfg LogConfig, owner uuid.UUID) (*trail.Sequencer, error) {
	if cfg.Origin == "" {
		return nil, nil
	}
	seen := func(tenant string, index int64, e *audit.Event) {
		if cfg.Seen != nil {
			v.noteHoney(tenant, e)
			cfg.Seen(tenant, index, e)
		}
	}
	return trail.New(trail.Config{
		Store: logStore{v.store}, Origin: cfg.Origin, Owner: owner.String(), Now: v.now, Logger: v.log, Seen: seen,
		Refused: func(tenant int32, row int64, why string) {
			if t := v.tenantByID(tenant); cfg.Refused != nil && t != nil {
				cfg.Refused(t.row.Name, row, why)
			}
		},
		Signer: func() trail.Signer {
			if s := v.signer.get(); s != nil {
				return s
			}
			return nil
		},
		Tenant: func(id int32) (trail.Tenant, bool) {
			t := v.tenantByID(id)
			if t == nil {
				return trail.Tenant{}, false
			}
			return trail.Tenant{Name: t.row.Name, Vouches: t.vouches, Keeps: keeps}, true
		},
	})
}

// runLogs sequences until ctx ends. Where somebody is told of events, it begins once it
// is known who is bait.
func (v *Vault) runLogs(ctx context.Context) {
	if v.sequencer == nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	if v.watched {
		loaded := make(chan struct{})
		wg.Go(func() { v.runHoney(ctx, loaded) })
		select {
		case <-loaded:
		case <-ctx.Done():
		}
	}
	_ = v.sequencer.Run(ctx) // it returns nil
}

// Sequence puts all events that are stored into their tenants' logs, now, and says
// how many rows it took. It is for commands and tests: [Vault.Run] does so by itself.
func (v *Vault) Sequence(ctx context.Context) (n int, err error) {
	if v.sequencer == nil {
		return 0, errNoLog
	}
	for {
		k, err := v.sequencer.Step(ctx)
		n += k
		if err != nil || k == 0 {
			return n, err
		}
	}
}

var errNoLog = fmt.Errorf("%w: this process keeps no audit log", ErrUnavailable)

// LogStats are running totals of the sequencing in this process.
func (v *Vault) LogStats() trail.Stats {
	if v.sequencer == nil {
		return trail.Stats{}
	}
	return v.sequencer.Stats()
}

// logChecks are lines of Ready. Erasures go on while a log was altered, so nothing
// here makes the service unready.
func (v *Vault) logChecks() (list []Check) {
	if v.sequencer == nil {
		return nil
	}
	for id, why := range v.sequencer.Altered() {
		if t := v.tenantByID(id); t != nil {
			list = append(list, Check{Name: "audit log " + t.row.Name, OK: true, Note: why + ": run `fieldvault audit verify --store`"})
		}
	}
	return list
}

// logOf is the audit log of a tenant, to read.
func (v *Vault) logOf(t *tenant) (trail.Log, error) {
	signer := v.signer.get()
	switch {
	case v.origin == "":
		return trail.Log{}, errNoLog
	case signer == nil:
		return trail.Log{}, fmt.Errorf("%w: the signing key is not open", ErrUnavailable)
	}
	return trail.Log{Store: logStore{v.store}, Tenant: t.row.ID, Origin: trail.Origin(v.origin, t.row.Name), Key: signer.Public()}, nil
}
