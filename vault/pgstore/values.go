package pgstore

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// id is a uuid as a parameter; Nil is NULL, and found nowhere.
func id(u uuid.UUID) pgtype.UUID {
	return pgtype.UUID{Bytes: u, Valid: u != uuid.Nil}
}

// anyID is a uuid as a parameter that may be Nil: a place in an order, or nobody.
func anyID(u uuid.UUID) pgtype.UUID {
	return pgtype.UUID{Bytes: u, Valid: true}
}

// ids are uuids as one parameter.
func ids(list []uuid.UUID) []pgtype.UUID {
	out := make([]pgtype.UUID, len(list))
	for i, u := range list {
		out[i] = anyID(u)
	}
	return out
}

// at is a time as a parameter; zero is NULL.
func at(t time.Time) pgtype.Timestamptz {
	return pgtype.Timestamptz{Time: t, Valid: !t.IsZero()}
}

// some makes nil bytes empty, for columns that are never NULL.
func some(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
