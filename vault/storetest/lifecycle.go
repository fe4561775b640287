package storetest

import (
	"sync/atomic"

	"github.com/fieldvault/fieldvault/vault"
)

func lifecycle(w *world) {
	w.is("Ping", w.s.Ping(w.Context()), nil)
	tenant := w.tenant()
	var finished atomic.Bool
	running, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- w.s.Update(w.Context(), func(tx vault.Tx) error {
			close(running)
			<-release
			err := tx.AppendEvent(w.Context(), vault.Intake{Tenant: tenant, Leaf: []byte("x")})
			finished.Store(true)
			return err
		})
	}()
	<-running
	go close(release)
	w.is("Close", w.s.Close(), nil)
	if !finished.Load() {
		w.Error("Close did not wait for a transaction")
	}
	w.is("a transaction that Close waited for", <-ended, nil)
	w.is("Close again", w.s.Close(), nil)

	ctx := w.Context()
	for name, err := range map[string]error{
		"Ping":         w.s.Ping(ctx),
		"View":         w.s.View(ctx, func(vault.Tx) error { return nil }),
		"Update":       w.s.Update(ctx, func(vault.Tx) error { return nil }),
		"Settle":       w.settler().Settle(ctx),
		"AppendEvents": outcome(w.s.AppendEvents(ctx, []vault.Intake{{Tenant: tenant, Leaf: []byte("x")}})),
	} {
		w.is(name+" of a closed store", err, vault.ErrUnavailable)
	}
	_, err := w.s.LoadForReveal(ctx, vault.LoadQuery{Tenant: tenant})
	w.is("LoadForReveal of a closed store", err, vault.ErrUnavailable)
}
