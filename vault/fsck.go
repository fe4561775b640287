package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// A Report says what [Vault.Fsck] found. It names rows by table, uid and the
// ids of the log, never by value or external id.
type Report struct {
	People   int
	Records  int
	Fields   int
	Findings []Fault
}

// A Fault is one thing that is wrong in the store.
type Fault struct {
	Tenant string
	UID    uuid.UUID
	Row    uuid.UUID // of a record, as in the log; Nil otherwise
	What   string    // in words: what is wrong, and what it means
}

func (r *Report) add(t *tenant, uid, row uuid.UUID, what string) {
	r.Findings = append(r.Findings, Fault{Tenant: t.row.Name, UID: uid, Row: row, What: what})
}

// ErrNoScan: the store cannot be walked.
var errNoScan = errors.New("this store cannot be walked")

const scanPage = 500

// logPage is larger: rows of events are small.
const logPage = 2000

// Fsck checks a whole store at rest against itself and the log: that every value
// opens where it stands, that index entries are those of the values, that people's
// rows and consents bear their MAC, that nothing is left of unknown people, and
// that no record is older than the log says (a row put back by SQL). It opens
// every value, shows none, and is itself recorded. progress, if not nil, is
// called with the number of records checked. An error means that the check did not
// end; the report then holds what was found until there.
//
// Writes that run meanwhile can make it name a row that is fine: run it at rest.
func (v *Vault) Fsck(ctx context.Context, by accessctl.Caller, progress func(records int)) (Report, error) {
	scan, ok := v.store.(Inspector)
	if !ok {
		return Report{}, errNoScan
	}
	f := &checking{v: v, scan: scan, progress: progress, filling: map[int32]bool{}, told: told{
		rows: map[uuid.UUID]toldRow{}, people: map[uuid.UUID]*toldPerson{}, requests: map[uuid.UUID]toldRequest{}, budgets: map[toldBudget]int64{}, releases: map[toldBudget]int64{},
	}}
	f.unopened()
	for _, t := range v.openedTenants() {
		if err := v.record(ctx, t, v.event(t, nil, by, "fsck")); err != nil {
			return Report{}, err
		}
		if err := f.indexes(ctx, t); err != nil {
			return f.report, err
		}
		if err := f.log(ctx, t); err != nil {
			return f.report, err
		}
		if err := f.people(ctx, t); err != nil {
			return f.report, err
		}
		if err := f.bait(ctx, t); err != nil {
			return f.report, err
		}
		if err := f.budgets(ctx, t); err != nil {
			return f.report, err
		}
		if err := f.tokens(ctx, t); err != nil {
			return f.report, err
		}
		if err := f.turns(ctx, t); err != nil {
			return f.report, err
		}
		if err := f.requests(ctx, t); err != nil {
			return f.report, err
		}
	}
	if err := f.records(ctx); err != nil {
		return f.report, err
	}
	f.missing()
	return f.report, f.orphans(ctx)
}

// indexes opens the index keys of the catalog in force, and sees whether a job still
// fills an index: records may lack entries of it then.
func (f *checking) indexes(ctx context.Context, t *tenant) error {
	if err := f.v.loadCurrent(ctx, t); err != nil && !errors.Is(err, ErrNoRow) {
		return fmt.Errorf("reading the settings: %w", err)
	}
	s := t.settings.Load()
	if s == nil {
		return nil
	}
	if err := f.v.pinIndexKeys(ctx, t, s); err != nil {
		return err
	}
	if !s.catalog.Filling() {
		return nil
	}
	var list []Job
	err := f.v.store.View(ctx, func(tx Tx) (err error) {
		list, err = tx.Jobs(ctx, t.row.ID, MaxPage)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading jobs: %w", err)
	}
	under := slices.ContainsFunc(list, func(j Job) bool {
		return j.Kind == JobReindex && (j.State == JobQueued || j.State == JobRunning)
	})
	if f.filling[t.row.ID] = under; !under {
		f.report.Findings = append(f.report.Findings, Fault{
			Tenant: t.row.Name, What: "an index does not cover all records, and no job fills it: apply the catalog again",
		})
	}
	return nil
}

// unopened names tenants that cannot be checked.
func (f *checking) unopened() {
	f.v.mu.RLock()
	defer f.v.mu.RUnlock()
	for name := range f.v.closed {
		f.report.Findings = append(f.report.Findings, Fault{Tenant: name, What: "the tenant was not checked: its keys are not open"})
	}
	for name, t := range f.v.tenants {
		if t.settings.Load() == nil {
			f.report.Findings = append(f.report.Findings, Fault{Tenant: name, What: "the tenant was not checked: it has no catalog or no policy"})
		}
	}
}

func (v *Vault) openedTenants() []*tenant {
	v.mu.RLock()
	defer v.mu.RUnlock()
	list := make([]*tenant, 0, len(v.tenants))
	for _, t := range v.tenants {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *tenant) int { return int(a.row.ID - b.row.ID) })
	return list
}

