package vault

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

// The labels of a tenant's keys. An index key's label is made by indexLabel.
const (
	labelLookup      = "lookup"
	labelCursor      = "cursor"
	labelMAC         = "mac"
	labelIdempotency = "idempotency"
	labelPseudonym   = "pseudonym"
	labelSigning     = "signing"
	labelIndex       = "index/"
)

// A tenant is an open tenant: its keys are pinned here and never aged.
type tenant struct {
	row    Tenant
	lookup *field.MACKey
	mac    *field.MACKey
	idem   *field.MACKey
	cursor *field.BoxKey

	pseudonyms atomic.Pointer[field.PseudonymKey] // nil: of a tenant from before there were any

	settings  atomic.Pointer[settings]
	live      atomic.Pointer[liveCount]
	names     atomic.Pointer[logNames]
	retention atomic.Pointer[retentionCursor] // of the last pass

	mu    sync.RWMutex
	index map[string]*field.IndexKey // by label
}

// hash finds a person: a keyed hash of the external id.
func (t *tenant) hash(subject string) []byte {
	h := t.lookup.Sum("subject", []byte(subject))
	return bytes.Clone(h[:LookupSize])
}

// A signerSlot holds the service's signing key once it is open.
type signerSlot struct {
	p atomic.Pointer[evidence.Signer]
}

func (s *signerSlot) get() *evidence.Signer  { return s.p.Load() }
func (s *signerSlot) set(k *evidence.Signer) { s.p.Store(k) }

// EnsureSystem makes the system's key-encryption key and the service's signing
// key, unless they exist. `migrate` and `dev` call it, as the keeper.
func EnsureSystem(ctx context.Context, store Store, ring *keyring.Ring, admin KeyMaker) error {
	if err := admin.CreateKey(ctx, keyring.System); err != nil {
		return fmt.Errorf("creating the system's key-encryption key: %w", err)
	}
	return ensureKeys(ctx, store, ring, kek{SystemTenant, keyring.System}, []string{labelSigning}, time.Time{})
}

// CreateTenant makes a tenant on purpose: its key-encryption key, its row and
// its lookup, cursor, MAC, idempotency and pseudonym keys. Doing it again completes what
// is missing and says false. It acts as `by`, in an event of the new tenant. It
// needs to create and to encrypt under the key-encryption key, and not to decrypt.
//
// Names are 1 to 63 of a-z, 0-9 and -, beginning with a letter and not ending
// with -; others are an *InvalidError.
func (v *Vault) CreateTenant(ctx context.Context, by accessctl.Caller, admin KeyMaker, name string) (created bool, err error) {
	if !tenantName(name) {
		return false, invalid("tenant", "must be 1 to 63 of a-z, 0-9 and -, beginning with a letter and not ending with -")
	}
	if err := admin.CreateKey(ctx, name); err != nil {
		return false, fmt.Errorf("creating the tenant's key-encryption key: %w", err)
	}
	var row Tenant
	err = v.store.Update(ctx, func(tx Tx) error {
		row, created, err = tx.InsertTenant(ctx, Tenant{Name: name, KEKEpoch: 1, Created: v.now()})
		if err != nil || !created {
			return err
		}
		t := &tenant{row: row}
		return v.append(ctx, tx, t, audit.Event{
			ID: v.eventID(t), Tenant: name, Time: v.now(), Request: by.RequestID, Actor: by.Actor(),
			Action: actionTenant, Outcome: audit.Allowed,
		})
	})
	if err != nil {
		return false, fmt.Errorf("creating the tenant: %w", err)
	}
	labels := []string{labelCursor, labelIdempotency, labelLookup, labelMAC, labelPseudonym}
	if err := ensureKeys(ctx, v.store, v.ring, kek{row.ID, name}, labels, v.now()); err != nil {
		return false, err
	}
	// The keeper makes keys and may not open them: nodes do, by themselves.
	if err := v.openTenant(ctx, row); err != nil {
		v.log.InfoContext(ctx, "the tenant is made; it is opened by those who may open its keys", "tenant", name)
	}
	return created, nil
}

