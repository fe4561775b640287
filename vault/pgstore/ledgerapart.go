package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A place tells databases and servers apart.
type place struct {
	system   pgtype.Text // of the server's files: copies have the same; NULL where that is not told
	started  string      // when the server was, and at which address
	database uint32
}

const (
	wherever = `
SELECT extract(epoch FROM pg_postmaster_start_time()) || ' ' || current_setting('port'), d.oid,
       coalesce(has_function_privilege(to_regprocedure('pg_catalog.pg_control_system()'), 'EXECUTE'), false)
FROM pg_database d WHERE d.datname = current_database()`

	systemID = `SELECT system_identifier::text FROM pg_control_system()`
)

func (s *server) place(ctx context.Context, doing string) (p place, err error) {
	err = s.with(ctx, doing, func(ctx context.Context, conn *pgxpool.Conn) error {
		var told bool
		if err := conn.QueryRow(ctx, wherever).Scan(&p.started, &p.database, &told); err != nil || !told {
			return err
		}
		return conn.QueryRow(ctx, systemID).Scan(&p.system)
	})
	return p, err
}

func (p place) sameServer(q place) bool {
	return p.started == q.started || p.system.Valid && q.system.Valid && p.system.String == q.system.String
}

// Apart returns nil if the ledger is where no restore and no failover of the store
// can reach it: on another server. Else it is [ErrSameDatabase] or
// [ErrSameServer]; a server whose files were copied from the store's counts as the
// same. The error is also that of a store or a ledger that does not answer.
func (l *Ledger) Apart(ctx context.Context, s *Store) error {
	const doing = "comparing the ledger's place with the store's"
	of, err := s.place(ctx, doing)
	if err != nil {
		return err
	}
	own, err := l.place(ctx, doing)
	switch {
	case err != nil:
		return ledgerFailure(err)
	case own.sameServer(of) && own.database == of.database:
		return ErrSameDatabase
	case own.sameServer(of):
		return ErrSameServer
	}
	return nil
}
