package evidence

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/tree"
)

// NewInclusion words the place of an event in the log, to be attached to a document.
func NewInclusion(index int64, leaf []byte, proof []tree.Hash, checkpoint []byte) Inclusion {
	in := Inclusion{Index: uint64(index), Leaf: string(leaf), Hashes: make([]string, len(proof)), Checkpoint: string(checkpoint)} //nolint:gosec // indexes are not negative
	for i := range proof {
		in.Hashes[i] = base64.StdEncoding.EncodeToString(proof[i][:])
	}
	return in
}

// VerifyInclusion checks a document as [Verify] does, and that the log of its tenant
// holds the event that it names: that a checkpoint signed with the same key covers the
// leaf beside the document (RFC 9162, section 2.1.3.2), and that the leaf is of that
// event and tenant. It returns the origin of the log and the index. A document without
// an inclusion proof is ErrNoInclusion; a proof that does not hold is ErrInclusion.
func VerifyInclusion(b []byte, pub ed25519.PublicKey) (origin string, index int64, err error) {
	s, err := verified(b, pub)
	if err != nil {
		return "", 0, err
	}
	tenant, event, err := s.names()
	switch {
	case err != nil:
		return "", 0, err
	case s.inclusion == nil:
		return "", 0, ErrNoInclusion
	}
	c, err := s.inclusion.holds(pub)
	if err != nil {
		return "", 0, err
	}
	e, err := audit.ParseLeaf([]byte(s.inclusion.Leaf))
	if err != nil || e.ID != event || e.Tenant != tenant {
		return "", 0, fmt.Errorf("%w: the leaf is of another event", ErrInclusion)
	}
	return c.Origin, int64(s.inclusion.Index), nil //nolint:gosec // below 2^53
}

// holds checks the proof of the leaf.
func (in *Inclusion) holds(pub ed25519.PublicKey) (tree.Checkpoint, error) {
	unverified, err := tree.ReadCheckpoint([]byte(in.Checkpoint))
	if err != nil {
		return tree.Checkpoint{}, fmt.Errorf("%w: checkpoint", ErrInclusion)
	}
	c, err := tree.OpenCheckpoint([]byte(in.Checkpoint), unverified.Origin, pub)
	if err != nil {
		return c, fmt.Errorf("%w: the checkpoint is not signed with this key", ErrInclusion)
	}
	proof := make([]tree.Hash, len(in.Hashes))
	for i, h := range in.Hashes {
		raw, _ := decode(h, len(tree.Hash{})) // split has checked it
		copy(proof[i][:], raw)
	}
	if err := tree.CheckInclusion(c, int64(in.Index), tree.LeafHash([]byte(in.Leaf)), proof); err != nil { //nolint:gosec // below 2^53
		return c, fmt.Errorf("%w: the proof does not lead to the checkpoint", ErrInclusion)
	}
	return c, nil
}
