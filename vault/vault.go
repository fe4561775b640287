// Package vault keeps personal data: it seals every field value, and opens one
// only for a caller whom policy and consent allow, after an audit event that
// says so is durable.
//
// Every operation is one method of [Vault], and every method does the same four
// things:
//
//	load    the person, keys, record and consents, in one statement
//	decide  by policy and consent, in memory
//	apply   seal, open, find or erase
//	record  commit data and event together, or the event alone when nothing is written
//
// # What holds
//
//   - No plaintext leaves before its audit event is committed (I10).
//   - A denied operation commits its event and nothing else.
//   - Plaintext exists only in a [secret.Bytes], and never in a [Store].
//   - A Store decides nothing; a transport holds no rule.
//   - No call to the key-encryption key stands inside a transaction: an erasure
//     would wait for it behind the row lock (I16).
//   - The row that [Store.LoadForReveal] reads is the fence. The cache of opened
//     keys never decides whether a person lives (I1).
//
// # The life of a person
//
// A person is a row of the directory, found by a keyed hash of the external id.
// The first write makes it live, with a random uid; everything else joins by
// that uid. [Vault.Erase] destroys the wrapped keys and sets the row to erased in
// one transaction: that commit is the erasure. What is left is swept later; it
// is invisible at once, because no live person has the uid. [Vault.Reenrol]
// opens the next generation, with another uid.
//
// # Answers
//
// A role without the action gets [ErrDenied] before any look-up. A caller who,
// by policy and assuming a live, consenting person, would get at least a masked
// view of one requested field may know of the person, and gets the truth:
// values, [ErrNotFound], [ErrGone] or [ErrIntegrity]. Everybody else always gets
// [ErrNotFound], alike for absent, erased, foreign and corrupt.
//
// # Errors
//
// Besides what its comment names, a method that takes a caller can return
// [ErrDenied] (also for a tenant that does not exist), an [InvalidError] that names
// the parts of the input that break a rule, [ErrTooLarge] for what is over a limit,
// and [ErrUnavailable]. After the last nothing was released, but what was to be
// written may have been: repeat it, under its idempotency key where it has one.
// An error that is none of this package's is internal.
package vault

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/watch"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/vault/erasure"
	"github.com/fieldvault/fieldvault/vault/ledger"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// A Config says what a Vault is made of.
type Config struct {
	// Store keeps the rows. Required; closed by its owner, not by the Vault.
	Store Store
	// Ring opens and makes keys. Required.
	Ring *keyring.Ring
	// Now is the clock. Required.
	Now func() time.Time
	// NewID makes uids and event ids. Required; random beyond guessing, and not of version 8.
	NewID func() uuid.UUID
	// Logger gets what operators must know, never a value or an external id. Required.
	Logger *slog.Logger
	// MaxLoadAge is how old a loaded decision may be when plaintext leaves;
	// beyond it the request loads and decides again. Default 5 s.
	MaxLoadAge time.Duration
	// SweepEvery is how often Run sweeps what erasures left. Default 5 s.
	SweepEvery time.Duration
	// Ledger keeps erasures outside the database. Optional: without one a restore
	// of the database brings the erased back, and certificates say so.
	Ledger Ledger
	// Breaker says how much may be erased before a second person has to agree.
	Breaker erasure.Limits
	// Deletions is how many records one principal may delete within the breaker's
	// window before a second person has to agree. Default 1,000; negative: any number.
	Deletions int64
	// Horizon is how long backups live on, for certificates. Zero: nothing is promised.
	Horizon erasure.Settings
	// Keys reads the versions of key-encryption keys, for [Vault.Run] to notice those
	// that were destroyed past the service. Optional.
	Keys KeyReader
	// Log says how audit logs are kept.
	Log LogConfig
	// ReadLimit bounds how many people one principal is shown. Zero: any number.
	ReadLimit ReadLimit
	// Rights says by which rules people's requests are dealt with.
	Rights RightsConfig
	// Busy says whether requests are under way here, to which background work should
	// leave room: steps are shorter then, and longer than usual when none are. Optional.
	Busy func() bool
	// Expired is told of each value that retention removes how long after its time that
	// was. Optional.
	Expired func(late time.Duration)
	// Noise is where the randomness of statistics comes from; it is read by several
	// requests at once. Default: crypto/rand.
	Noise io.Reader
}

