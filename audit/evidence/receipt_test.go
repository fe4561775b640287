package evidence_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/audit/evidence"
)

// TestReceiptsOfTheFormerType: what was signed as v1 verifies, and is not mixed with v2.
func TestReceiptsOfTheFormerType(t *testing.T) {
	for _, name := range []string{"receipt.json", "receipt-withdrawn.json"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		r, _, err := evidence.OpenReceipt(b, signer(t).Public())
		if err != nil || r.Type != "fieldvault/consent-receipt/v1" || r.Processing.Purposes[0].CollectionMethod != "portal" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if _, err := signer(t).Sign(r); !errors.Is(err, evidence.ErrDocument) {
			t.Errorf("%s signed again: %v", name, err)
		}
	}
}

func TestValidityOfADecision(t *testing.T) {
	for _, c := range []struct {
		held time.Duration
		want string
	}{
		{0, "until the next decision"},
		{30 * 24 * time.Hour, "P30D"},
		{400 * 24 * time.Hour, "P400D"},
		{time.Hour, "PT3600S"},
		{24*time.Hour + time.Microsecond, "PT86400.000001S"},
	} {
		r := receipt()
		r.Events[0].ValidUntil = time.Time{}
		if c.held > 0 {
			r.Events[0].ValidUntil = when.Add(c.held)
		}
		sign(t, r)
		if got := r.Events[0].Validity; got != c.want {
			t.Errorf("held %v: %s, want %s", c.held, got, c.want)
		}
	}
}
