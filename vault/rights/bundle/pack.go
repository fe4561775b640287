package bundle

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// Bounds of a bundle.
const (
	MaxReceipts = 900
	MaxFile     = 256 << 20 // bytes of one file
)

// The names of the files.
const (
	readmeFile      = "README.txt"
	answerFile      = "answer.txt"
	certificateFile = "certificate.json"
	exportFile      = "export.json"
	manifestFile    = "manifest.json"
	requestFile     = "request.json"
	receipts        = "receipts/" // the folder of the receipts
)

// ErrContents means that contents cannot be packed: the request has not ended, or a part
// is missing or too large.
var ErrContents = errors.New("bundle: not a finished request")

// Happened is a step that a request took.
type Happened struct {
	Step  rights.StepKind `json:"step"`
	At    time.Time       `json:"at"`
	Event uuid.UUID       `json:"event"` // id of the audit event
}

// Contents are what goes into a bundle.
type Contents struct {
	Tenant   string         // required
	Request  rights.Request // required; it has ended
	Steps    []Happened     // in order; the last is what ended the request
	IssuedAt time.Time      // required: when the bundle was made

	Certificate []byte   // a signed evidence.Certificate; empty: none
	Receipts    [][]byte // signed evidence.Receipts, at most MaxReceipts
	Export      []byte   // JSON; empty: none
	Answer      string   // empty: none

	// Place is where the log holds the event of the last step; nil: not known yet.
	Place *evidence.Inclusion
}

// Signer signs the manifest: *evidence.Signer does.
type Signer interface {
	// Sign returns the document as JSON with its proof.
	Sign(d evidence.Document) ([]byte, error)
}

// record is request.json.
type record struct {
	Request rights.Request `json:"request"`
	Steps   []Happened     `json:"steps"`
}

// Pack makes the bundle of a finished request. The same contents and key give the same
// bytes. Contents that are not those of a finished request are ErrContents; documents in
// them are packed as they are, and checked by [Verify].
func Pack(c Contents, s Signer) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	files, err := c.files()
	if err != nil {
		return nil, err
	}
	m := &evidence.Manifest{
		Request: c.Request.ID, Tenant: c.Tenant, Event: c.Steps[len(c.Steps)-1].Event, IssuedAt: c.IssuedAt,
	}
	for _, name := range sorted(files) {
		m.Files = append(m.Files, evidence.NewFile(name, files[name]))
	}
	signed, err := s.Sign(m)
	if err != nil {
		return nil, fmt.Errorf("signing the manifest: %w", err)
	}
	if c.Place != nil {
		if signed, err = evidence.Attach(signed, *c.Place); err != nil {
			return nil, fmt.Errorf("placing the manifest: %w", err)
		}
	}
	files[manifestFile] = signed
	return archive(files, c.Request.Ended)
}

func (c *Contents) check() error {
	if !c.Request.State.Over() || c.Request.Ended.IsZero() || len(c.Steps) == 0 || len(c.Receipts) > MaxReceipts {
		return ErrContents
	}
	for _, b := range append([][]byte{c.Certificate, c.Export, []byte(c.Answer)}, c.Receipts...) {
		if len(b) > MaxFile {
			return fmt.Errorf("%w: a part is too large", ErrContents)
		}
	}
	return nil
}

// files are all files but the manifest.
func (c *Contents) files() (map[string][]byte, error) {
	b, err := json.MarshalIndent(record{c.Request, c.Steps}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the request: %w", err)
	}
	files := map[string][]byte{requestFile: append(b, '\n'), readmeFile: []byte(readme)}
	for name, b := range map[string][]byte{answerFile: []byte(c.Answer), certificateFile: c.Certificate, exportFile: c.Export} {
		if len(b) > 0 {
			files[name] = b
		}
	}
	for i, r := range c.Receipts {
		files[receiptName(i)] = r
	}
	return files, nil
}

func receiptName(i int) string { return fmt.Sprintf("%s%03d.json", receipts, i+1) }

func sorted(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }

// archive writes files in the one form of a bundle.
func archive(files map[string][]byte, at time.Time) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range sorted(files) {
		b := files[name]
		h := &zip.FileHeader{
			Name: name, Method: zip.Store, CreatorVersion: 20, ReaderVersion: 20, CRC32: crc32.ChecksumIEEE(b),
			CompressedSize64: uint64(len(b)), UncompressedSize64: uint64(len(b)),
		}
		h.ModifiedDate, h.ModifiedTime = dosTime(at) //nolint:staticcheck // CreateRaw writes these, and not Modified
		f, err := w.CreateRaw(h)                     // which adds nothing of its own: the form does not depend on the library
		if err != nil {
			return nil, fmt.Errorf("writing the archive: %w", err)
		}
		if _, err := f.Write(b); err != nil {
			return nil, fmt.Errorf("writing the archive: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("writing the archive: %w", err)
	}
	return out.Bytes(), nil
}

// dosTime is the form of times in ZIP archives: UTC here, in steps of two seconds, from
// 1980 on.
func dosTime(t time.Time) (date, clock uint16) {
	t = t.UTC()
	y := min(max(t.Year(), 1980), 2107)
	return uint16((y-1980)<<9 | int(t.Month())<<5 | t.Day()), //nolint:gosec // 7, 4 and 5 bits
		uint16(t.Hour()<<11 | t.Minute()<<5 | t.Second()/2) //nolint:gosec // 5, 6 and 5 bits
}

const readme = `This archive is the evidence of how a request about personal data was dealt with.

request.json      what was asked for, and when each step was taken
answer.txt        what the person was told, if it is here
certificate.json  the certificate of an erasure, if there was one
receipts/         receipts of what the person agreed to, if there are any
export.json       the data that the person was given, if it is here
manifest.json     the fingerprints (SHA-256) of all other files, signed

To check that nothing was changed, added or taken away, without any connection to the
service, take its public key from somewhere that whoever gave you this archive could not
have changed, and run

  fieldvault request verify FILE --key KEY

Without that program: compare the output of sha256sum for each file with the list in
manifest.json; then take "proof" and "inclusion" away from manifest.json, write the rest
as RFC 8785 says, and check "signature" (Ed25519, RFC 8032) over these bytes. The
certificate and the receipts are signed in the same way. "inclusion", where it is there,
proves that the service's audit log holds the event that the document names.
`
