// Package pgstore keeps a vault's rows in PostgreSQL, 15 or newer.
//
// It implements [vault.Store] and decides nothing. What it adds to that
// contract:
//
// Statements. A reveal costs two: one that loads ([Store.LoadForReveal]) and
// one that appends ([Store.AppendEvents]), neither inside an explicit
// transaction. All go by the extended protocol, prepared once a connection.
// Every statement finds its rows by a full key; connections plan once and for
// all sizes of the tables.
//
// Durability. Connections commit with synchronous_commit=on. PostgreSQL
// reports success when a commit stopped waiting for its standby, with a
// warning; that warning counts as [vault.ErrUnavailable].
//
// Time. The server bounds each statement, each wait for a lock and each silence
// inside a transaction, so that a node that was stopped holds nothing; the
// client waits a little longer and gives up. (Only the client bounds a commit's
// wait for its standby.) Open refuses connections without these bounds, because
// a pooler may drop them silently.
//
// Errors. The text of the database holds rows, so none leaves this package: an
// error says what was being done and at most an SQLSTATE. A caller's
// cancellation is recognisable as such. All other errors are vault's.
//
// Replicas. A read-only replica is never ready ([Store.Ping]), View and Update
// refuse it, and LoadForReveal says so in its answer.
//
// The ledger. [Ledger] keeps a vault's ledger for several nodes, in a database of
// its own, on a server that shares no fate with the store's. Positions have no gaps
// because a function of the database gives them, under a lock on one row that is
// held until the commit; it is also the only way to append. The rest is as above.
//
// The schema lies in migrations, embedded, that of a ledger in ledgermigrations.
// Tables are keyed by (tenant, uid, ...) first, tenants by a surrogate integer,
// so that they shard by person. A table bears people's rows if it has a column
// named uid. The directory, table subject, keeps every row, and a trigger lets
// no row go from erased to live in the same generation. Table event_intake is
// append-only for the role that the service runs as, which gets its rights from
// [Grant]. Entries of the log are found by person in runs, table audit_run, instead of
// in an index (decision 9). Correctness rests on row locks and conditional writes alone: not on
// advisory locks, LISTEN, or SERIALIZABLE.
package pgstore