func tenantName(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return s[len(s)-1] != '-' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// ensureKeys makes the tenant's keys that are missing: insert on conflict do
// nothing, so that of two processes one wins and both use the winner's. at is now: it
// is noted of index keys.
func ensureKeys(ctx context.Context, store Store, ring *keyring.Ring, k kek, labels []string, at time.Time) error {
	have, err := tenantKeys(ctx, store, k.row)
	if err != nil {
		return err
	}
	labels = slices.DeleteFunc(slices.Clone(labels), func(l string) bool {
		return slices.ContainsFunc(have, func(k TenantKey) bool { return k.Label == l })
	})
	if len(labels) == 0 {
		return nil
	}
	_, wrapped, err := ring.MakeSecrets(ctx, k.name, labels)
	if err != nil {
		return fmt.Errorf("making keys of the tenant: %w", unavailable(err))
	}
	err = store.Update(ctx, func(tx Tx) error {
		for i, l := range labels {
			own := TenantKey{Label: l, KEKVersion: int32(wrapped[i].Version), Wrapped: wrapped[i].Bytes} //nolint:gosec // KEK versions are small
			if _, err := tx.InsertTenantKey(ctx, k.row, own); err != nil {
				return fmt.Errorf("storing a key of the tenant: %w", err)
			}
		}
		return noteIndexKeys(ctx, tx, k.row, labels, at)
	})
	if errors.Is(err, ErrStaleKEK) {
		return fmt.Errorf("%w: the key-encryption key was rotated meanwhile", ErrUnavailable)
	}
	return err
}

func tenantKeys(ctx context.Context, store Store, id int32) (keys []TenantKey, err error) {
	err = store.View(ctx, func(tx Tx) error {
		keys, err = tx.TenantKeys(ctx, id)
		return err
	})
	return keys, err
}

// openSecrets opens the wrapped keys in one call to the key-encryption key.
func (v *Vault) openSecrets(ctx context.Context, name string, keys []TenantKey) (map[string]secret.Bytes, error) {
	labels, wrapped := make([]string, len(keys)), make([]keyring.Wrapped, len(keys))
	for i, k := range keys {
		labels[i], wrapped[i] = k.Label, keyring.Wrapped{Version: int(k.KEKVersion), Bytes: k.Wrapped}
	}
	opened, err := v.ring.OpenSecrets(ctx, name, labels, wrapped)
	if err != nil {
		return nil, err
	}
	m := make(map[string]secret.Bytes, len(keys))
	for i, l := range labels {
		m[l] = opened[i]
	}
	return m, nil
}

// openTenants opens the signing key and every tenant that is not open yet.
func (v *Vault) openTenants(ctx context.Context) error {
	var rows []Tenant
	err := v.store.View(ctx, func(tx Tx) (err error) {
		rows, err = tx.Tenants(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if v.signer.get() == nil {
		if err := v.openSigner(ctx); err != nil {
			v.log.InfoContext(ctx, "the signing key is not open", "error", err)
		}
	}
	for _, row := range rows {
		if t, open := v.lookupTenant(row.Name); open {
			if t.settings.Load() != nil {
				continue
			}
			if err := v.loadCurrent(ctx, t); err != nil && !errors.Is(err, ErrNoRow) {
				v.log.WarnContext(ctx, "a tenant's catalog or policy cannot be read", "tenant", row.Name, "error", err)
			}
			continue
		}
		if err := v.openTenant(ctx, row); err != nil {
			v.log.InfoContext(ctx, "a tenant is not open", "tenant", row.Name, "error", err)
		}
	}
	return nil
}

func (v *Vault) openSigner(ctx context.Context) error {
	keys, err := tenantKeys(ctx, v.store, SystemTenant)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return errors.New("it was never made: run `fieldvault migrate` as the keeper")
	}
	opened, err := v.openSecrets(ctx, keyring.System, keys)
	if err != nil {
		return err
	}
	seed := opened[labelSigning]
	defer seed.Wipe()
	s, err := evidence.NewSigner(seed.Expose())
	if err != nil {
		return fmt.Errorf("opening the signing key: %w", err)
	}
	v.signer.set(s)
	return nil
}

func (v *Vault) openTenant(ctx context.Context, row Tenant) error {
	t, err := v.readTenant(ctx, row)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.closed[row.Name] = "its keys are not open: the key-encryption key did not answer, or `fieldvault tenant create` did not finish"
		return err
	}
	delete(v.closed, row.Name)
	if v.tenants[row.Name] == nil {
		v.tenants[row.Name] = t
	}
	return nil
}

func (v *Vault) readTenant(ctx context.Context, row Tenant) (*tenant, error) {
	keys, err := tenantKeys(ctx, v.store, row.ID)
	if err != nil {
		return nil, err
	}
	indexes := slices.Clone(keys)
	keys = slices.DeleteFunc(keys, isIndexKey)
	indexes = slices.DeleteFunc(indexes, func(k TenantKey) bool { return !isIndexKey(k) })
	opened, err := v.openSecrets(ctx, row.Name, keys)
	if err != nil {
		return nil, fmt.Errorf("opening keys of the tenant: %w", err)
	}
	t := &tenant{row: row, index: map[string]*field.IndexKey{}}
	if err := v.openIndexKeys(ctx, t, indexes); err != nil {
		v.log.WarnContext(ctx, "index keys are not open: what they index cannot be searched or written", "tenant", row.Name, "error", err)
	}
	var errs [4]error
	t.lookup, errs[0] = field.NewMACKey(opened[labelLookup])
	t.mac, errs[1] = field.NewMACKey(opened[labelMAC])
	t.idem, errs[2] = field.NewMACKey(opened[labelIdempotency])
	t.cursor, errs[3] = field.NewBoxKey(opened[labelCursor])
	if k, ok := opened[labelPseudonym]; ok && errors.Join(errs[:]...) == nil {
		errs[0] = t.pinPseudonyms(k)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("opening keys of the tenant: %w", err)
	}
	if err := v.loadCurrent(ctx, t); err != nil && !errors.Is(err, ErrNoRow) {
		return nil, err
	}
	return t, nil
}

func isIndexKey(k TenantKey) bool { return strings.HasPrefix(k.Label, labelIndex) }

// openIndexKeys pins index keys: all in one call, or, if one of them does not
// open, each by itself, so that it closes its own field alone.
func (v *Vault) openIndexKeys(ctx context.Context, t *tenant, keys []TenantKey) error {
	if len(keys) == 0 {
		return nil
	}
	opened, err := v.openSecrets(ctx, t.row.Name, keys)
	if err != nil && len(keys) > 1 && !errors.Is(err, keyring.ErrUnavailable) {
		errs := make([]error, 0, len(keys))
		for i := range keys {
			errs = append(errs, v.openIndexKeys(ctx, t, keys[i:i+1]))
		}
		return errors.Join(errs...)
	}
	if err != nil {
		return fmt.Errorf("opening the key %s: %w", keys[0].Label, unavailable(err))
	}
	for label, k := range opened {
		ik, err := field.NewIndexKey(k)
		if err != nil {
			return fmt.Errorf("opening an index key: %w", err)
		}
		t.pinIndex(label, ik)
	}
	return nil
}

func (v *Vault) lookupTenant(name string) (*tenant, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	t, ok := v.tenants[name]
	return t, ok
}

// tenantOf returns the caller's tenant, open. A tenant that this node has not
// seen is looked for at most once a second: it may have been created elsewhere.
func (v *Vault) tenantOf(ctx context.Context, name string) (*tenant, error) {
	if t, ok := v.lookupTenant(name); ok {
		return t, nil
	}
	v.mu.Lock()
	_, isClosed := v.closed[name]
	again := !isClosed && tenantName(name) && v.now().Sub(v.probed) > time.Second
	if again {
		v.probed = v.now()
	}
	v.mu.Unlock()
	if again {
		if err := v.openTenants(ctx); err != nil {
			return nil, unavailable(err)
		}
		if t, ok := v.lookupTenant(name); ok {
			return t, nil
		}
	}
	if isClosed {
		return nil, ErrUnavailable
	}
	return nil, ErrDenied
}

func be32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// isLocal says whether an operator acts at the machine itself, not by a token.
func isLocal(c accessctl.Caller) bool { return c.Issuer == "" }

// principalOf names who asks, in a cursor or an idempotency key.
func principalOf(p accessctl.Principal) []byte {
	return []byte(p.Tenant + "\x00" + p.Issuer + "\x00" + p.Subject)
}

// unavailable turns the failure of a dependency into ErrUnavailable; errors of
// this package and ends of contexts pass.
func unavailable(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrUnavailable), errors.Is(err, ErrIntegrity):
		return err
	case errors.Is(err, keyring.ErrUnavailable):
		return fmt.Errorf("%w: key-encryption key", ErrUnavailable)
	}
	return err
}
