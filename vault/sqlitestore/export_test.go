package sqlitestore

import (
	"context"
	"database/sql"
)

// Pragma reads a setting of the connection that writes, or of one that reads.
func (s *Store) Pragma(ctx context.Context, writer bool, name string) (value string, err error) {
	p := s.readers
	if writer {
		p = s.writer
	}
	c, err := p.get(ctx)
	if err != nil {
		return "", err
	}
	defer p.put(c, false)
	err = c.sql.QueryRowContext(ctx, "PRAGMA "+name).Scan(&value)
	return value, err
}

// WaitingCalls is how many calls of AppendEvents wait for the writer.
func (s *Store) WaitingCalls() int {
	s.group.mu.Lock()
	defer s.group.mu.Unlock()
	if s.group.waiting == nil {
		return 0
	}
	return len(s.group.waiting.entries)
}

// Corrupt runs statements on the connection that writes, outside of any rule.
func (s *Store) Corrupt(ctx context.Context, text string) error {
	return s.run(ctx, s.writer, func(t *tx) error { return t.script(ctx, text) })
}

// SchemaVersion is the version of the schema that this program makes.
const SchemaVersion = schemaVersion

var _ sql.Scanner = uidColumn{}

// LoggedPages and Unallocated read a write-ahead log and a page.
var (
	LoggedPages = loggedPages
	Unallocated = unallocated
)

// ScrubAll makes the next checkpoint scrub every page, or says whether it will.
func (s *Store) ScrubAll(set bool) bool {
	c := <-s.writer.slots
	defer s.writer.put(c, false)
	s.scrubAll = s.scrubAll || set
	return s.scrubAll
}

// MostPending is how many pages may wait in the log.
const MostPending = mostPending
