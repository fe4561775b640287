package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/vault/failpoint"
)

// JobRewrap is the kind of the jobs that [Vault.RewrapStep] does.
const JobRewrap = "rewrap"

// What an event of ActionKeys says was done.
const (
	codeRotate = "rotate"
	codeRewrap = "rewrap"
	codeRetire = "retire"
	codeTrim   = "trim"
)

// A KeyReader reads the versions of key-encryption keys, as every node may.
type KeyReader interface {
	// Status is that of [KeyAdmin].
	Status(ctx context.Context, key string) (KeyVersions, error)
}

// A KeyError says why a version of a key-encryption key cannot be retired or
// trimmed now, or the key of an index exchanged or used, and what to do. It is an
// ErrConflict.
type KeyError struct {
	Why, Next string // in words; no names but those of keys and of the catalog
}

// Error is why, and what next.
func (e *KeyError) Error() string { return e.Why + "; " + e.Next }

// Unwrap returns ErrConflict.
func (e *KeyError) Unwrap() error { return ErrConflict }

// KEKStatus is how one key-encryption key stands.
type KEKStatus struct {
	Key string // the tenant's name, or keyring.System
	KeyVersions
	// Epoch is the lowest version under which the database takes new wraps.
	Epoch int
	// Wraps says how much each version wraps that wraps anything, by version.
	Wraps []KEKWraps
	// Uses says how often each version that stands was used that was ever used, by
	// version: see [MaxUses].
	Uses []KEKUse
	// Warning says, in words, that the version in use was used often, and what to do;
	// "" while it was not.
	Warning string
	// Rewrap is the latest job that moves keys to the latest version; nil if none
	// is on record.
	Rewrap *Job
}

// KEKWraps is how much one version of a key-encryption key wraps.
type KEKWraps struct {
	Version int
	People  int64 // data keys of people
	Own     int64 // keys of the tenant itself: lookup, cursor, MAC, index, signing
}

// A kek names a key-encryption key and the row whose keys it wraps.
type kek struct {
	row  int32
	name string
}

