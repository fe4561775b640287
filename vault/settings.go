package vault

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/freetext"
)

// settings are the catalog and policy that decide, of one pair of versions.
// They are immutable.
type settings struct {
	catalog *catalog.Catalog
	policy  *accessctl.Policy
	fields  []accessctl.Field  // every field of the catalog, all purposes listed
	indexes []string           // labels of the index keys it needs
	texts   *freetext.Detector // of personal data in text; nil without fields of that type
}

// current returns the tenant's settings as last seen, or ErrUnavailable when the
// tenant has none: a tenant without policy serves nobody.
func (t *tenant) current() (*settings, error) {
	if s := t.settings.Load(); s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("%w: the tenant has no catalog or no policy", ErrUnavailable)
}

// settingsOf returns the tenant's settings as last seen, or reads them: they may
// have been applied on another node since.
func (v *Vault) settingsOf(ctx context.Context, t *tenant) (*settings, error) {
	if s := t.settings.Load(); s != nil {
		return s, nil
	}
	if err := v.loadCurrent(ctx, t); err != nil && !errors.Is(err, ErrNoRow) {
		return nil, err
	}
	return t.current()
}

// outdated says whether newer settings have been applied elsewhere, and takes
// them up. A refusal that rests on settings asks it first.
func (v *Vault) outdated(ctx context.Context, t *tenant, s *settings) (bool, error) {
	l, err := v.store.LoadForReveal(ctx, LoadQuery{Tenant: t.row.ID})
	if err != nil {
		return false, fmt.Errorf("reading versions: %w", err)
	}
	_, reloaded, err := v.at(ctx, t, s, l)
	return reloaded, err
}

// at returns the settings of the given versions: those at hand, or read anew.
// reloaded says that what was decided with the settings at hand does not count.
func (v *Vault) at(ctx context.Context, t *tenant, have *settings, l *Loaded) (s *settings, reloaded bool, err error) {
	if l.Replica {
		return nil, false, fmt.Errorf("%w: the database is a read-only copy", ErrUnavailable)
	}
	if have.catalog.Version == l.CatalogVersion && have.policy.Version() == l.PolicyVersion {
		return have, false, nil
	}
	if err := v.loadCurrent(ctx, t); err != nil {
		return nil, false, err
	}
	s, err = t.current()
	return s, true, err
}

// stand is errRestart, inside a transaction, if the catalog is not the tenant's newest:
// which keys rest on a consent is decided by no other.
func (s *settings) stand(ctx context.Context, tx Tx, t *tenant) error {
	now, err := tx.CatalogVersion(ctx, t.row.ID)
	if err != nil {
		return fmt.Errorf("reading the version of the catalog: %w", err)
	}
	if now != s.catalog.Version {
		return errRestart
	}
	return nil
}

// loadCurrent reads catalog and policy of the tenant. ErrNoRow when there is no
// catalog or no policy. It calls no key-encryption key, so erasures may use it.
func (v *Vault) loadCurrent(ctx context.Context, t *tenant) error {
	var c, p Document
	err := v.store.View(ctx, func(tx Tx) (err error) {
		if c, err = t.readDocument(ctx, tx, DocumentCatalog); err != nil {
			return err
		}
		p, err = t.readDocument(ctx, tx, DocumentPolicy)
		return err
	})
	if err != nil {
		return err
	}
	s, err := v.newSettings(c, p)
	if err != nil {
		return err
	}
	t.adopt(s)
	return nil
}

// adopt makes s the settings, unless newer ones are known, and forgets index keys
// that they do not need: what still goes by earlier ones begins again.
func (t *tenant) adopt(s *settings) {
	for {
		have := t.settings.Load()
		if have != nil && (have.catalog.Version > s.catalog.Version || have.policy.Version() > s.policy.Version()) {
			return
		}
		if t.settings.CompareAndSwap(have, s) {
			t.unpin()
			return
		}
	}
}

