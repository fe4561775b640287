package bundle

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// ErrBundle is what every [VerifyError] is, in the sense of errors.Is.
var ErrBundle = errors.New("bundle: does not verify")

// VerifyError is the first thing that is wrong with a bundle. It is an [ErrBundle].
type VerifyError struct {
	File string // its name in the archive; "" is the archive itself
	Text string
	Err  error // what the check of a signed document said, if that is the problem
}

// Error names the file and says what is wrong with it.
func (p *VerifyError) Error() string {
	where := "the archive"
	if p.File != "" {
		where = p.File
	}
	return "bundle: " + where + ": " + p.Text
}

// Is reports whether target is ErrBundle.
func (p *VerifyError) Is(target error) bool { return target == ErrBundle }

// Unwrap gives the error of the package evidence, if there is one.
func (p *VerifyError) Unwrap() error { return p.Err }

// Report is what a bundle that verifies holds.
type Report struct {
	Manifest *evidence.Manifest
	Request  rights.Request
	Steps    []Happened
	Signed   []Signed // the signed documents, in the order of their names
}

// Signed is a signed document of a bundle.
type Signed struct {
	File   string
	Logged bool   // a proof stands beside it, and holds, that the log has its event
	Log    string // the origin of the log, if Logged
	Index  int64  // of the event in it, if Logged
}

// Verify checks a bundle with the service's public key: that the manifest is signed with
// it, that each of its files is there as it was and no other, that request.json is of the
// manifest's request, that every signed document in it verifies and is of the same
// tenant, that a proof of inclusion that stands beside one holds, and that the archive
// has the one form that [Pack] gives it. What is wrong first is a [VerifyError].
func Verify(b []byte, pub ed25519.PublicKey) (*Report, error) {
	files, err := unpack(b)
	if err != nil {
		return nil, err
	}
	r := new(Report)
	signed, ok := files[manifestFile]
	if !ok {
		return nil, &VerifyError{File: manifestFile, Text: "it is missing"}
	}
	if r.Manifest, _, err = evidence.OpenManifest(signed, pub); err != nil {
		return nil, unverified(manifestFile, err)
	}
	if err := compare(files, r.Manifest); err != nil {
		return nil, err
	}
	if err := r.read(files[requestFile]); err != nil {
		return nil, err
	}
	if err := r.documents(files, pub); err != nil {
		return nil, err
	}
	same, err := archive(files, r.Request.Ended)
	if err != nil || !bytes.Equal(same, b) {
		return nil, &VerifyError{Text: "its files are genuine, but it was packed anew, or something was hidden in it"}
	}
	return r, nil
}

// unpack returns the files of an archive. What it holds in memory is no more than b.
func unpack(b []byte) (map[string][]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, &VerifyError{Text: "it is not a ZIP archive, or is cut short"}
	}
	files := map[string][]byte{}
	total := uint64(0)
	for _, f := range z.File {
		total += f.UncompressedSize64
		_, twice := files[f.Name]
		switch {
		case twice:
			return nil, &VerifyError{File: f.Name, Text: "it is there twice"}
		case f.Method != zip.Store || f.UncompressedSize64 > uint64(len(b)) || total > uint64(len(b)):
			return nil, &VerifyError{File: f.Name, Text: "it is not stored as it is"}
		}
		if files[f.Name], err = content(f); err != nil {
			return nil, &VerifyError{File: f.Name, Text: "it cannot be read: it was changed"}
		}
	}
	return files, nil
}

func content(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("opening: %w", err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	return b, r.Close()
}

// compare checks that files are those of the manifest, and that it lists what belongs
// into a bundle.
func compare(files map[string][]byte, m *evidence.Manifest) error {
	listed := map[string]bool{manifestFile: true}
	for _, f := range m.Files {
		b, ok := files[f.Name]
		switch {
		case !ok:
			return &VerifyError{File: f.Name, Text: "it is missing"}
		case evidence.NewFile(f.Name, b) != f:
			return &VerifyError{File: f.Name, Text: "it was changed"}
		case !belongs(f.Name):
			return &VerifyError{File: f.Name, Text: "it does not belong into a bundle"}
		}
		listed[f.Name] = true
	}
	for _, name := range sorted(files) {
		if !listed[name] {
			return &VerifyError{File: name, Text: "it was added"}
		}
	}
	for _, name := range []string{readmeFile, requestFile} {
		if !listed[name] {
			return &VerifyError{File: name, Text: "it is missing"}
		}
	}
	return nil
}

func belongs(name string) bool {
	switch name {
	case readmeFile, answerFile, certificateFile, exportFile, requestFile:
		return true
	}
	return strings.HasPrefix(name, receipts)
}

// read takes request.json, which is of the manifest's request, ended with its event.
func (r *Report) read(b []byte) error {
	var rec record
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&rec); err != nil {
		return &VerifyError{File: requestFile, Text: "it is not a request"}
	}
	last := len(rec.Steps) - 1
	if rec.Request.ID != r.Manifest.Request || last < 0 || rec.Steps[last].Event != r.Manifest.Event {
		return &VerifyError{File: requestFile, Text: "it is of another request than the manifest"}
	}
	r.Request, r.Steps = rec.Request, rec.Steps
	return nil
}

// documents checks the signed documents.
func (r *Report) documents(files map[string][]byte, pub ed25519.PublicKey) error {
	for _, name := range sorted(files) {
		tenant, err := r.Manifest.Tenant, error(nil)
		switch {
		case name == certificateFile:
			var c *evidence.Certificate
			if c, _, err = evidence.OpenCertificate(files[name], pub); err == nil {
				tenant = c.Tenant
			}
		case strings.HasPrefix(name, receipts):
			var c *evidence.Receipt
			if c, _, err = evidence.OpenReceipt(files[name], pub); err == nil {
				tenant = c.Header.Tenant
			}
		case name != manifestFile:
			continue
		}
		if err != nil {
			return unverified(name, err)
		}
		if tenant != r.Manifest.Tenant {
			return &VerifyError{File: name, Text: "it is of another tenant than the manifest"}
		}
		log, index, err := evidence.VerifyInclusion(files[name], pub)
		if err != nil && !errors.Is(err, evidence.ErrNoInclusion) {
			return unverified(name, err)
		}
		r.Signed = append(r.Signed, Signed{File: name, Logged: err == nil, Log: log, Index: index})
	}
	return nil
}

// unverified words what the check of a signed document said.
func unverified(name string, err error) *VerifyError {
	text := "it is not a signed document of its kind"
	switch {
	case errors.Is(err, evidence.ErrOtherKey):
		text = "it is signed with another key"
	case errors.Is(err, evidence.ErrSignature):
		text = "its signature does not hold: it was changed"
	case errors.Is(err, evidence.ErrInclusion):
		text = "the proof that the audit log holds its event does not hold"
	}
	return &VerifyError{File: name, Text: text, Err: err}
}
