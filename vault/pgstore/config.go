package pgstore

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Config says how to reach the database and how long to wait for it.
type Config struct {
	// URL is a postgres:// URL or a keyword string, as libpq reads it. Required.
	// In production it says sslmode=verify-full, and names a role that Grant
	// was called for. With several hosts it should say
	// target_session_attrs=primary.
	URL string
	// MaxConns bounds the connections of this process. 0: four a core, at least 8.
	MaxConns int
	// TransactionPooler is set when the URL leads to a pooler that gives a
	// connection away after each transaction. Nothing is prepared on the
	// server then, and the time-outs below must be settings of the role
	// (ALTER ROLE ... SET ...): Open refuses when they are missing.
	TransactionPooler bool
	// AcquireTimeout bounds the wait for a free connection. 0: 2 s.
	AcquireTimeout time.Duration
	// StatementTimeout bounds every statement, on the server. 0: 5 s.
	StatementTimeout time.Duration
	// LockTimeout bounds the wait for a row lock, on the server. 0: 3 s.
	LockTimeout time.Duration
	// IdleTimeout bounds the time in which a transaction sends nothing, on the
	// server: a process that was stopped loses its locks and its transaction.
	// 0: 5 s.
	IdleTimeout time.Duration
	// TransactionTimeout bounds one run of a transaction, less its commit. 0: 30 s.
	TransactionTimeout time.Duration
	// Logger gets what an operator must see: codes, never rows. nil: nothing is logged.
	Logger *slog.Logger
	// Tracer sees every statement but those that store new people in bulk, for metrics
	// and tests. It must not keep
	// arguments. nil: none.
	Tracer pgx.QueryTracer
}

// grace is what a client waits beyond the server's own time-out.
const grace = 2 * time.Second

// oldest is the oldest major version of PostgreSQL that is served from.
const oldest = 15

