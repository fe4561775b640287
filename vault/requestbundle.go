package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/audit/trail"
	evidenceof "github.com/fieldvault/fieldvault/vault/rights/bundle"
)

// RequestBundle is the evidence of a request that has ended, which verifies offline (see
// package bundle): the request and its steps, what the person was told, receipts of the
// decisions that it made, and the certificate of the erasure that ended it, each with the
// proof that the audit log has its event, as soon as it has. export, if not nil, is what
// the person was given, as JSON: it is packed as it is.
//
// It is for who may read the request: see [Vault.Request]. The error is ErrNotFound,
// ErrIntegrity, ErrConflict of one that has not ended, or ErrUnavailable also while the
// signing key is not open.
func (v *Vault) RequestBundle(ctx context.Context, c accessctl.Caller, id uuid.UUID, export json.RawMessage) ([]byte, error) {
	q, err := v.Request(ctx, c, id)
	if err != nil {
		return nil, err
	}
	defer q.Wipe()
	t, err := v.tenantOf(ctx, c.Tenant)
	if err != nil {
		return nil, err
	}
	signer := v.signer.get()
	switch {
	case !q.State.Over():
		return nil, fmt.Errorf("%w: the request has not ended", ErrConflict)
	case signer == nil:
		return nil, fmt.Errorf("%w: the signing key is not open", ErrUnavailable)
	}
	in := evidenceof.Contents{Tenant: t.row.Name, Request: q.Request, IssuedAt: v.now(), Export: export, Answer: answersOf(&q)}
	in.Request.Assignee = ""
	for _, s := range q.Steps {
		in.Steps = append(in.Steps, evidenceof.Happened{Step: s.Step, At: s.At, Event: s.Event})
	}
	for _, r := range q.receipts {
		in.Receipts = append(in.Receipts, v.includedReceipt(ctx, t, r))
	}
	if in.Certificate, err = v.erasureOf(ctx, t, q.erasure); err != nil {
		return nil, err
	}
	in.Place = v.placeOf(ctx, t, q.Steps[len(q.Steps)-1].Event)
	b, err := evidenceof.Pack(in, signer)
	if errors.Is(err, evidenceof.ErrContents) {
		return nil, ErrTooLarge
	}
	return b, err
}

// answersOf is all that the person was told, in order.
func answersOf(q *Request) string {
	var words []string
	for i := range q.Steps {
		if a := &q.Steps[i].Answer; !a.IsZero() {
			words = append(words, string(a.Expose())) //nolint:forbidigo // a bundle is what the person and the officer take away
		}
	}
	return strings.Join(words, "\n\n")
}

// erasureOf is the certificate of an erasure, with its proof; nil for none.
func (v *Vault) erasureOf(ctx context.Context, t *tenant, id uuid.UUID) ([]byte, error) {
	if id == uuid.Nil {
		return nil, nil
	}
	doc, err := v.certificateOf(ctx, t, id)
	if errors.Is(err, ErrNotFound) {
		err = ErrIntegrity
	}
	return doc, err
}

// placeOf is where the log holds an event; nil while that cannot be proven.
func (v *Vault) placeOf(ctx context.Context, t *tenant, event uuid.UUID) *evidence.Inclusion {
	log, err := v.logOf(t)
	if err != nil {
		return nil
	}
	in, err := log.ProveEvent(ctx, event)
	if err != nil {
		if !errors.Is(err, trail.ErrNone) {
			v.log.WarnContext(ctx, "a bundle goes out without its proof of inclusion", "tenant", t.row.Name, "error", err)
		}
		return nil
	}
	place := evidence.NewInclusion(in.Index, in.Leaf, in.Proof, in.Signed)
	return &place
}
