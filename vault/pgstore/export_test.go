package pgstore

import (
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/vault"
)

// Lists reads the same bytes as keys and as consents.
func Lists(list []byte) (keys []vault.DataKey, all []vault.Consent, asKeys, asConsents error) {
	keys, asKeys = dataKeys(list)
	all, asConsents = consents(list)
	return keys, all, asKeys, asConsents
}

// NewMap is what a connection knows of types.
func NewMap() *pgtype.Map {
	m := pgtype.NewMap()
	registerByteas(m)
	return m
}

// Byteas is how events and hashes are sent.
type Byteas = byteas