func (v *Vault) newSettings(c, p Document) (*settings, error) {
	cat, err := catalog.Unmarshal(c.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: the stored catalog", ErrIntegrity)
	}
	cat.Version = c.Version
	pol, err := accessctl.ParsePolicy(p.Version, p.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: the stored policy", ErrIntegrity)
	}
	texts, err := v.detectors.of(cat)
	if err != nil {
		return nil, err
	}
	return &settings{catalog: cat, policy: pol, fields: describeAll(cat), indexes: indexLabels(cat), texts: texts}, nil
}

// pinIndexKeys opens index keys that a newer catalog brought, if there are any.
// Only what writes or searches values calls it.
func (v *Vault) pinIndexKeys(ctx context.Context, t *tenant, s *settings) error {
	if t.pinned(s.indexes) {
		return nil
	}
	keys, err := tenantKeys(ctx, v.store, t.row.ID)
	if err != nil {
		return fmt.Errorf("reading index keys: %w", err)
	}
	keys = slices.DeleteFunc(keys, func(k TenantKey) bool {
		return !slices.Contains(s.indexes, k.Label) || t.indexKey(k.Label) != nil
	})
	err = v.openIndexKeys(ctx, t, keys)
	if t.pinned(s.indexes) {
		return nil // by another request meanwhile, perhaps
	}
	if err == nil {
		err = fmt.Errorf("%w: an index key is missing; apply the catalog again", ErrUnavailable)
	}
	return err
}

// describe is what policy may know of a field.
func describe(c *catalog.Collection, f *catalog.Field, p accessctl.Purpose) accessctl.Field {
	return accessctl.Field{
		Collection: c.Name, Name: f.Name, Classification: f.Classification,
		Listed: f.Lists(string(p)),
	}
}

// describeFields is what policy may know of each field of a collection.
func describeFields(c *catalog.Collection, p accessctl.Purpose) []accessctl.Field {
	list := make([]accessctl.Field, len(c.Fields))
	for i := range c.Fields {
		list[i] = describe(c, &c.Fields[i], p)
	}
	return list
}

func describeAll(cat *catalog.Catalog) (all []accessctl.Field) {
	for i := range cat.Collections {
		c := &cat.Collections[i]
		for j := range c.Fields {
			f := describe(c, &c.Fields[j], "")
			f.Listed = true
			all = append(all, f)
		}
	}
	return all
}

// facts are what policy may know of a purpose.
func (s *settings) facts(p accessctl.Purpose) accessctl.PurposeFacts {
	if p == accessctl.PurposeSelf {
		return accessctl.PurposeFacts{Known: true}
	}
	known, ok := s.catalog.Purpose(string(p))
	if !ok {
		return accessctl.PurposeFacts{}
	}
	return accessctl.PurposeFacts{
		Known: true, Basis: accessctl.Basis(known.Basis), DespiteRestriction: known.DespiteRestriction,
	}
}

// checkPurpose refuses a missing or unknown purpose: nobody reads for no reason.
func (s *settings) checkPurpose(p accessctl.Purpose) error {
	switch {
	case p == "":
		return invalid("purpose", "is required: say why with the header Fieldvault-Purpose")
	case !s.facts(p).Known:
		return invalid("purpose", "is not in the catalog")
	}
	return nil
}

// mayKnow says whether the caller may know of a person, by these fields: under
// the purpose named or, where the action names none, under any. See "Answers" in
// the package comment.
func (s *settings) mayKnow(c accessctl.Caller, fields []accessctl.Field, own bool) bool {
	if c.Purpose != "" {
		return s.decider(c).MayKnow(fields, own)
	}
	for i := range s.catalog.Purposes {
		c.Purpose = accessctl.Purpose(s.catalog.Purposes[i].ID)
		if s.decider(c).MayKnow(s.under(fields, c.Purpose), own) {
			return true
		}
	}
	c.Purpose = accessctl.PurposeSelf
	return own && s.decider(c).MayKnow(fields, own)
}

