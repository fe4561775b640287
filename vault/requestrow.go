package vault

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// requestDoc is the body of a [RequestRow].
type requestDoc struct {
	Request  rights.Request    `json:"request"`
	Purpose  string            `json:"purpose,omitempty"` // of an objection
	Text     []byte            `json:"text,omitempty"`    // what the person wrote, sealed
	Epoch    uint32            `json:"epoch,omitempty"`   // of the identity group, which the words are sealed in
	Steps    []requestStep     `json:"steps"`
	Receipts []json.RawMessage `json:"receipts,omitempty"` // of the decisions that it made
	Once     []byte            `json:"once,omitempty"`     // the keyed hash of the idempotency key that it was filed under
}

// requestStep is a step that a request took.
type requestStep struct {
	Step   rights.StepKind `json:"step"`
	At     time.Time       `json:"at"`
	Event  uuid.UUID       `json:"event"`
	Reason rights.Reason   `json:"reason,omitempty"`
	By     string          `json:"by,omitempty"`     // the actor; not in the log
	Answer []byte          `json:"answer,omitempty"` // what the person was told, sealed; not in the log
}

// requestLogDoc is the body of a [RequestLog]: nothing in it is about the person.
type requestLogDoc struct {
	Request rights.Request `json:"request"`
	Steps   []requestStep  `json:"steps"`
	// Erasure is the certificate of the erasure that ended it.
	Erasure uuid.UUID `json:"erasure,omitzero"`
	// Told says which recipients were told of it.
	Told []Told `json:"told,omitempty"`
}

// requestRow is a request as it is stored.
func (t *tenant) requestRow(uid uuid.UUID, d *requestDoc) (RequestRow, error) {
	body, err := json.Marshal(d)
	if err != nil {
		return RequestRow{}, fmt.Errorf("encoding a request: %w", err)
	}
	r := RequestRow{Tenant: t.row.ID, UID: uid, ID: d.Request.ID, Filed: d.Request.Filed, Body: body}
	mac := t.mac.Sum("request", requestParts(&r)...)
	r.MAC = mac[:]
	return r, nil
}

func requestParts(r *RequestRow) [][]byte {
	return [][]byte{r.UID[:], r.ID[:], micros(r.Filed), r.Body}
}

// micros is an instant for a MAC.
func micros(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(t.UnixMicro()))
}

// openRequest reads a stored request. ErrIntegrity if the service has not written it.
func (t *tenant) openRequest(r *RequestRow) (*requestDoc, error) {
	var d requestDoc
	if r.Tenant != t.row.ID || !t.mac.Verify(r.MAC, "request", requestParts(r)...) || json.Unmarshal(r.Body, &d) != nil {
		return nil, ErrIntegrity
	}
	return &d, nil
}

// requestLog is the log row of a request. was is the one before, or nil.
func (v *Vault) requestLog(t *tenant, d *requestLogDoc, was *RequestLog) (RequestLog, error) {
	body, err := json.Marshal(d)
	if err != nil {
		return RequestLog{}, fmt.Errorf("encoding the log of a request: %w", err)
	}
	r := &d.Request
	l := RequestLog{Tenant: t.row.ID, ID: r.ID, Open: !r.State.Over() || d.waiting(), Due: r.Due, Body: body, Reminded: r.Entered.Add(-time.Microsecond)}
	if !r.ExtendedTo.IsZero() {
		l.Due = r.ExtendedTo
	}
	if was != nil {
		l.Reminded = was.Reminded
	}
	l.Forget = rights.Forget(*r, v.rulesOf(r.Regime), v.rights.Calendar).UTC()
	if !l.Forget.IsZero() {
		l.Forget = l.Forget.Truncate(time.Microsecond)
	}
	t.sealRequestLog(&l)
	return l, nil
}

func (t *tenant) sealRequestLog(l *RequestLog) {
	mac := t.mac.Sum("request log", requestLogParts(l)...)
	l.MAC = mac[:]
}

