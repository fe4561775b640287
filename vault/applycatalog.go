package vault

import (
	"context"
	"fmt"
	"slices"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// An Applied says what a catalog changes.
type Applied struct {
	Version  int64            // in force afterwards; 0: none
	Changes  []catalog.Change // against the one that was in force
	AskAgain []string         // purposes for which people have to be asked again
}

// ApplyCatalog makes source, YAML of at most MaxDocument bytes, the tenant's
// catalog: the next version, with the ids of the present one kept. With dryRun, or
// where nothing changes, nothing is applied.
//
// A higher version of an index exchanges its key: from then on writes store entries
// under both keys and searches look for both, while a job of the kind JobReindex
// indexes what was stored before; then it destroys the old key and its entries. It
// does the same with an index that is dropped, and fills one that a field that stands
// gets: that one can be searched once it is filled. If such a job failed, applying
// the same catalog again asks for another, as [Vault.Reindex] does.
//
// An *InvalidError lists what is wrong, by line. An index of a field that stands
// keeps its bits and region: that is refused, too. A *KeyError says that indexes
// cannot change while such a job is under way. ErrConflict: another catalog was
// applied meanwhile.
func (v *Vault) ApplyCatalog(ctx context.Context, c accessctl.Caller, source []byte, dryRun bool) (Applied, error) {
	t, s, err := v.permitService(ctx, c, accessctl.ActionConfigure)
	if err != nil {
		return Applied{}, err
	}
	if len(source) > MaxDocument {
		return Applied{}, ErrTooLarge
	}
	parsed, err := catalog.Parse(source)
	if err != nil {
		return Applied{}, problems("catalog", err)
	}
	prev, err := v.storedCatalog(ctx, t)
	if err != nil {
		return Applied{}, err
	}
	next, err := parsed.Assign(prev)
	if err != nil {
		return Applied{}, problems("catalog", err)
	}
	if err := checkIndexes(prev, next); err != nil {
		return Applied{}, err
	}
	done := Applied{Version: next.Version, Changes: catalog.Diff(prev, next)}
	done.AskAgain = catalog.AskAgain(done.Changes, next)
	switch {
	case dryRun:
		done.Version = versionOf(prev)
		return done, nil
	case prev != nil && len(done.Changes) == 0:
		_, _, err := v.resumeReindex(ctx, c, t, s, prev)
		done.Version = prev.Version
		return done, err
	}
	if err := ensureKeys(ctx, v.store, v.ring, kek{t.row.ID, t.row.Name}, indexLabels(next), v.now()); err != nil {
		return Applied{}, err
	}
	p := publication{kind: DocumentCatalog, doc: Document{Version: next.Version, Source: source}, budgets: t.newBudgets(prev, next), turns: t.newTurns(prev, next)}
	if p.doc.Body, err = catalog.Marshal(next); err != nil {
		return Applied{}, fmt.Errorf("encoding the catalog: %w", err)
	}
	if p.need = indexesChange(prev, next); p.need || next.Filling() {
		j := v.newReindex(c, t)
		p.job = &j
	}
	if err := v.publish(ctx, c, t, s, p); err != nil {
		return Applied{}, err
	}
	return done, nil
}

// errIndexing: see ApplyCatalog.
var errIndexing = &KeyError{
	Why:  "a job still indexes records, or removes a version of an index, from an earlier catalog",
	Next: "wait until the job reindex is done (GET /v1/jobs), and apply the catalog then",
}

// checkIndexes refuses an index that is changed on a field that may have values
// already, other than by a new key: what was searched would not be found.
func checkIndexes(prev, next *catalog.Catalog) error {
	if prev == nil {
		return nil
	}
	var list []Problem
	eachIndex(next, func(c *catalog.Collection, f *catalog.Field) {
		old, ok := prev.CollectionByID(c.ID)
		if !ok {
			return
		}
		was, ok := old.FieldByID(f.ID)
		if !ok || was.Index == nil || was.Index.Version == f.Index.Version || was.Index.Version == f.Index.Previous {
			return
		}
		list = append(list, Problem{
			Field: c.Name + "." + f.Name,
			Rule:  "cannot be indexed otherwise: values that are stored would not be found; add a field with the index, and write them there",
		})
	})
	if len(list) > 0 {
		return &InvalidError{Problems: list}
	}
	return nil
}

// indexesChange says whether what stands in the store has to follow: records are to
// be indexed, or a version of an index is to be destroyed.
func indexesChange(prev, next *catalog.Catalog) bool {
	if prev == nil {
		return false
	}
	has, needs, was := indexLabels(prev), indexLabels(next), fillingLabels(prev)
	return slices.ContainsFunc(has, func(l string) bool { return !slices.Contains(needs, l) }) ||
		slices.ContainsFunc(fillingLabels(next), func(l string) bool { return !slices.Contains(was, l) })
}

func (v *Vault) newReindex(c accessctl.Caller, t *tenant) Job {
	return Job{
		ID: v.newID(), Tenant: t.row.ID, Kind: JobReindex, State: JobQueued, Params: []byte(`{}`),
		By: c.Actor(), Created: v.now(), Updated: v.now(),
	}
}

// Reindex asks for the job that makes what is stored follow the indexes of the catalog
// in force, or returns the one that is under way. It is for when such a job failed, and
// its cause was repaired. needed is false, and there is no job, if nothing is left to do.
// ErrNotFound: there is no catalog.
func (v *Vault) Reindex(ctx context.Context, c accessctl.Caller) (job Job, needed bool, err error) {
	t, s, err := v.permitService(ctx, c, accessctl.ActionConfigure)
	if err != nil {
		return Job{}, false, err
	}
	cat, err := v.storedCatalog(ctx, t)
	if err != nil {
		return Job{}, false, err
	}
	if cat == nil {
		return Job{}, false, ErrNotFound
	}
	return v.resumeReindex(ctx, c, t, s, cat)
}

// resumeReindex asks for a job if there is something to do, and returns it or the one
// that is under way.
func (v *Vault) resumeReindex(ctx context.Context, c accessctl.Caller, t *tenant, s *settings, cat *catalog.Catalog) (job Job, needed bool, err error) {
	gone, err := v.obsoleteIndexes(ctx, t, cat)
	if err != nil {
		return Job{}, false, err
	}
	if !cat.Filling() && len(gone) == 0 {
		return Job{}, false, nil
	}
	err = v.store.Update(ctx, func(tx Tx) error {
		var isNew bool
		if job, isNew, err = tx.InsertJob(ctx, v.newReindex(c, t)); err != nil || !isNew {
			return err
		}
		e := v.event(t, s, c, accessctl.ActionConfigure)
		e.Code, e.Subject = JobReindex, []audit.Attr{{Key: "job", Value: job.ID.String()}}
		return v.append(ctx, tx, t, e)
	})
	if err != nil {
		return Job{}, false, fmt.Errorf("asking for a re-index: %w", err)
	}
	return job, true, nil
}

// obsoleteIndexes names index keys that exist and that no catalog needs again.
func (v *Vault) obsoleteIndexes(ctx context.Context, t *tenant, cat *catalog.Catalog) (labels []string, err error) {
	keys, err := tenantKeys(ctx, v.store, t.row.ID)
	if err != nil {
		return nil, fmt.Errorf("reading index keys: %w", err)
	}
	for _, k := range keys {
		if x, ok := parseIndexLabel(k.Label); ok && obsolete(cat, x) {
			labels = append(labels, k.Label)
		}
	}
	return labels, nil
}