// A checking is one run of Fsck.
type checking struct {
	v        *Vault
	scan     Inspector
	report   Report
	progress func(int)
	told     told
	filling  map[int32]bool // tenants with a job that fills an index
}

// people checks directory rows, their keys and consents.
func (f *checking) people(ctx context.Context, t *tenant) error {
	var after []byte
	for {
		page, err := f.scan.ScanSubjects(ctx, t.row.ID, after, scanPage)
		if err != nil {
			return fmt.Errorf("reading the directory: %w", err)
		}
		for i := range page {
			if err := f.person(ctx, t, &page[i]); err != nil {
				return err
			}
		}
		if len(page) < scanPage {
			return nil
		}
		after = page[len(page)-1].Lookup
	}
}

func (f *checking) person(ctx context.Context, t *tenant, s *Subject) error {
	f.report.People++
	if !t.marked(s) {
		f.report.add(t, s.UID, uuid.Nil, "a person's row does not bear its MAC: state, hold or restriction was changed by SQL")
	}
	if s.UID == uuid.Nil {
		return nil
	}
	var keys []DataKey
	var consents []Consent
	var asked []RequestRow
	err := f.v.store.View(ctx, func(tx Tx) (err error) {
		if keys, err = tx.Keys(ctx, t.row.ID, s.UID); err != nil {
			return err
		}
		if asked, err = tx.RequestsOf(ctx, t.row.ID, s.UID); err != nil {
			return err
		}
		consents, err = tx.Consents(ctx, t.row.ID, s.UID)
		return err
	})
	if errors.Is(err, ErrIntegrity) {
		f.report.add(t, s.UID, uuid.Nil, "a key or consent of this person cannot be read: it was changed by SQL")
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading keys and consents: %w", err)
	}
	if s.State == Erased && slices.ContainsFunc(keys, func(k DataKey) bool { return k.Wrapped != nil }) {
		f.report.add(t, s.UID, uuid.Nil, "an erased person has a key again: it was put back by SQL or a restore")
	}
	if s.State == Live {
		if err := f.identity(ctx, t, s, keys); err != nil {
			return err
		}
	}
	f.compare(t, s, consents)
	f.asked(t, s, asked)
	if s.State == Live && t.marked(s) {
		consentsStand, keysStand := stands(s, consents, keys)
		if !consentsStand {
			f.report.add(t, s.UID, uuid.Nil, "consents are not those that the person's row answers for: they were changed or put back by SQL, and do not count")
		}
		if !keysStand {
			f.report.add(t, s.UID, uuid.Nil, "a key's epoch is not the one that the person's row answers for: it was put back by SQL")
		}
	}
	for i := range consents {
		if !t.stamped(s.UID, &consents[i]) {
			f.report.add(t, s.UID, uuid.Nil, "a consent does not bear its MAC: it was changed by SQL and does not count")
		}
	}
	return nil
}