// A Vault is the service's core. It is safe for concurrent use. Make one with [New].
type Vault struct {
	store    Store
	ring     *keyring.Ring
	now      func() time.Time
	tick     func() time.Time // the clock as it came, for time that has passed
	newID    func() uuid.UUID
	log      *slog.Logger
	maxAge   time.Duration
	sweepGap time.Duration
	signer   signerSlot
	unclean  atomic.Bool // bytes that were destroyed may stand in the store's files

	ledger    Ledger       // nil: none
	reader    LedgerReader // nil: none, or another process watches it
	known     ledger.Index
	gate      gate
	limits    erasure.Limits
	deletions int64
	horizon   erasure.Settings
	keys      KeyReader                // nil: none
	uses      atomic.Pointer[[]KEKUse] // as of the last look
	origin    string                   // of checkpoints
	sequencer *trail.Sequencer         // nil: another process sequences
	readLimit ReadLimit
	reads     *watch.Meter // people whom principals were shown
	watched   bool         // somebody is told what is in the log
	bait      honeySet
	expired   func(late time.Duration) // nil: nobody is told
	busy      func() bool              // nil: nobody says
	noise     io.Reader                // of statistics
	rights    RightsConfig
	notices   noticeCache
	detectors detectors
	justDone  []chan justDone // by recipient: requests of which it is told at once

	requestStats atomic.Pointer[RequestStats]

	mu      sync.RWMutex
	tenants map[string]*tenant // by name; keys opened and pinned
	closed  map[string]string  // tenants that could not be opened, and why in our words
	probed  time.Time          // when an unknown tenant was last looked for
	hands   map[int32]*rewrapHand
}

// New opens every tenant's lookup, index, cursor and signing keys and pins
// them, so that on a node that has started no look-up, erasure or withdrawal
// needs the key-encryption key. Tenants that cannot be opened now are named by
// [Vault.Ready] and tried again by [Vault.Run]. It fails if cfg has a gap or the
// store cannot be read.
func New(ctx context.Context, cfg Config) (*Vault, error) {
	switch {
	case cfg.Store == nil:
		return nil, errors.New("vault: Config.Store is required")
	case cfg.Ring == nil:
		return nil, errors.New("vault: Config.Ring is required")
	case cfg.Now == nil:
		return nil, errors.New("vault: Config.Now is required")
	case cfg.NewID == nil:
		return nil, errors.New("vault: Config.NewID is required")
	case cfg.NewID().Version() == keepersVersion:
		return nil, errors.New("vault: Config.NewID makes ids of version 8, which are those of keepers' events")
	case cfg.Logger == nil:
		return nil, errors.New("vault: Config.Logger is required")
	}
	v := &Vault{
		store:    seedStore(cfg.Store),
		ring:     cfg.Ring,
		now:      func() time.Time { return cfg.Now().UTC().Truncate(time.Microsecond) },
		tick:     cfg.Now,
		newID:    cfg.NewID,
		log:      cfg.Logger,
		maxAge:   orDefault(cfg.MaxLoadAge, 5*time.Second),
		sweepGap: orDefault(cfg.SweepEvery, 5*time.Second),
		tenants:  map[string]*tenant{},
		closed:   map[string]string{},
		ledger:   cfg.Ledger,
		limits:   cfg.Breaker, deletions: cfg.Deletions,
		horizon: cfg.Horizon, keys: cfg.Keys, origin: cfg.Log.Origin, readLimit: cfg.ReadLimit,
		watched: cfg.Log.Seen != nil, expired: cfg.Expired, busy: cfg.Busy,
		noise: orRandom(cfg.Noise),
	}
	if v.rights = cfg.Rights; v.rights.Rules.Regime == "" {
		v.rights.Rules = rights.Default(rights.GDPR)
	}
	for range v.rights.Recipients {
		v.justDone = append(v.justDone, make(chan justDone, sweepRows))
	}
	if err := v.rights.Rules.Check(); err != nil {
		return nil, fmt.Errorf("vault: Config.Rights: %w", err)
	}
	var err error
	if v.reads, err = newReadMeter(cfg.ReadLimit); err != nil {
		return nil, err
	}
	if v.sequencer, err = v.newSequencer(cfg.Log, cfg.NewID()); err != nil {
		return nil, err
	}
	v.reader, _ = cfg.Ledger.(LedgerReader)
	v.unclean.Store(true) // an earlier process may have left some
	if err := v.openTenants(ctx); err != nil {
		return nil, fmt.Errorf("opening tenants: %w", err)
	}
	if err := v.follow(ctx); err != nil {
		return nil, err
	}
	return v, nil
}

