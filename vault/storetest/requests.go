package storetest

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

func (w *world) requestsOf(tenant int32, uid uuid.UUID) (out []vault.RequestRow) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		out, err = tx.RequestsOf(ctx, tenant, uid)
		return err
	})
	return out
}

func (w *world) requestLogs(q vault.RequestLogQuery) (out []vault.RequestLog) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		out, err = tx.RequestLogs(ctx, q)
		return err
	})
	return out
}

func (w *world) putRequests(list ...vault.RequestRow) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) error {
		for _, r := range list {
			if err := tx.PutRequest(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *world) putRequestLogs(list ...vault.RequestLog) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) error {
		for _, l := range list {
			if err := tx.PutRequestLog(ctx, l); err != nil {
				return err
			}
		}
		return nil
	})
}

func fillRequest(tenant int32, uid uuid.UUID) vault.RequestRow {
	return requestOf(tenant, uid, "fill", 1)
}

func requestOf(tenant int32, uid uuid.UUID, name string, filed int) vault.RequestRow {
	return vault.RequestRow{
		Tenant: tenant, UID: uid, ID: uuid.UUID(hash(uid.String() + name)[:16]), Filed: instant(filed),
		Body: []byte(`{"request":1}`), MAC: hash("request " + name),
	}
}

func requestLogOf(tenant int32, id uuid.UUID, due int) vault.RequestLog {
	return vault.RequestLog{Tenant: tenant, ID: id, Open: true, Due: instant(due), Body: []byte(`{"log":1}`), MAC: hash("log")}
}

func requests(w *world) {
	w.run("OfAPerson", func(w *world) {
		tenant, elsewhere, uid := w.tenant(), w.tenant(), newUID()
		late, early, other := requestOf(tenant, uid, "a", 2), requestOf(tenant, uid, "b", 1), requestOf(tenant, newUID(), "a", 1)
		late.Filed = late.Filed.In(zone())
		twin := early
		twin.Tenant = elsewhere
		w.equal("none", w.requestsOf(tenant, uid), []vault.RequestRow{})
		w.putRequests(late, early, other, twin)
		late.Filed = late.Filed.UTC()
		w.equal("a person's, by time", w.requestsOf(tenant, uid), []vault.RequestRow{early, late})
		changed := late
		changed.Body, changed.MAC, changed.Filed = []byte("next"), hash("next"), instant(9)
		w.putRequests(changed)
		changed.Filed = late.Filed
		w.equal("after a change of one", w.requestsOf(tenant, uid), []vault.RequestRow{early, changed})
		stolen := late
		stolen.UID = newUID()
		w.is("PutRequest of another person", w.try(func(ctx context.Context, tx vault.Tx) error { return tx.PutRequest(ctx, stolen) }), vault.ErrStale)
		w.view(func(ctx context.Context, tx vault.Tx) error {
			got, err := tx.RequestRow(ctx, tenant, late.ID)
			w.is("RequestRow", err, nil)
			w.equal("one", got, changed)
			_, err = tx.RequestRow(ctx, elsewhere, late.ID)
			w.is("RequestRow of another tenant", err, vault.ErrNoRow)
			return nil
		})
	})
	w.run("Logs", requestLogs)
	w.run("Drop", dropRequests)
}

func requestLogs(w *world) {
	tenant, elsewhere := w.tenant(), w.tenant()
	id := func(n byte) uuid.UUID { return uuid.UUID{15: n} }
	a, b, c, d := requestLogOf(tenant, id(3), 1), requestLogOf(tenant, id(1), 2), requestLogOf(tenant, id(2), 2), requestLogOf(tenant, id(4), 3)
	b.Open, b.Forget = false, instant(10)
	c.Reminded = instant(2)
	d.Open, d.Forget = false, instant(20)
	w.equal("none", w.requestLogs(vault.RequestLogQuery{Tenant: tenant, Limit: 10}), []vault.RequestLog{})
	w.putRequestLogs(a, b, c, d, requestLogOf(elsewhere, id(3), 1))
	for _, tt := range []struct {
		what string
		q    vault.RequestLogQuery
		want []vault.RequestLog
	}{
		{"all, by time and id", vault.RequestLogQuery{Limit: 10}, []vault.RequestLog{a, b, c, d}},
		{"at most two", vault.RequestLogQuery{Limit: 2}, []vault.RequestLog{a, b}},
		{"at most none", vault.RequestLogQuery{}, nil},
		{"after a place", vault.RequestLogQuery{AfterDue: b.Due.In(zone()), AfterID: b.ID, Limit: 10}, []vault.RequestLog{c, d}},
		{"open", vault.RequestLogQuery{OpenOnly: true, Limit: 10}, []vault.RequestLog{a, c}},
		{"due before", vault.RequestLogQuery{DueBefore: instant(2), Limit: 10}, []vault.RequestLog{a}},
		{"due before, a moment later", vault.RequestLogQuery{DueBefore: instant(2).Add(time.Microsecond), Limit: 10}, []vault.RequestLog{a, b, c}},
		{"to be forgotten", vault.RequestLogQuery{ForgetBefore: instant(15), Limit: 10}, []vault.RequestLog{b}},
	} {
		tt.q.Tenant = tenant
		w.equal(tt.what, w.requestLogs(tt.q), tt.want)
	}
	next := a
	next.Open, next.Due, next.Forget, next.Reminded, next.Body, next.MAC = false, instant(7), instant(30), instant(6), []byte("next"), hash("next")
	w.putRequestLogs(next)
	w.update(func(ctx context.Context, tx vault.Tx) error {
		for _, lock := range []vault.Lock{vault.NoLock, vault.ShareLock, vault.ExclusiveLock} {
			got, err := tx.RequestLog(ctx, tenant, a.ID, lock)
			w.is("RequestLog", err, nil)
			w.equal("the one that took its place", got, next)
			_, err = tx.RequestLog(ctx, tenant, id(9), lock)
			w.is("RequestLog of none", err, vault.ErrNoRow)
		}
		return nil
	})
}

func dropRequests(w *world) {
	tenant, uid := w.tenant(), newUID()
	one, two := requestOf(tenant, uid, "a", 1), requestOf(tenant, uid, "b", 2)
	w.putRequests(one, two)
	w.putRequestLogs(requestLogOf(tenant, one.ID, 1), requestLogOf(tenant, two.ID, 1))
	for range 2 {
		w.update(func(ctx context.Context, tx vault.Tx) error { return tx.DropRequest(ctx, tenant, one.ID) })
	}
	w.equal("requests", w.requestsOf(tenant, uid), []vault.RequestRow{two})
	w.equal("log", w.requestLogs(vault.RequestLogQuery{Tenant: tenant, Limit: 9}), []vault.RequestLog{requestLogOf(tenant, two.ID, 1)})
}
