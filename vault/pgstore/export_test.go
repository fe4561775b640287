package pgstore

import (
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/vault"
)

// Consents reads a list of rows as consents.
func Consents(list []byte) ([]vault.Consent, error) { return consents(list) }

// NewMap is what a connection knows of types.
func NewMap() *pgtype.Map {
	m := pgtype.NewMap()
	registerByteas(m)
	return m
}

// Byteas is how events and hashes are sent.
type Byteas = byteas

// SmallRuns makes runs small: of 8, 16 and 32 leaves, in 2, 4 and 8 buckets, of which one
// at a time is merged.
func (s *Store) SmallRuns() { s.runs = runShape{first: 3, fan: 1, levels: 3, bucket: 2, merged: 3} }