// under describes the same fields for another purpose.
func (s *settings) under(fields []accessctl.Field, p accessctl.Purpose) []accessctl.Field {
	out := make([]accessctl.Field, 0, len(fields))
	for _, f := range fields {
		if coll, ok := s.catalog.Collection(f.Collection); ok {
			if def, ok := coll.Field(f.Name); ok {
				out = append(out, describe(coll, def, p))
			}
		}
	}
	return out
}

// decider decides for the caller with these settings.
func (s *settings) decider(c accessctl.Caller) *accessctl.Decider {
	return s.policy.For(c, s.facts(c.Purpose))
}

// Catalog is what is collected, and why, of the tenant of that name: public, and
// without an event. The result is shared and may not be changed. ErrNotFound if
// there is no such tenant, ErrUnavailable while it has no catalog or no policy.
func (v *Vault) Catalog(ctx context.Context, tenantName string) (*catalog.Catalog, error) {
	_, s, err := v.publicly(ctx, tenantName)
	if err != nil {
		return nil, err
	}
	return s.catalog, nil
}

// fresh returns the tenant's settings of this moment.
func (v *Vault) fresh(ctx context.Context, name string) (*tenant, *settings, error) {
	t, s, _, err := v.freshOf(ctx, name)
	return t, s, err
}

// freshOpen is fresh, for what a closed gate refuses.
func (v *Vault) freshOpen(ctx context.Context, name string) (*tenant, *settings, error) {
	t, s, incarnation, err := v.freshOf(ctx, name)
	if err == nil {
		err = v.guard(ctx, incarnation)
	}
	return t, s, err
}

// freshOf also says of which incarnation of the database they are.
func (v *Vault) freshOf(ctx context.Context, name string) (*tenant, *settings, string, error) {
	t, err := v.tenantOf(ctx, name)
	if err != nil {
		return nil, nil, "", err
	}
	s, err := v.settingsOf(ctx, t)
	if err != nil {
		return t, nil, "", err
	}
	l, err := v.store.LoadForReveal(ctx, LoadQuery{Tenant: t.row.ID})
	if err != nil {
		return t, nil, "", fmt.Errorf("reading versions: %w", err)
	}
	s, _, err = v.at(ctx, t, s, l)
	return t, s, l.Incarnation, err
}

// permitService decides an action on the service itself, and records a refusal.
func (v *Vault) permitService(ctx context.Context, c accessctl.Caller, a accessctl.Action) (*tenant, *settings, error) {
	t, err := v.tenantOf(ctx, c.Tenant)
	if err != nil {
		return nil, nil, err
	}
	if t.settings.Load() == nil {
		if err := v.loadCurrent(ctx, t); errors.Is(err, ErrNoRow) && isLocal(c) {
			return t, nil, nil // the first catalog and policy come from the operator's own shell
		}
	}
	t, s, err := v.fresh(ctx, c.Tenant)
	if err != nil {
		return nil, nil, err
	}
	if s.decider(c).PermitService(a).Allowed {
		return t, s, nil
	}
	e := v.event(t, s, c, a)
	e.Outcome, e.Code = audit.Denied, codePolicy
	if err := v.record(ctx, t, e); err != nil {
		return nil, nil, err
	}
	return nil, nil, ErrDenied
}

func versionOf(c *catalog.Catalog) int64 {
	if c == nil {
		return 0
	}
	return c.Version
}

func (v *Vault) storedCatalog(ctx context.Context, t *tenant) (*catalog.Catalog, error) {
	d, err := v.document(ctx, t, DocumentCatalog)
	if errors.Is(err, ErrNoRow) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	prev, err := catalog.Unmarshal(d.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: the stored catalog", ErrIntegrity)
	}
	prev.Version = d.Version
	return prev, nil
}

