package sqlitestore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/fieldvault/fieldvault/vault"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// applicationID marks the file as ours: "FVLT".
const applicationID = 0x46564c54

// schemaVersion is the number of the last file in schema.
const schemaVersion = 1

// migrate brings the schema up to date, in one transaction.
func (s *Store) migrate(ctx context.Context, cfg Config) error {
	if err := s.firstWriter(ctx, cfg.BusyTimeout); err != nil {
		return err
	}
	return s.run(ctx, s.writer, func(t *tx) error {
		have, err := version(ctx, t)
		if err != nil || have == schemaVersion {
			return err
		}
		for v := have + 1; v <= schemaVersion; v++ {
			if err := step(ctx, t, v); err != nil {
				return fmt.Errorf("making version %d: %w", v, err)
			}
		}
		if have == 0 {
			err = makeSystemTenant(ctx, t, cfg)
		}
		if err == nil {
			cfg.Logger.InfoContext(ctx, "database schema brought up to date",
				"from", have, "to", schemaVersion)
		}
		return err
	})
}

// firstWriter opens the writer's connection, which puts a new file into WAL
// mode. SQLite takes an exclusive lock for that without asking its busy handler
// when two do so at once, so the wait for the others is here.
func (s *Store) firstWriter(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for {
		c, err := s.writer.get(ctx)
		if err == nil {
			s.writer.put(c, false)
			return nil
		}
		if !errors.Is(err, errBusy) {
			return fmt.Errorf("opening the writer: %w", err)
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return fmt.Errorf("opening the writer: %w", err)
		}
	}
}

// version reads the version of the schema: 0 for an empty file.
func version(ctx context.Context, t *tx) (int64, error) {
	app, err := t.number(ctx, `PRAGMA application_id`)
	if err != nil {
		return 0, err
	}
	have, err := t.number(ctx, `PRAGMA user_version`)
	if err != nil {
		return 0, err
	}
	objects, err := t.number(ctx, `SELECT count(*) FROM sqlite_schema`)
	switch {
	case err != nil:
		return 0, err
	case app == 0 && have == 0 && objects == 0:
		return 0, nil
	case app != applicationID || have < 1:
		return 0, ErrForeign
	case have > schemaVersion:
		return 0, ErrNewer
	default:
		return have, nil
	}
}

// step runs one file of the schema.
func step(ctx context.Context, t *tx, v int64) error {
	text, err := schemaFiles.ReadFile(fmt.Sprintf("schema/%04d.sql", v))
	if err != nil {
		return err
	}
	if err := t.script(ctx, string(text)); err != nil {
		return err
	}
	return t.script(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, v))
}

// script runs several statements without arguments.
func (t *tx) script(ctx context.Context, text string) error {
	if err := t.usable(true); err != nil {
		return err
	}
	if _, err := t.c.sql.ExecContext(ctx, text); err != nil {
		return t.fail(ctx, err)
	}
	return nil
}

func makeSystemTenant(ctx context.Context, t *tx, cfg Config) error {
	_, err := t.exec(ctx, `INSERT INTO tenant (id, name, kek_epoch, created) VALUES (?1, '_system', 1, ?2)`,
		vault.SystemTenant, micros(cfg.Now()))
	return err
}

// subjectTables lists the tables that bear rows of people: those with a column
// uid, less the directory.
func subjectTables(ctx context.Context, t *tx) ([]string, error) {
	return list(ctx, t, `
		SELECT m.name FROM sqlite_schema m
		WHERE m.type = 'table' AND m.name <> 'subject'
		  AND EXISTS (SELECT 1 FROM pragma_table_info(m.name) c WHERE c.name = 'uid')
		ORDER BY m.name`,
		func(r *sql.Rows) (name string, err error) {
			err = r.Scan(&name)
			return name, err
		})
}
