package tree

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// CosignerKey returns the public key of a witness as text, as any reader of signed
// notes takes it: "<name>+<hash>+<key>".
func CosignerKey(name string, pub ed25519.PublicKey) string {
	return verifierKey(name, algCosignature, pub)
}

// Cosign returns the signed checkpoint with one more signature line: the witness of
// the given name states that at the given time, in whole seconds, this was the
// largest checkpoint of the log that it knew, and that it continues all that it had
// stated before. A line by the same key is replaced. Whether the statement is true is
// the caller's to see to, with [Advance].
//
// key returns the signature of its argument by the Ed25519 key of pub. The error is
// ErrFormat if signed is no checkpoint or name or pub is none, ErrSize if the time is
// before 1970, and ErrSignature if what key returned is not a signature by pub.
func Cosign(signed []byte, name string, key func(msg []byte) []byte, pub ed25519.PublicKey, at time.Time) ([]byte, error) {
	if err := checkName(name, pub); err != nil {
		return nil, err
	}
	n, err := readNote(signed)
	if err != nil {
		return nil, err
	}
	if _, err := parseCheckpoint(n.Text); err != nil {
		return nil, err
	}
	seconds := at.Unix()
	if seconds < 0 {
		return nil, fmt.Errorf("%w: the time of a cosignature", ErrSize)
	}
	stamp := binary.BigEndian.AppendUint64(nil, uint64(seconds))
	return note.Sign(n, signer{name: name, hash: keyHash(name, algCosignature, pub), sign: func(text []byte) ([]byte, error) {
		msg := cosigned(seconds, text)
		sig := key(msg)
		if !ed25519.Verify(pub, msg, sig) {
			return nil, ErrSignature
		}
		return append(stamp, sig...), nil
	}})
}

// CheckCosignature returns when the witness of that name and key cosigned the
// checkpoint, in UTC. The error is ErrSignature if it has not, and ErrFormat if signed
// is not a checkpoint. Whether the log has signed it is for OpenCheckpoint to say.
func CheckCosignature(signed []byte, name string, pub ed25519.PublicKey) (time.Time, error) {
	if err := checkName(name, pub); err != nil {
		return time.Time{}, err
	}
	n, err := openNote(signed, verifier{name: name, hash: keyHash(name, algCosignature, pub), verify: func(text, sig []byte) bool {
		seconds, sig, ok := splitCosignature(sig)
		return ok && ed25519.Verify(pub, cosigned(seconds, text), sig)
	}})
	if err != nil {
		return time.Time{}, err
	}
	if _, err := parseCheckpoint(n.Text); err != nil {
		return time.Time{}, err
	}
	sig, err := base64.StdEncoding.DecodeString(n.Sigs[0].Base64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: a cosignature", ErrFormat)
	}
	seconds, _, _ := splitCosignature(sig[4:]) // after the hash of the key; verified above
	return time.Unix(seconds, 0).UTC(), nil
}

// cosigned is what a witness signs.
func cosigned(seconds int64, text []byte) []byte {
	return fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", seconds, text)
}

// splitCosignature splits the time off a witness's signature.
func splitCosignature(b []byte) (seconds int64, sig []byte, ok bool) {
	if len(b) != 8+ed25519.SignatureSize {
		return 0, nil, false
	}
	n := binary.BigEndian.Uint64(b)
	if n > math.MaxInt64 {
		return 0, nil, false
	}
	return int64(n), b[8:], true
}

// Witnessed is a checkpoint that a follower of a log has seen and found to continue
// all those before it.
type Witnessed struct {
	Signed     []byte // as the log signed it
	Checkpoint Checkpoint
}

// Advance fetches the newest checkpoint of the log of that origin and key, and
// returns it as next if it continues last, the one that was returned before; with
// last nil, the first is taken as it is. changed is false if the log has not grown;
// next is then *last.
//
// The error is ErrRollback if the log has become smaller and ErrFork if it does not
// continue last; either is proof of a fault of the log, together with last.Signed. It
// is ErrBad if the log's tiles do not fit its checkpoint, ErrSignature or ErrFormat if
// that is none, and else the source's own.
func Advance(
	ctx context.Context, s Source, origin string, key ed25519.PublicKey, last *Witnessed,
) (next Witnessed, changed bool, err error) {
	signed, err := s.Checkpoint(ctx)
	if err != nil {
		return Witnessed{}, false, fmt.Errorf("reading the checkpoint: %w", err)
	}
	c, err := OpenCheckpoint(signed, origin, key)
	if err != nil {
		return Witnessed{}, false, err
	}
	if last == nil {
		return Witnessed{Signed: signed, Checkpoint: c}, true, nil
	}
	if err := continues(ctx, s, last.Checkpoint, c); err != nil {
		return Witnessed{}, false, err
	}
	if c.Size == last.Checkpoint.Size {
		return *last, false, nil
	}
	return Witnessed{Signed: signed, Checkpoint: c}, true, nil
}

// continues returns nil if the log's newest checkpoint continues an older one.
func continues(ctx context.Context, s Source, old, newest Checkpoint) error {
	if old.Origin != newest.Origin {
		return fmt.Errorf("%w: the earlier checkpoint is of another origin", ErrFormat)
	}
	if newest.Size < old.Size {
		return fmt.Errorf("%w: %d entries, of %d earlier", ErrRollback, newest.Size, old.Size)
	}
	proof, err := ProveConsistency(ctx, s, newest, old.Size)
	if err != nil {
		return err
	}
	if err := CheckConsistency(old, newest, proof); errors.Is(err, ErrProof) {
		return fmt.Errorf("%w: its %d entries do not continue the %d earlier", ErrFork, newest.Size, old.Size)
	}
	return nil
}