func (v *Vault) document(ctx context.Context, t *tenant, kind string) (d Document, err error) {
	err = v.store.View(ctx, func(tx Tx) error {
		d, err = t.readDocument(ctx, tx, kind)
		return err
	})
	return d, err
}

// documentMAC is the bytes of the MAC at the head of a stored document. There are few:
// it is whole.
const documentMAC = sha256.Size

// readDocument reads the current version of a document, which must bear the
// tenant's MAC: one that was written by SQL is ErrIntegrity. ErrNoRow if there
// is none.
func (t *tenant) readDocument(ctx context.Context, tx Tx, kind string) (Document, error) {
	return t.readVersion(ctx, tx, kind, 0)
}

// readVersion reads one version of a document; 0: the current one.
func (t *tenant) readVersion(ctx context.Context, tx Tx, kind string, version int64) (Document, error) {
	d, err := tx.Document(ctx, t.row.ID, kind, version)
	if err != nil {
		return Document{}, err
	}
	if len(d.Body) < documentMAC {
		return Document{}, fmt.Errorf("%w: the stored %s", ErrIntegrity, kind)
	}
	mac := d.Body[:documentMAC]
	d.Body = d.Body[documentMAC:]
	if !t.mac.Verify(mac, "document", documentParts(kind, &d)...) {
		return Document{}, fmt.Errorf("%w: the stored %s", ErrIntegrity, kind)
	}
	return d, nil
}

func documentParts(kind string, d *Document) [][]byte {
	return [][]byte{[]byte(kind), []byte(strconv.FormatInt(d.Version, 10)), d.Body, d.Source}
}

// A publication is the next version of a document, and what is done with it.
type publication struct {
	kind string
	doc  Document
	job  *Job // to be asked for in the same transaction, if not nil
	need bool // not published unless the job is a new one

	budgets []BudgetRow   // to be made in the same transaction
	turns   []ReleaseTurn // so, too
}

// publish stores the next version of a document with its event, and uses it.
func (v *Vault) publish(ctx context.Context, c accessctl.Caller, t *tenant, s *settings, p publication) error {
	kind, d := p.kind, p.doc
	d.By, d.Created = c.Actor(), v.now()
	mac := t.mac.Sum("document", documentParts(kind, &d)...)
	d.Body = append(mac[:], d.Body...)
	err := v.store.Update(ctx, func(tx Tx) error {
		if err := tx.InsertDocument(ctx, t.row.ID, kind, d); err != nil {
			return err
		}
		for i := range p.budgets {
			if _, err := tx.InsertBudget(ctx, p.budgets[i]); err != nil {
				return err // one of an earlier catalog stands as it was spent
			}
		}
		for i := range p.turns {
			if _, err := tx.InsertReleaseTurn(ctx, p.turns[i]); err != nil {
				return err // one of an earlier catalog stands as it was
			}
		}
		e := v.event(t, s, c, accessctl.ActionConfigure)
		e.Code = kind
		if p.job != nil {
			job, isNew, err := tx.InsertJob(ctx, *p.job)
			if err != nil {
				return err
			}
			if !isNew && p.need {
				return errIndexing
			}
			e.Subject = []audit.Attr{{Key: "job", Value: job.ID.String()}}
		}
		e.Subject = append(e.Subject, audit.Attr{Key: "version", Value: strconv.FormatInt(d.Version, 10)})
		return v.append(ctx, tx, t, e)
	})
	switch {
	case errors.Is(err, ErrStale):
		return fmt.Errorf("%w: another version was applied meanwhile", ErrConflict)
	case errors.Is(err, errIndexing):
		return err
	}
	if err != nil {
		return fmt.Errorf("storing the %s: %w", kind, err)
	}
	if err := v.loadCurrent(ctx, t); err != nil && !errors.Is(err, ErrNoRow) {
		return fmt.Errorf("using the %s: %w", kind, err)
	}
	return nil
}
