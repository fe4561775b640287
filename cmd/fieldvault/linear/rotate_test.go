//go:build e2e

package linear_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
	"github.com/fieldvault/fieldvault/vault"
)

// turns counts what became of key-encryption keys during a load.
type turns struct {
	rotations int
	rewraps   int   // jobs of the nodes that ended
	moved     int64 // keys, by those jobs
	trims     int   // each after its retirement
}

func (k turns) String() string {
	return fmt.Sprintf("%d rotations, %d rewraps of %d keys, %d trims", k.rotations, k.rewraps, k.moved, k.trims)
}

// turn gives the tenant's key-encryption key, or the service's own, one version after
// the other with the keeper's rights, as an operator would: rotate, wait for the rewrap
// that a node does, retire, trim. No version outlives its turn by more than a moment.
func (l *load) turn(t *testing.T, d *dice) {
	t.Helper()
	db, err := sql.Open("pgx", l.c.database)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	for !l.done() {
		var of []string
		if d.chance(15) {
			of = []string{"--system"}
		}
		if err := l.turnOnce(t, db, of); err != nil {
			t.Errorf("a rotation, after %s: %v", l.keys, err)
			return
		}
		time.Sleep(d.between(0, time.Second))
	}
}

func (l *load) turnOnce(t *testing.T, db *sql.DB, of []string) error {
	t.Helper()
	job, err := l.c.keeps(t, append([]string{"rotate"}, of...)...)
	if err != nil {
		return err
	}
	l.keys.rotations++
	moved, err := await(t.Context(), db, job)
	if err != nil {
		return err
	}
	l.keys.rewraps++
	l.keys.moved += moved
	for _, verb := range [][]string{{"retire"}, {"trim", "--yes"}} {
		if _, err := l.c.keeps(t, append(verb, of...)...); err != nil {
			return err
		}
	}
	l.keys.trims++
	return nil
}

// await waits until a node has done a rewrap, and says how many keys it moved. The
// lease of a node that was killed has to end first.
func await(ctx context.Context, db *sql.DB, job string) (moved int64, err error) {
	for deadline := time.Now().Add(2 * processtest.Patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		var state int16
		var note string
		if err := db.QueryRowContext(ctx, `SELECT state, done, note FROM job WHERE id = $1`, job).Scan(&state, &moved, &note); err != nil {
			return 0, err
		}
		switch state {
		case vault.JobDone:
			return moved, nil
		case vault.JobFailed:
			return 0, errors.New("the rewrap failed: " + note)
		}
	}
	return 0, errors.New("the rewrap does not end")
}

// keeps runs a verb on keys with the keeper's rights, and says which job it names.
func (c *cluster) keeps(t *testing.T, args ...string) (job string, err error) {
	t.Helper()
	p := c.program.Launch(t, nil, append([]string{"keys"}, append(args, "--json", "--config", c.config("keeper"))...)...)
	code := p.Wait()
	said := string(p.Output())
	c.keep(p)
	if code != 0 {
		return "", fmt.Errorf("fieldvault keys %s: code %d\n%s", strings.Join(args, " "), code, said)
	}
	for line := range strings.Lines(said) {
		var made struct {
			Version int
			Job     string
		}
		if json.Unmarshal([]byte(line), &made) == nil && made.Version > 0 {
			job = made.Job
		}
	}
	return job, nil
}
