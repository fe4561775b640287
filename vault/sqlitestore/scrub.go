package sqlitestore

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/fieldvault/fieldvault/vault"
)

// When SQLite moves rows between pages, as it balances a tree, it may leave
// copies of them in the unallocated gap of the page they came from, which
// secure_delete does not see: a key that is deleted later would survive in such
// a gap. So no page leaves the write-ahead log before its gap was zeroed.
// SQLite's own automatic checkpoints are off; this file has what they did.

// Pages of the log that may wait to be brought home before a commit does it.
const mostPending = 1000

// ambiguous is the number of pages from which on the first byte of a page that
// is no node of a tree, of a page number that is, could be taken for a kind of node.
const ambiguous = 1 << 25

// A logState is what PRAGMA wal_checkpoint returns.
type logState struct {
	busy          bool
	frames, moved int64 // in the log; of these, in the database file
}

func (t *tx) checkpoint(ctx context.Context, query string) (logState, error) {
	return one(ctx, t, query, func(r *sql.Rows) (l logState, err error) {
		err = r.Scan(&l.busy, &l.frames, &l.moved)
		return l, err
	})
}

// Checkpoint brings the write-ahead log home and truncates it, so that nothing
// that was deleted before is left in a file. It is vault.ErrUnavailable while a
// reader or another process holds the log: try again later. It waits for
// neither for more than a moment.
func (s *Store) Checkpoint(ctx context.Context) error {
	c, err := s.writer.get(ctx) // nobody else writes meanwhile
	if err != nil {
		return fmt.Errorf("waiting for a connection: %w", err)
	}
	defer s.writer.put(c, false)
	if err := s.truncate(ctx); err != nil {
		return fmt.Errorf("truncating the write-ahead log: %w", err)
	}
	return nil
}

// truncate is Checkpoint for who has the writer.
func (s *Store) truncate(ctx context.Context) error {
	l, err := s.bringHome(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	if err != nil {
		return err
	}
	if l.busy {
		return vault.ErrUnavailable
	}
	s.pending = mostPending
	return nil
}

// relieve is what the writer does after a commit: it keeps the log short, as
// far as readers let it. It cannot fail: the next commit goes on.
func (s *Store) relieve(ctx context.Context, c *conn) {
	ctx = context.WithoutCancel(ctx)
	t := &tx{c: c, write: true}
	l, err := t.checkpoint(ctx, `PRAGMA wal_checkpoint(NOOP)`)
	if err != nil || l.frames-l.moved < s.pending {
		return
	}
	l, err = s.bringHome(ctx, `PRAGMA wal_checkpoint(PASSIVE)`)
	s.pending = mostPending
	if err != nil || l.frames > l.moved { // a reader is in the way: try less often
		s.pending = max(mostPending, 2*(l.frames-l.moved))
	}
}

// bringHome scrubs the pages in the log, then moves them. The caller has the writer.
func (s *Store) bringHome(ctx context.Context, checkpoint string) (l logState, err error) {
	c, err := s.keeper.open(ctx, <-s.keeper.slots)
	if err != nil {
		return l, err
	}
	defer func() { s.keeper.put(c, err != nil) }()
	var before, after int64
	_, err = transact(ctx, c, true, func(t *tx) error {
		if before, err = t.number(ctx, `PRAGMA data_version`); err != nil {
			return err
		}
		return s.scrub(ctx, t)
	})
	if err != nil {
		return l, err
	}
	s.scrubAll = true // until it is certain that nobody else wrote in between
	t := &tx{c: c, write: true}
	if l, err = t.checkpoint(ctx, checkpoint); err != nil {
		return l, err
	}
	if after, err = t.number(ctx, `PRAGMA data_version`); err != nil {
		return l, err
	}
	s.scrubAll = after != before
	return l, nil
}

// scrub zeroes the gaps of the pages in the log, or of all pages.
func (s *Store) scrub(ctx context.Context, t *tx) error {
	count, err := t.number(ctx, `PRAGMA page_count`)
	if err != nil {
		return err
	}
	if count >= ambiguous {
		return errRange
	}
	pages, err := s.changedPages(count)
	if err != nil {
		return err
	}
	for _, n := range pages {
		if err := t.scrubPage(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) scrubPage(ctx context.Context, n uint32) error {
	page, err := one(ctx, t, `SELECT data FROM sqlite_dbpage WHERE pgno = ?1`, func(r *sql.Rows) (b []byte, err error) {
		err = r.Scan(&b)
		return b, err
	}, n)
	if errors.Is(err, vault.ErrNoRow) {
		return nil // the file became shorter
	}
	if err != nil {
		return err
	}
	from, to := unallocated(page)
	if len(bytes.Trim(page[from:to], "\x00")) == 0 {
		return nil
	}
	clear(page[from:to])
	_, err = t.exec(ctx, `UPDATE sqlite_dbpage SET data = ?2 WHERE pgno = ?1`, n, page)
	return err
}

// changedPages lists the pages in the log, or all that there are, but the
// first, which holds the schema.
func (s *Store) changedPages(count int64) ([]uint32, error) {
	var pages []uint32
	if s.scrubAll {
		for n := uint32(2); int64(n) <= count; n++ {
			pages = append(pages, n)
		}
		return pages, nil
	}
	f, err := os.Open(s.path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, withoutPath(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	pages, err = loggedPages(f)
	if err != nil {
		return nil, withoutPath(err)
	}
	return slices.DeleteFunc(pages, func(n uint32) bool { return n < 2 || int64(n) > count }), nil
}

// loggedPages lists the pages that a write-ahead log holds, in order, each
// once: those of the frames with the salt of its header, of which the last may
// not be committed. https://www.sqlite.org/fileformat2.html#walformat
func loggedPages(log io.ReaderAt) ([]uint32, error) {
	const headerSize, frameSize, saltAt, saltSize = 32, 24, 16, 8
	header, frame := make([]byte, headerSize), make([]byte, frameSize)
	if _, err := log.ReadAt(header, 0); err != nil {
		return nil, notEOF(err)
	}
	step := frameSize + int64(binary.BigEndian.Uint32(header[8:]))
	salt := header[saltAt : saltAt+saltSize]
	var pages []uint32
	for at := int64(headerSize); ; at += step {
		if _, err := log.ReadAt(frame, at); err != nil {
			slices.Sort(pages)
			return slices.Compact(pages), notEOF(err)
		}
		if !bytes.Equal(frame[8:8+saltSize], salt) {
			slices.Sort(pages)
			return slices.Compact(pages), nil
		}
		pages = append(pages, binary.BigEndian.Uint32(frame))
	}
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// unallocated says where the gap of a page is: between the pointers to its
// cells and the first cell. It is empty for a page that is no node of a tree, or
// no sound one. https://www.sqlite.org/fileformat2.html#b_tree_pages
func unallocated(page []byte) (from, to int) {
	const smallest = 512
	if len(page) < smallest {
		return 0, 0
	}
	switch page[0] {
	case 2, 5: // interior
		from = 12
	case 10, 13: // leaf
		from = 8
	default:
		return 0, 0
	}
	cells := int(binary.BigEndian.Uint16(page[3:]))
	pointers := from
	from, to = from+2*cells, int(binary.BigEndian.Uint16(page[5:]))
	if from > to || to > len(page) {
		return 0, 0
	}
	for at := pointers; at < from; at += 2 {
		if cell := int(binary.BigEndian.Uint16(page[at:])); cell < to || cell >= len(page) {
			return 0, 0
		}
	}
	return from, to
}