// identity opens a live person's keys and external id.
func (f *checking) identity(ctx context.Context, t *tenant, s *Subject, keys []DataKey) error {
	opened, err := f.openKeys(ctx, t, s, keys)
	if err != nil {
		return err
	}
	k, row := opened[identityGroup], keyOf(keys, identityGroup)
	if k == nil || row == nil {
		f.report.add(t, s.UID, uuid.Nil, "a live person's identity key is missing or does not open")
		return nil
	}
	if _, err := k.Open(identityPlace(t, s.UID, row.Epoch, placeID), s.SealedID); err != nil {
		f.report.add(t, s.UID, uuid.Nil, "a live person's external id does not open")
	}
	return nil
}

// openKeys opens a person's keys by group; those that do not open are left out.
func (f *checking) openKeys(ctx context.Context, t *tenant, s *Subject, keys []DataKey) (map[uint32]*field.Key, error) {
	var list []keyring.Sealed
	for i := range keys {
		if keys[i].Wrapped != nil {
			list = append(list, keyring.Sealed{ID: keyID(t, s, &keys[i]), Wrapped: wrappedOf(&keys[i])})
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	opened, errs, err := f.v.ring.Open(ctx, list)
	if err != nil {
		return nil, fmt.Errorf("opening keys: %w", unavailable(err))
	}
	m := map[uint32]*field.Key{}
	for i := range list {
		if errs == nil || errs[i] == nil {
			m[list[i].ID.Group] = opened[i]
		}
	}
	return m, nil
}

// records checks every record of every tenant.
func (f *checking) records(ctx context.Context) error {
	var after ScanPos
	for {
		page, err := f.scan.ScanRecords(ctx, after, scanPage)
		if err != nil {
			return fmt.Errorf("reading records: %w", err)
		}
		for i := range page {
			if err := f.record(ctx, &page[i]); err != nil {
				return err
			}
		}
		if f.progress != nil {
			f.progress(f.report.Records)
		}
		if len(page) < scanPage {
			return nil
		}
		after = page[len(page)-1].Pos
	}
}

func (f *checking) record(ctx context.Context, r *ScannedRecord) error {
	t := f.v.tenantByID(r.Pos.Tenant)
	if t == nil {
		return nil // the tenant was not checked: unopened says so
	}
	row := t.recordID(r.Pos.UID, r.Pos.Collection, r.Pos.Record)
	last, known := f.told.rows[row]
	if known {
		last.seen = true
		f.told.rows[row] = last
	}
	if r.Subject == nil || r.Subject.State != Live {
		return nil // orphans are counted apart; erased people's rows await the sweep
	}
	if r.Record.Revision == 0 && !known {
		return nil // made by a write that was then refused
	}
	f.report.Records++
	f.revision(t, r, last, known)
	s := t.settings.Load()
	if s == nil {
		return nil // unopened says so
	}
	if r.Record.Deleted {
		if len(r.Index) > 0 {
			f.fault(t, r, "a deleted record has index entries")
		}
		return nil
	}
	coll, ok := s.catalog.CollectionByID(r.Pos.Collection)
	if !ok && retired(s.catalog, r.Pos.Collection) {
		return nil // the catalog dropped the collection; nobody can read it
	}
	sealed, err := t.unpackRow(r.Pos.UID, &r.Record)
	if err != nil || !ok {
		f.fault(t, r, "a record was changed by SQL: it does not bear its MAC, or its collection was never in the catalog")
		return nil
	}
	keys, err := f.openKeys(ctx, t, r.Subject, r.Keys)
	if err != nil {
		return err
	}
	var expected []IndexEntry
	for i := range sealed {
		expected = append(expected, f.value(t, coll, r, &sealed[i], keys[sealed[i].Group])...)
	}
	stale := func(e IndexEntry) bool {
		def, ok := coll.FieldByID(e.Field)
		return !ok || def.Index == nil || !slices.Contains(def.Index.Written(), e.Version) || erasedField(sealed, r.Keys, e.Field)
	}
	has := slices.DeleteFunc(r.Index, stale)
	if f.filling[t.row.ID] {
		expected = slices.DeleteFunc(expected, func(e IndexEntry) bool {
			def, ok := coll.FieldByID(e.Field)
			return ok && def.Index.Filling && def.Index.Version == e.Version && !slices.ContainsFunc(has, func(h IndexEntry) bool {
				return h.Field == e.Field && h.Version == e.Version
			})
		})
	}
	if !sameEntries(expected, has) {
		f.fault(t, r, "index entries are not those of the values: searches may miss or find too much")
	}
	return nil
}

// revision compares a record's revision with the log's.
func (f *checking) revision(t *tenant, r *ScannedRecord, last toldRow, known bool) {
	switch {
	case !known:
		f.fault(t, r, "a record is not in the log: it was inserted by SQL, or the log was cut")
	case r.Record.Revision < last.revision:
		f.fault(t, r, "a record is older than the log says: an earlier row was put back")
	case r.Record.Revision > last.revision:
		f.fault(t, r, "a record is newer than the log says: it was changed by SQL, or the log was cut")
	case last.uid != r.Pos.UID:
		f.fault(t, r, "the log says that this record is another person's: an event was changed by SQL")
	case last.again:
		f.fault(t, r, "the log says that this record began again: it was removed or set back by SQL, and written anew")
	}
}

// fault names a record.
func (f *checking) fault(t *tenant, r *ScannedRecord, what string) {
	f.report.add(t, r.Pos.UID, t.recordID(r.Pos.UID, r.Pos.Collection, r.Pos.Record), what)
}

func retired(cat *catalog.Catalog, id uint32) bool {
	return slices.ContainsFunc(cat.RetiredCollections, func(r catalog.Retired) bool { return r.ID == id })
}

// value opens one sealed field and gives the index entries it should have.
func (f *checking) value(t *tenant, coll *catalog.Collection, r *ScannedRecord, s *field.Sealed, k *field.Key) []IndexEntry {
	row := keyOf(r.Keys, s.Group)
	if row != nil && s.Epoch < row.Epoch {
		return nil // the group was erased since
	}
	f.report.Fields++
	bad := func() []IndexEntry {
		f.fault(t, r, "a value does not open where it stands: it was changed or moved, or its key is gone")
		return nil
	}
	if k == nil || row == nil || s.Epoch != row.Epoch {
		return bad()
	}
	plain, err := k.OpenSplit(field.Place{
		Tenant: t.row.Name, UID: r.Pos.UID, Group: s.Group, Epoch: s.Epoch, Collection: coll.ID,
		Record: r.Record.Record, Field: s.Field, Revision: s.Revision,
	}, s.Ciphertext)
	if err != nil {
		return bad()
	}
	defer plain.Wipe()
	def, ok := coll.FieldByID(s.Field)
	if !ok || def.Index == nil {
		return nil
	}
	entries, err := t.indexEntries(coll, def, plain)
	if err != nil {
		return bad()
	}
	return entries
}

// erasedField says whether what is stored of a field is of an erased group's
// epoch: its ciphertext and index entries are dead, and go at the next write.
func erasedField(sealed []field.Sealed, keys []DataKey, id uint32) bool {
	return slices.ContainsFunc(sealed, func(s field.Sealed) bool {
		k := keyOf(keys, s.Group)
		return s.Field == id && k != nil && s.Epoch < k.Epoch
	})
}

func sameEntries(a, b []IndexEntry) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		if !slices.ContainsFunc(b, func(y IndexEntry) bool {
			return x.Field == y.Field && x.Version == y.Version && string(x.Value) == string(y.Value)
		}) {
			return false
		}
	}
	return true
}

// orphans reports rows of people whom the directory does not know.
func (f *checking) orphans(ctx context.Context) error {
	tables, err := f.scan.Orphans(ctx)
	if err != nil {
		return fmt.Errorf("looking for orphans: %w", err)
	}
	for table, n := range tables {
		if n > 0 {
			f.report.Findings = append(f.report.Findings, Fault{
				What: fmt.Sprintf("table %s has %d rows of people whom the directory does not know", table, n),
			})
		}
	}
	return nil
}
