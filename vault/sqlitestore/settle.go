package sqlitestore

import (
	"context"
	"fmt"
)

// Settle waits for the writer: one transaction writes at a time, and a View
// that still reads can write nothing.
func (s *Store) Settle(ctx context.Context) error {
	if err := s.run(ctx, s.writer, func(*tx) error { return nil }); err != nil {
		return fmt.Errorf("waiting for transactions: %w", err)
	}
	return nil
}
