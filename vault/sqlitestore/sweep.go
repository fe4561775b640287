package sqlitestore

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

func (t *tx) Unswept(ctx context.Context, limit int) ([]vault.Subject, error) {
	out, err := list(ctx, t, `
		SELECT `+subjectColumns+` FROM subject s WHERE s.state = 2 AND s.uid IS NOT NULL
		ORDER BY s.tenant, s.lookup LIMIT ?1`, scanSubject, atMost(limit))
	if err != nil {
		return nil, fmt.Errorf("listing the unswept: %w", err)
	}
	return out, nil
}

func (t *tx) Sweep(ctx context.Context, tenant int32, uid uuid.UUID, limit int) (int, error) {
	if err := t.usable(true); err != nil {
		return 0, err
	}
	tables, err := subjectTables(ctx, t)
	if err != nil {
		return 0, fmt.Errorf("listing the tables of people: %w", err)
	}
	deleted := 0
	for _, table := range tables {
		n, err := t.exec(ctx, inTable(`
			DELETE FROM {table} WHERE rowid IN
			  (SELECT rowid FROM {table} WHERE tenant = ?1 AND uid = ?2 LIMIT ?3)`, table),
			tenant, uid[:], atMost(limit-deleted))
		if err != nil {
			return 0, fmt.Errorf("sweeping: %w", err)
		}
		deleted += int(n)
	}
	return deleted, nil
}

// inTable puts a name that was read from the schema into a statement, quoted.
func inTable(statement, table string) string {
	quoted := `"` + strings.ReplaceAll(table, `"`, `""`) + `"`
	return strings.ReplaceAll(statement, "{table}", quoted)
}
