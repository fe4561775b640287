package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/google/uuid"
)

// The parts of a file; FORMAT.md has the whole.
const (
	magic       = "fvledger"
	fileVersion = 1
	headerSize  = len(magic) + 4 + 16 + hashSize
	prefixSize  = 4 + 8 + 4 // of a frame: length, position, checksum of both
)

// errTorn says that a file ends inside a frame.
var errTorn = errors.New("the file ends inside a frame")

// A link is the hash of a frame, over the link before it; that of the header is
// the first.
type link [hashSize]byte

// header returns the first bytes of a file. Its last ones are the first link.
func header(id uuid.UUID) []byte {
	b := append(make([]byte, 0, headerSize), magic...)
	b = binary.BigEndian.AppendUint32(b, fileVersion)
	b = append(b, id[:]...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// readHeader returns what a header says.
func readHeader(r io.Reader) (id uuid.UUID, first link, err error) {
	b := make([]byte, headerSize)
	_, err = io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return id, first, fmt.Errorf("%w: the file has no whole header", ErrCorrupt)
	}
	if err != nil {
		return id, first, err
	}
	rest := b[len(magic):]
	version := binary.BigEndian.Uint32(rest)
	copy(id[:], rest[4:])
	copy(first[:], rest[4+len(id):])
	sum := sha256.Sum256(b[:headerSize-hashSize])
	switch {
	case string(b[:len(magic)]) != magic:
		return id, first, fmt.Errorf("%w: the file is no ledger", ErrCorrupt)
	case sum != first:
		return id, first, fmt.Errorf("%w: the header does not verify", ErrCorrupt)
	case version != fileVersion:
		return id, first, ErrNewer
	}
	return id, first, nil
}

// appendFrame appends the frame of an entry's form and returns its link.
func appendFrame(b []byte, position int64, entry []byte, before link) ([]byte, link) {
	start := len(b)
	b = binary.BigEndian.AppendUint32(b, uint32(len(entry))) //nolint:gosec // at most MaxEntry
	b = binary.BigEndian.AppendUint64(b, uint64(position))   //nolint:gosec // from 1
	b = binary.BigEndian.AppendUint32(b, checksum(b[start:]))
	b = append(b, entry...)
	l := linked(before, b[start:])
	return append(b, l[:]...), l
}

// linked is the link of a frame, whose bytes before its own link are given.
func linked(before link, frame []byte) (l link) {
	h := sha256.New()
	h.Write(before[:])
	h.Write(frame)
	h.Sum(l[:0])
	return l
}

// checksum is there for one distinction: a length that was damaged is damage,
// and not a frame that ends beyond the end of the file.
func checksum(b []byte) uint32 {
	return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
}

// A chain reads the frames of a file one after the other and verifies each.
type chain struct {
	r        io.Reader
	position int64 // of the last frame that was read
	link     link  // its own
	buf      []byte
}

// next returns the form of the next entry, valid until the call after. At the
// end of the file it is io.EOF, inside a frame errTorn; [ErrCorrupt] names the
// position of a frame that does not verify.
func (c *chain) next() ([]byte, error) {
	position := c.position + 1
	c.buf = append(c.buf[:0], make([]byte, prefixSize)...)
	if _, err := io.ReadFull(c.r, c.buf); err != nil {
		return nil, torn(err)
	}
	length := binary.BigEndian.Uint32(c.buf)
	at := binary.BigEndian.Uint64(c.buf[4:])
	if checksum(c.buf[:12]) != binary.BigEndian.Uint32(c.buf[12:]) || length > MaxEntry || at != uint64(position) { //nolint:gosec // from 1
		return nil, corrupt(position)
	}
	c.buf = append(c.buf, make([]byte, int(length)+hashSize)...)
	if _, err := io.ReadFull(c.r, c.buf[prefixSize:]); err != nil {
		return nil, torn(whole(err))
	}
	frame, end := c.buf[:prefixSize+length], c.buf[prefixSize+length:]
	l := linked(c.link, frame)
	if !bytes.Equal(l[:], end) {
		return nil, corrupt(position)
	}
	c.position, c.link = position, l
	return frame[prefixSize:], nil
}

// torn is errTorn for the error of a read that got a part of what it wanted.
func torn(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return err
}

// whole makes the end of a file an unexpected one.
func whole(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func corrupt(position int64) error {
	return fmt.Errorf("%w: position %d does not verify", ErrCorrupt, position)
}