// old says whether what was loaded at the instant began is too old for plaintext
// to leave on its strength. A clock that went back makes it so.
func (v *Vault) old(began time.Time) bool {
	age := v.tick().Sub(began)
	return age < 0 || age > v.maxAge
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// Run grows the audit logs, follows the ledger, reminds of requests' deadlines and tells
// recipients of what was done, sweeps what erasures left behind, opens tenants that came
// later or could not be opened, and watches how often key-encryption keys are used
// and which of their versions stand, until ctx ends. It returns nil then.
func (v *Vault) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { v.runLedger(ctx) })
	wg.Go(func() { v.runNews(ctx) })
	wg.Go(func() { v.runLogs(ctx) })
	wg.Go(func() { v.runUses(ctx) })
	wg.Go(func() { v.runObserve(ctx) })
	wg.Go(func() { v.runRights(ctx) })
	tick := time.NewTicker(v.sweepGap)
	defer tick.Stop()
	for {
		if err := v.openTenants(ctx); err != nil && ctx.Err() == nil {
			v.log.WarnContext(ctx, "tenants could not be read; trying again", "every", v.sweepGap)
		}
		if _, err := v.Sweep(ctx); err != nil && ctx.Err() == nil {
			v.log.WarnContext(ctx, "the sweep after erasures did not finish; trying again", "every", v.sweepGap, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// runLedger tells the ledger what waits for it, and takes in what others told it.
func (v *Vault) runLedger(ctx context.Context) {
	if v.ledger == nil {
		return
	}
	tick := time.NewTicker(ledgerEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			v.leave(ctx)
			return
		case <-tick.C:
		}
		if err := errors.Join(v.drain(ctx), v.follow(ctx)); err != nil && ctx.Err() == nil {
			v.log.WarnContext(ctx, "the ledger could not be followed; trying again", "every", ledgerEvery, "error", err)
		}
	}
}

// leave tells the ledger what waits, and notes how far the database reflects it,
// before the process ends.
func (v *Vault) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
	defer cancel()
	if err := errors.Join(v.drain(ctx), v.follow(ctx)); err != nil {
		v.log.WarnContext(ctx, "the ledger could not be followed to the end; the next start goes on", "error", err)
	}
}

// leaveWithin bounds how long leave holds up the end of the process.
const leaveWithin = 3 * time.Second

// Close is for a process that does not [Vault.Run]: it tells the ledger what waits,
// and notes how far the database reflects it.
func (v *Vault) Close(ctx context.Context) {
	if v.reader != nil {
		v.leave(ctx)
	}
}

// VerifierKey is the public key that checks certificates and receipts of this
// service, or nil while its private half is not open.
func (v *Vault) VerifierKey() ed25519.PublicKey {
	s := v.signer.get()
	if s == nil {
		return nil
	}
	return s.Public()
}

// Ready says, part by part, whether the service can do its work. The database
// always has a line; the signing key and tenants have one only while something is
// wrong with them, and key-encryption keys only when they should be rotated. It asks
// the database and nobody else.
func (v *Vault) Ready(ctx context.Context) []Check {
	db := Check{Name: "database", OK: true}
	if err := v.store.Ping(ctx); err != nil {
		db.OK, db.Note = false, "the database does not answer, is a read-only copy, or needs `fieldvault migrate`"
	}
	checks := []Check{db}
	if v.signer.get() == nil {
		checks = append(checks, Check{Name: "signing key", Note: "not open: the key-encryption key did not answer, or `fieldvault migrate` has not run"})
	}
	if v.reader != nil {
		c := v.gate.seen.Load()
		line := Check{Name: "ledger", OK: c.open(), Note: whySilent}
		if c != nil {
			line.Note = c.why
		}
		checks = append(checks, line)
	}
	checks = append(checks, v.usesChecks()...)
	checks = append(checks, v.logChecks()...)
	checks = append(checks, v.retentionCheck()...)
	v.mu.RLock()
	defer v.mu.RUnlock()
	for name, why := range v.closed {
		checks = append(checks, Check{Name: "tenant " + name, Note: why})
	}
	for name, t := range v.tenants {
		if t.settings.Load() == nil {
			checks = append(checks, Check{Name: "tenant " + name, Note: "has no catalog or no policy yet: apply both"})
		}
	}
	if len(v.tenants)+len(v.closed) == 0 {
		checks = append(checks, Check{Name: "tenants", Note: "there is none: run `fieldvault tenant create`"})
	}
	return checks
}