func (c Config) withDefaults() (Config, error) {
	if c.URL == "" {
		return c, errors.New("pgstore: Config.URL is required")
	}
	if c.MaxConns < 0 || c.MaxConns > math.MaxInt32 {
		return c, errors.New("pgstore: Config.MaxConns is out of range")
	}
	c.MaxConns = cmp.Or(c.MaxConns, max(8, 4*runtime.GOMAXPROCS(0)))
	for _, t := range []struct {
		name  string
		value *time.Duration
		usual time.Duration
	}{
		{"AcquireTimeout", &c.AcquireTimeout, 2 * time.Second},
		{"StatementTimeout", &c.StatementTimeout, 5 * time.Second},
		{"LockTimeout", &c.LockTimeout, 3 * time.Second},
		{"IdleTimeout", &c.IdleTimeout, 5 * time.Second},
		{"TransactionTimeout", &c.TransactionTimeout, 30 * time.Second},
	} {
		*t.value = cmp.Or(*t.value, t.usual)
		if *t.value < time.Millisecond || *t.value > time.Hour {
			return c, errors.New("pgstore: Config." + t.name + " must be between a millisecond and an hour")
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// pool makes the pool's configuration. Its errors name no part of the URL,
// which holds a password.
func (c Config) pool() (*pgxpool.Config, error) {
	p, err := parseURL(c.URL)
	if err != nil {
		return nil, err
	}
	p.MaxConns = int32(c.MaxConns) //nolint:gosec // withDefaults has checked the range
	p.AfterConnect = prepareConn
	cc := p.ConnConfig
	cc.Tracer = c.Tracer
	cc.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	cc.OnNotice = noteUnreplicated
	if c.TransactionPooler {
		cc.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		return p, nil
	}
	settings := map[string]string{
		"statement_timeout":                   milliseconds(c.StatementTimeout),
		"lock_timeout":                        milliseconds(c.LockTimeout),
		"idle_in_transaction_session_timeout": milliseconds(c.IdleTimeout),
		"synchronous_commit":                  "on",
		// The notice that replication was not waited for is a warning.
		"client_min_messages": "warning",
		// Every statement of the service reads by a full key. A plan made
		// while a table was small must not be a scan of the whole table when
		// it has grown, and arrays must not be planned anew at each call.
		"plan_cache_mode": "force_generic_plan",
		"enable_seqscan":  "off",
		"jit":             "off",
		// A generic plan takes a range of a hundred rows for one of thousands: parallel
		// workers would be started, for a hundred times the time that the rows take.
		"max_parallel_workers_per_gather": "0",
	}
	for name, value := range settings {
		cc.RuntimeParams[name] = value
	}
	return p, nil
}

func parseURL(url string) (*pgxpool.Config, error) {
	p, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("pgstore: the database URL is not valid")
	}
	if p.ConnConfig.ConnectTimeout == 0 || p.ConnConfig.ConnectTimeout > 10*time.Second {
		p.ConnConfig.ConnectTimeout = 3 * time.Second
	}
	if _, ok := p.ConnConfig.RuntimeParams["application_name"]; !ok {
		p.ConnConfig.RuntimeParams["application_name"] = "fieldvault"
	}
	return p, nil
}

func milliseconds(d time.Duration) string {
	return strconv.FormatInt(d.Milliseconds(), 10)
}

// prepareConn refuses a connection that does not keep what the store promises,
// has all times read as UTC, and knows [byteas].
func prepareConn(ctx context.Context, conn *pgx.Conn) error {
	if err := checkSession(ctx, conn.PgConn()); err != nil {
		return err
	}
	m := conn.TypeMap()
	utc := &pgtype.Type{
		Name:  "timestamptz",
		OID:   pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	}
	m.RegisterType(utc)
	m.RegisterType(&pgtype.Type{
		Name:  "_timestamptz",
		OID:   pgtype.TimestamptzArrayOID,
		Codec: &pgtype.ArrayCodec{ElementType: utc},
	})
	registerByteas(m)
	return nil
}

// session reads what must hold on a connection. A pooler may have dropped what
// was asked for when connecting, and does so silently.
const session = `
SELECT current_setting('server_version_num'), current_setting('server_encoding'),
       current_setting('synchronous_commit'), current_setting('client_min_messages'),
       current_setting('statement_timeout'), current_setting('lock_timeout'),
       current_setting('idle_in_transaction_session_timeout')`

// checkSession does not go through pgx, so that a tracer sees the store's own
// statements only.
func checkSession(ctx context.Context, conn *pgconn.PgConn) error {
	res := conn.ExecParams(ctx, session, nil, nil, nil, nil).Read()
	if res.Err != nil {
		return res.Err
	}
	if len(res.Rows) != 1 || len(res.Rows[0]) != 7 {
		return unfitError("the server does not tell its settings")
	}
	row := res.Rows[0]
	version, err := strconv.Atoi(string(row[0]))
	if err != nil || version < oldest*10000 {
		return unfitError("the server is older than PostgreSQL " + strconv.Itoa(oldest) + ": upgrade it")
	}
	if string(row[1]) != "UTF8" {
		return unfitError("the database's encoding is not UTF8: create it with ENCODING 'UTF8'")
	}
	if s := string(row[2]); s != "on" && s != "remote_apply" {
		return unfitError("synchronous_commit is off on connections: ALTER ROLE ... SET synchronous_commit = on")
	}
	if s := string(row[3]); s != "warning" && s != "notice" && s != "log" && !strings.HasPrefix(s, "debug") {
		return unfitError("client_min_messages hides warnings on connections: ALTER ROLE ... SET client_min_messages = warning")
	}
	for i, name := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		if string(row[4+i]) == "0" {
			return unfitError("there is no " + name + " on connections: ALTER ROLE ... SET " + name + " = '5s'")
		}
	}
	return nil
}

// unreplicated marks a connection on which the server said that it did not
// wait for its standby.
const unreplicated = "fieldvault.unreplicated"

// noteUnreplicated is told of every notice. That a commit was not waited for
// comes as a plain warning (01000), in the server's language, so it is known
// by its code: no statement of the store raises another of that code, and one
// too many only fails what could have succeeded.
func noteUnreplicated(conn *pgconn.PgConn, n *pgconn.Notice) {
	if n.Code == "01000" && n.SeverityUnlocalized == "WARNING" {
		conn.CustomData()[unreplicated] = true
	}
}