// KeyStatus says how the tenant's key-encryption key and the system's stand. It
// needs the action keys, and leaves no event: it is about no person, and changes
// nothing, but for the notes on which versions stand. The numbers are counted, in time proportional to the keys of the tenant.
func (v *Vault) KeyStatus(ctx context.Context, c accessctl.Caller, keys KeyReader) ([]KEKStatus, error) {
	t, _, err := v.permitKeys(ctx, c)
	if err != nil {
		return nil, err
	}
	var out []KEKStatus
	for _, k := range []kek{{t.row.ID, t.row.Name}, {SystemTenant, keyring.System}} {
		s := KEKStatus{Key: k.name}
		if s.KeyVersions, err = v.lookAt(ctx, keys, k); err != nil {
			return nil, err
		}
		if err := v.countWraps(ctx, k, &s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// countWraps fills in what the database says.
func (v *Vault) countWraps(ctx context.Context, k kek, s *KEKStatus) error {
	var people, own map[int32]int64
	var list []Job
	var lives []KeyLife
	err := v.store.View(ctx, func(tx Tx) (err error) {
		if people, own, err = tx.CountKeys(ctx, k.row); err != nil {
			return err
		}
		if lives, err = tx.KeyLives(ctx, k.row); err != nil {
			return err
		}
		list, err = tx.Jobs(ctx, k.row, MaxItems)
		return err
	})
	if err != nil {
		return fmt.Errorf("counting keys: %w", err)
	}
	if s.Epoch, err = v.epoch(ctx, k); err != nil {
		return err
	}
	current := inUse(k.name, lives)
	s.Warning = current.warning()
	for i := range lives {
		if l := &lives[i]; l.Key == LifeKEK && l.Uses > 0 && int(l.Version) >= s.MinAvailable {
			s.Uses = append(s.Uses, KEKUse{Key: k.name, Version: int(l.Version), Uses: l.Uses})
		}
	}
	versions := maps.Clone(people)
	maps.Copy(versions, own)
	for _, n := range slices.Sorted(maps.Keys(versions)) {
		s.Wraps = append(s.Wraps, KEKWraps{Version: int(n), People: people[n], Own: own[n]})
	}
	if i := slices.IndexFunc(list, func(j Job) bool { return j.Kind == JobRewrap }); i >= 0 {
		s.Rewrap = &list[i]
	}
	return nil
}

// epoch reads the lowest version under which wraps are taken.
func (v *Vault) epoch(ctx context.Context, k kek) (int, error) {
	l, err := v.store.LoadForReveal(ctx, LoadQuery{Tenant: k.row})
	if err != nil {
		return 0, fmt.Errorf("reading the epoch of a key-encryption key: %w", err)
	}
	return int(l.KEKEpoch), nil
}

// RotateKEK adds a version to a key-encryption key, under which everything is
// wrapped from then on, and asks for a job that moves what was wrapped before. key is
// the tenant's name or, for an operator at the machine, keyring.System; any other is
// ErrDenied. Reads and writes go on all the while.
//
// The event is durable before the key store is asked. After an error, [Vault.KeyStatus]
// tells whether there is a new version; [Vault.RewrapKEK] asks for the job alone.
func (v *Vault) RotateKEK(ctx context.Context, c accessctl.Caller, admin KeyAdmin, key string) (version int, job Job, err error) {
	t, s, k, err := v.permitKEK(ctx, c, key)
	if err != nil {
		return 0, Job{}, err
	}
	var asked time.Time
	err = v.onKEK(ctx, t, v.keyEvent(t, s, c, codeRotate, k, 0), func() (err error) {
		failpoint.Hit("rotate-recorded")
		asked = v.now() // before: nothing was wrapped under the new version then
		version, err = admin.Rotate(ctx, k.name)
		return keyStore("rotating a key-encryption key", err)
	})
	if err != nil {
		return 0, Job{}, err
	}
	failpoint.Hit("rotate-rotated")
	v.noteCreated(ctx, k, version, asked)
	job, err = v.enqueueRewrap(ctx, c, k)
	return version, job, err
}

// RewrapKEK asks for the job that moves everything to the latest version of a
// key-encryption key, or returns the one that is under way. key is as in
// [Vault.RotateKEK]. It is for when such a job failed, and its cause was repaired.
func (v *Vault) RewrapKEK(ctx context.Context, c accessctl.Caller, key string) (Job, error) {
	t, s, k, err := v.permitKEK(ctx, c, key)
	if err != nil {
		return Job{}, err
	}
	if err := v.record(ctx, t, v.keyEvent(t, s, c, codeRewrap, k, 0)); err != nil {
		return Job{}, err
	}
	return v.enqueueRewrap(ctx, c, k)
}

func (v *Vault) enqueueRewrap(ctx context.Context, c accessctl.Caller, k kek) (job Job, err error) {
	j := Job{
		ID: v.newID(), Tenant: k.row, Kind: JobRewrap, State: JobQueued, Params: json.RawMessage(`{}`),
		By: c.Actor(), Created: v.now(), Updated: v.now(),
	}
	err = v.store.Update(ctx, func(tx Tx) error {
		job, _, err = tx.InsertJob(ctx, j)
		return err
	})
	if err != nil {
		return Job{}, fmt.Errorf("asking for a rewrap: %w", err)
	}
	return job, nil
}

// RetireKEK takes every version of a key-encryption key below the latest to which
// all was moved out of use, and returns that one: what is below opens no more.
// It can be taken back at the key store, until the versions are trimmed. key is as in
// [Vault.RotateKEK].
//
// It refuses with a *KeyError while a rewrap runs, and unless every wrapped key is
// counted and none is below. Backups of the database from before can then be used
// only after it was taken back.
func (v *Vault) RetireKEK(ctx context.Context, c accessctl.Caller, admin KeyAdmin, key string) (version int, err error) {
	t, s, k, err := v.permitKEK(ctx, c, key)
	if err != nil {
		return 0, err
	}
	st, err := v.lookAt(ctx, admin, k)
	if err != nil {
		return 0, err
	}
	if version, err = v.epoch(ctx, k); err != nil {
		return 0, err
	}
	if err := v.mayRetire(ctx, k, st, version); err != nil {
		return 0, err
	}
	return version, v.onKEK(ctx, t, v.keyEvent(t, s, c, codeRetire, k, version), func() error {
		// What may wrap first: a wrap made from here on is not below. Then again the
		// proof, for one that was made before and stored meanwhile.
		if err := admin.SetMinimum(ctx, k.name, st.MinDecrypt, version); err != nil {
			return keyStore("setting what a key-encryption key may wrap with", err)
		}
		failpoint.Hit("retire-between")
		if err := v.proveNoneBelow(ctx, k, version, st.Latest); err != nil {
			return err
		}
		err := admin.SetMinimum(ctx, k.name, version, version)
		failpoint.Hit("retire-set")
		return keyStore("setting what a key-encryption key opens", err)
	})
}

func (v *Vault) mayRetire(ctx context.Context, k kek, st KeyVersions, version int) error {
	if version <= st.MinDecrypt {
		return &KeyError{
			Why:  fmt.Sprintf("no version from %d on is out of use: what the versions wrap was not moved since the last retirement", st.MinDecrypt),
			Next: "rotate the key, and wait until its rewrap is done",
		}
	}
	var list []Job
	err := v.store.View(ctx, func(tx Tx) (err error) {
		list, err = tx.Jobs(ctx, k.row, MaxItems)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading jobs: %w", err)
	}
	for i := range list {
		if list[i].Kind == JobRewrap && (list[i].State == JobQueued || list[i].State == JobRunning) {
			return &KeyError{Why: "a rewrap is under way", Next: "wait until it is done"}
		}
	}
	return v.proveNoneBelow(ctx, k, version, st.Latest)
}

// TrimKEK destroys every retired version of a key-encryption key, for ever, and
// returns the lowest that remains. Whatever was wrapped under them, in any backup, is
// dead with them: the erased, and the living of a backup from before their rewrap.
// key is as in [Vault.RotateKEK].
//
// It refuses with a *KeyError unless the versions were retired (let some time pass
// after that: a retirement can be taken back, this cannot), the database takes no
// wrap under them, and every wrapped key is counted again and none is below.
func (v *Vault) TrimKEK(ctx context.Context, c accessctl.Caller, admin KeyAdmin, key string) (version int, err error) {
	t, s, k, err := v.permitKEK(ctx, c, key)
	if err != nil {
		return 0, err
	}
	st, err := v.lookAt(ctx, admin, k)
	if err != nil {
		return 0, err
	}
	epoch, err := v.epoch(ctx, k)
	if err != nil {
		return 0, err
	}
	version = st.MinDecrypt
	switch {
	case version <= st.MinAvailable:
		return 0, &KeyError{Why: "no version is retired that still exists", Next: "rotate, wait until the rewrap is done, retire, and let some time pass"}
	case st.MinEncrypt < version:
		return 0, &KeyError{Why: "the key store may still wrap under versions that are to be destroyed", Next: "retire them first"}
	case epoch < version:
		return 0, &KeyError{
			Why:  fmt.Sprintf("the database takes wraps under versions from %d on, and %d is the lowest that opens", epoch, version),
			Next: "lower the minimum at the key store again, run a rewrap, wait until it is done, and retire",
		}
	}
	if err := v.proveNoneBelow(ctx, k, version, st.Latest); err != nil {
		return 0, err
	}
	err = v.onKEK(ctx, t, v.keyEvent(t, s, c, codeTrim, k, version), func() error {
		failpoint.Hit("trim-recorded")
		err := admin.Trim(ctx, k.name, version)
		failpoint.Hit("trim-trimmed")
		return keyStore("trimming a key-encryption key", err)
	})
	if err != nil {
		return version, err
	}
	if err := v.noteVersions(context.WithoutCancel(ctx), k, version, nil, time.Time{}); err != nil {
		v.log.WarnContext(ctx, "that versions of a key-encryption key are destroyed could not be noted; `fieldvault keys status` does", "key", k.name, "error", err)
	}
	return version, nil
}

// proveNoneBelow waits until every transaction that began before has ended, then
// counts every wrapped key there is: none may be below the version, nor above the
// latest, which nobody can have made.
func (v *Vault) proveNoneBelow(ctx context.Context, k kek, version, latest int) error {
	if err := v.settle(ctx); err != nil {
		return err
	}
	s := KEKStatus{Key: k.name}
	if err := v.countWraps(ctx, k, &s); err != nil {
		return err
	}
	var people, own int64
	for _, w := range s.Wraps {
		if w.Version > latest {
			return &KeyError{Why: "keys are on record under a version that does not exist", Next: "run `fieldvault fsck`: the database was changed outside the service"}
		}
		if w.Version < version {
			people, own = people+w.People, own+w.Own
		}
	}
	if people+own > 0 {
		return &KeyError{
			Why:  fmt.Sprintf("%d keys of people and %d of the tenant itself are wrapped under versions below %d", people, own, version),
			Next: "run a rewrap and wait until it is done",
		}
	}
	return nil
}

// settle waits for the transactions that have begun.
func (v *Vault) settle(ctx context.Context) error {
	s, ok := v.store.(Settler)
	if !ok {
		return errors.New("this store cannot wait for transactions")
	}
	if err := s.Settle(ctx); err != nil {
		return fmt.Errorf("waiting for earlier transactions: %w", err)
	}
	return nil
}

// permitKeys decides the action keys. An operator at the machine may act for a
// tenant that is not open here: the keeper may not open its keys.
func (v *Vault) permitKeys(ctx context.Context, c accessctl.Caller) (*tenant, *settings, error) {
	t, s, err := v.permitService(ctx, c, accessctl.ActionKeys)
	if err == nil || !isLocal(c) || !errors.Is(err, ErrUnavailable) {
		return t, s, err
	}
	var rows []Tenant
	verr := v.store.View(ctx, func(tx Tx) (err error) {
		rows, err = tx.Tenants(ctx)
		return err
	})
	if verr != nil {
		return nil, nil, verr
	}
	i := slices.IndexFunc(rows, func(r Tenant) bool { return r.Name == c.Tenant })
	if i < 0 {
		return nil, nil, err
	}
	return &tenant{row: rows[i]}, nil, nil
}

// permitKEK decides the action keys on one key-encryption key.
func (v *Vault) permitKEK(ctx context.Context, c accessctl.Caller, key string) (*tenant, *settings, kek, error) {
	t, s, err := v.permitKeys(ctx, c)
	if err != nil {
		return nil, nil, kek{}, err
	}
	switch {
	case key == t.row.Name:
		return t, s, kek{t.row.ID, t.row.Name}, nil
	case key == keyring.System && isLocal(c):
		return t, s, kek{SystemTenant, keyring.System}, nil
	}
	e := v.event(t, s, c, accessctl.ActionKeys)
	e.Outcome, e.Code = audit.Denied, codePolicy
	if err := v.record(ctx, t, e); err != nil {
		return nil, nil, kek{}, err
	}
	return nil, nil, kek{}, ErrDenied
}

// keyEvent says what is done to which key, up to which version; 0: to all.
func (v *Vault) keyEvent(t *tenant, s *settings, c accessctl.Caller, code string, k kek, version int) audit.Event {
	e := v.event(t, s, c, accessctl.ActionKeys)
	e.Code, e.Subject = code, []audit.Attr{{Key: "key", Value: k.name}}
	if version > 0 {
		e.Subject = append(e.Subject, audit.Attr{Key: "version", Value: strconv.Itoa(version)})
	}
	return e
}

// onKEK changes a key-encryption key after the event is durable. If that fails, a
// second event says so.
func (v *Vault) onKEK(ctx context.Context, t *tenant, e audit.Event, change func() error) error {
	if err := v.record(ctx, t, e); err != nil {
		return err
	}
	err := change()
	if err == nil {
		return nil
	}
	failed := e
	failed.ID, failed.Time, failed.Outcome, failed.Refers = v.eventID(t), v.now(), audit.Failed, e.ID
	return errors.Join(err, v.record(context.WithoutCancel(ctx), t, failed))
}

// keyStore wraps an error of a key store: what it says is for operators.
func keyStore(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
}
