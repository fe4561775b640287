package localkek

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/tink-crypto/tink-go/v2/tink"
	"golang.org/x/crypto/argon2"
)

const (
	magic    = "fieldvault-localkek/1"
	kdfNone  = "kdf none"
	saltSize = 16

	// RFC 9106, section 4, second recommended option.
	argonPasses = 3
	argonMemory = 64 << 10 // KiB
	argonLanes  = 4

	// What is accepted in a file, so that a changed one cannot exhaust memory.
	maxPasses = 64
	maxMemory = 1 << 20 // KiB
	maxLanes  = 64
)

// sealer seals and opens the body of a file: in clear if aead is nil.
type sealer struct {
	header string // the first two lines
	aead   tink.AEAD
}

// newSealer returns the sealer of a new file.
func newSealer(passphrase []byte) (sealer, error) {
	if passphrase == nil {
		return sealer{header: magic + "\n" + kdfNone + "\n"}, nil
	}
	salt := make([]byte, saltSize)
	if _, err := rand.Read(salt); err != nil {
		return sealer{}, fmt.Errorf("making a salt: %w", err)
	}
	return derive(argon{argonPasses, argonMemory, argonLanes, salt}, passphrase)
}

// sealerOf returns the sealer of a file that is there.
func sealerOf(file, passphrase []byte) (sealer, error) {
	header, body, err := splitFile(file)
	if err != nil {
		return sealer{}, err
	}
	if header == magic+"\n"+kdfNone+"\n" {
		if passphrase != nil {
			return sealer{}, fmt.Errorf("the file is in clear: %w", ErrPassphrase)
		}
		return sealer{header: header}, nil
	}
	a, ok := parseArgon(header)
	if _, sealed := parseSealed(body); !ok || !sealed { // before the costly step
		return sealer{}, ErrFile
	}
	if passphrase == nil {
		return sealer{}, fmt.Errorf("the file is sealed: %w", ErrPassphrase)
	}
	return derive(a, passphrase)
}

// seal returns the file with the given keys.
func (s *sealer) seal(ks keys) ([]byte, error) {
	body := formatKeys(ks)
	if s.aead == nil {
		return append([]byte(s.header), body...), nil
	}
	defer clear(body)
	box, err := s.aead.Encrypt(body, []byte(s.header))
	if err != nil {
		return nil, fmt.Errorf("sealing the key file: %w", err)
	}
	return []byte(s.header + "sealed " + base64.StdEncoding.EncodeToString(box) + "\n"), nil
}

// open returns the keys in a file.
func (s *sealer) open(file []byte) (keys, error) {
	header, body, err := splitFile(file)
	if err != nil {
		return nil, err
	}
	if header != s.header {
		return nil, fmt.Errorf("the file was sealed anew: %w", ErrPassphrase)
	}
	if s.aead == nil {
		return parseKeys(body)
	}
	box, ok := parseSealed(body)
	if !ok {
		return nil, ErrFile
	}
	plain, err := s.aead.Decrypt(box, []byte(s.header))
	if err != nil {
		return nil, ErrPassphrase
	}
	defer clear(plain)
	return parseKeys(plain)
}

// parseSealed reads the line of a sealed body.
func parseSealed(body []byte) (box []byte, ok bool) {
	text, ok := strings.CutPrefix(string(body), "sealed ")
	text, end := strings.CutSuffix(text, "\n")
	box, valid := parseBase64(text)
	return box, ok && end && valid && len(box) >= overhead
}

// splitFile splits a file into its first two lines and the rest.
func splitFile(file []byte) (header string, body []byte, err error) {
	first, rest, ok := bytes.Cut(file, []byte("\n"))
	second, body, found := bytes.Cut(rest, []byte("\n"))
	if !ok || !found || string(first) != magic {
		return "", nil, ErrFile
	}
	return magic + "\n" + string(second) + "\n", body, nil
}

// argon is how a passphrase becomes a key.
type argon struct {
	passes, memory, lanes int
	salt                  []byte
}

func (a argon) header() string {
	return fmt.Sprintf("%s\nkdf argon2id %d %d %d %s\n", magic, a.passes, a.memory, a.lanes, base64.StdEncoding.EncodeToString(a.salt))
}

// derive makes the sealer of a passphrase.
func derive(a argon, passphrase []byte) (sealer, error) {
	if len(passphrase) == 0 {
		return sealer{}, fmt.Errorf("an empty passphrase: %w", ErrPassphrase)
	}
	secret := argon2.IDKey(passphrase, a.salt, uint32(a.passes), uint32(a.memory), uint8(a.lanes), keySize) //nolint:gosec // parseArgon bounds them
	defer clear(secret)
	x, err := newXAES(secret)
	if err != nil {
		return sealer{}, err
	}
	return sealer{header: a.header(), aead: x}, nil
}

// parseArgon reads the header of a sealed file, in its one form.
func parseArgon(header string) (argon, bool) {
	f := strings.Split(strings.TrimSuffix(header, "\n"), " ")
	if len(f) != 6 || f[0] != magic+"\nkdf" || f[1] != "argon2id" {
		return argon{}, false
	}
	passes, ok1 := parseNumber(f[2], maxPasses)
	memory, ok2 := parseNumber(f[3], maxMemory)
	lanes, ok3 := parseNumber(f[4], maxLanes)
	salt, ok4 := parseBase64(f[5])
	ok := ok1 && ok2 && ok3 && ok4 && passes > 0 && lanes > 0 && memory >= 8*lanes && len(salt) == saltSize
	return argon{passes, memory, lanes, salt}, ok
}
