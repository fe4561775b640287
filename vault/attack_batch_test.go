package vault_test

import (
	"testing"

	"github.com/fieldvault/fieldvault/vault"
)

// I15: a batch that names one record twice has, under one idempotency key, one
// effect an item, and its repetition the same answers.
func TestABatchThatNamesARecordTwiceHasOneEffect(t *testing.T) {
	v := withCustomer(t)
	app := v.As("app", "support")
	a, b := write(map[string]string{"city": "Oslo"}), write(map[string]string{"city": "Rome"})
	a.Patch, b.Patch = true, true
	idem := vault.Idempotency{Key: "k", Request: []byte("r")}
	var first []vault.Written
	for range 2 {
		out, err := v.PutBatch(t.Context(), app, []vault.Write{a, b}, idem)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = out
		}
		for i := range out {
			if out[i].Err != nil || out[i].Created != first[i].Created || out[i].Revision != uint64(i+2) {
				t.Errorf("item %d: %+v, at first %+v", i, out[i], first[i])
			}
		}
	}
	if got := see(t, v, app, "c-1", "city"); got != "plain: Rome" {
		t.Errorf("the record: %q", got)
	}
}