func requestLogParts(l *RequestLog) [][]byte {
	open := []byte{0}
	if l.Open {
		open[0] = 1
	}
	return [][]byte{l.ID[:], open, micros(l.Due), micros(l.Reminded), micros(l.Forget), l.Body}
}

// openRequestLog reads a log row. ErrIntegrity if the service has not written it.
func (t *tenant) openRequestLog(l *RequestLog) (*requestLogDoc, error) {
	var d requestLogDoc
	if l.Tenant != t.row.ID || !t.mac.Verify(l.MAC, "request log", requestLogParts(l)...) || json.Unmarshal(l.Body, &d) != nil {
		return nil, ErrIntegrity
	}
	return &d, nil
}

// lockRequestLog reads the log row of a request, locked.
func (t *tenant) lockRequestLog(ctx context.Context, tx Tx, id uuid.UUID) (RequestLog, *requestLogDoc, error) {
	l, err := tx.RequestLog(ctx, t.row.ID, id, ExclusiveLock)
	if errors.Is(err, ErrNoRow) {
		return l, nil, ErrIntegrity // it was removed by SQL: the log outlives the request
	}
	if err != nil {
		return l, nil, fmt.Errorf("reading the log of a request: %w", err)
	}
	d, err := t.openRequestLog(&l)
	return l, d, err
}

// putRequest stores a request and its log row. was is the log row before, or nil.
func (v *Vault) putRequest(ctx context.Context, tx Tx, t *tenant, uid uuid.UUID, d *requestDoc, was *RequestLog) error {
	row, err := t.requestRow(uid, d)
	if err != nil {
		return err
	}
	if err := tx.PutRequest(ctx, row); err != nil {
		return fmt.Errorf("storing a request: %w", err)
	}
	return v.logRequest(ctx, tx, t, &requestLogDoc{Request: d.Request, Steps: d.Steps, Told: v.toBeTold(&d.Request)}, was)
}

// logRequest stores a log row, less what is about the person.
func (v *Vault) logRequest(ctx context.Context, tx Tx, t *tenant, d *requestLogDoc, was *RequestLog) error {
	bare := *d
	bare.Request.Assignee = ""
	bare.Steps = make([]requestStep, len(d.Steps))
	for i, s := range d.Steps {
		s.By, s.Answer = "", nil
		bare.Steps[i] = s
	}
	l, err := v.requestLog(t, &bare, was)
	if err != nil {
		return err
	}
	if err := tx.PutRequestLog(ctx, l); err != nil {
		return fmt.Errorf("storing the log of a request: %w", err)
	}
	return nil
}

// rulesOf are the rules of a request's regime, which may be another than is configured
// now.
func (v *Vault) rulesOf(regime rights.Regime) rights.Rules {
	if regime == v.rights.Rules.Regime {
		return v.rights.Rules
	}
	return rights.Default(regime)
}

// wordPlace is where words of a request are sealed: the n-th step's; 0 is what the
// person wrote when filing it.
func wordPlace(t *tenant, uid, request uuid.UUID, epoch uint32, n int) field.Place {
	place := identityPlace(t, uid, epoch, placeRequest)
	place.Record = request.String() + "/" + strconv.Itoa(n)
	return place
}

// words are what is to be sealed about a request: the n-th step's; 0 is the person's.
type words struct {
	key  *heldKey // of the identity group; nil without a text
	n    int
	text string
}

// sealWords seals words about a request, if there are any.
func (t *tenant) sealWords(ctx context.Context, tx Tx, p *Subject, d *requestDoc, w words) ([]byte, error) {
	if w.text == "" {
		return nil, nil
	}
	if err := t.seals(ctx, tx, p, w.key); err != nil {
		return nil, err
	}
	d.Epoch = w.key.id.Epoch
	sealed, err := w.key.opened.Seal(wordPlace(t, p.UID, d.Request.ID, d.Epoch, w.n), secret.FromString(w.text))
	if err != nil {
		return nil, fmt.Errorf("sealing words: %w", err)
	}
	return sealed, nil
}
