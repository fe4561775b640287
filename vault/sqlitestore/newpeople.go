package sqlitestore

import (
	"context"

	"github.com/fieldvault/fieldvault/vault"
)

// InsertPeople stores row by row: there is no other process to wait for.
func (t *tx) InsertPeople(ctx context.Context, tenant int32, people []vault.NewPerson) (bool, error) {
	for i := range people {
		p := &people[i]
		inserted, err := t.InsertSubject(ctx, p.Subject)
		if err != nil || !inserted {
			return false, err
		}
		for _, k := range p.Keys {
			if inserted, err = t.InsertKey(ctx, tenant, p.Subject.UID, k); err != nil || !inserted {
				return false, err
			}
		}
		for j := range p.Records {
			if err := t.insertRecord(ctx, tenant, p, &p.Records[j]); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

func (t *tx) insertRecord(ctx context.Context, tenant int32, p *vault.NewPerson, r *vault.NewRecord) error {
	ref := vault.RecordRef{Collection: r.Collection, Record: r.Record.Record}
	if _, err := t.LockRecord(ctx, tenant, p.Subject.UID, ref); err != nil {
		return err
	}
	if err := t.PutRecord(ctx, tenant, p.Subject.UID, r.Record); err != nil {
		return err
	}
	return t.ReplaceIndex(ctx, tenant, p.Subject.UID, ref, []uint32{}, r.Entries)
}
