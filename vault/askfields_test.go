package vault_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/vault"
)

// TestAKeptAnswerFollowsItsFields: who may no longer use a field of the question sees its
// answer no more, though other fields of the collection are still theirs.
func TestAKeptAnswerFollowsItsFields(t *testing.T) {
	const (
		notSpent   = `forbid (principal in Role::"analyst", action == Action::"aggregate", resource == Field::"customer.spent");`
		notCountry = `forbid (principal in Role::"analyst", action == Action::"aggregate", resource == Field::"customer.country");`
	)
	byCountry := bands()
	byCountry.Measure, byCountry.Field, byCountry.GroupBy = "mean", "spent", []string{"country"}
	uncounted := strings.Replace(statsCatalog, "        spent: {min: 0, max: 10, decimals: 1, bins: 10, band: 5}\n", "", 1)
	for name, tt := range map[string]struct {
		q               vault.AggregateRequest
		policy, catalog string
		want            error
	}{
		"the field that groups":           {bands(), statsPolicy + notSpent, "", vault.ErrDenied},
		"the field that is measured":      {byCountry, statsPolicy + notSpent, "", vault.ErrDenied},
		"one field of two":                {byCountry, statsPolicy + notCountry, "", vault.ErrDenied},
		"another field":                   {bands(), statsPolicy + notCountry, "", nil},
		"a field that counts no more":     {bands(), "", uncounted, vault.ErrDenied},
		"a policy that says the same":     {byCountry, statsPolicy + "\n", "", nil},
		"a catalog that has another text": {byCountry, "", strings.Replace(statsCatalog, "title: Shop", "title: Store", 1), nil},
	} {
		t.Run(name, func(t *testing.T) {
			v := statsVault(t, 5, 5)
			analyst := v.As("analyst", "analytics")
			id, err := v.Ask(t.Context(), analyst, marks(t, v, analyst), tt.q)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.Asked(t.Context(), analyst, id); err != nil {
				t.Fatal(err)
			}
			if tt.policy != "" {
				if _, _, err := v.ApplyPolicy(t.Context(), v.Operator(), []byte(tt.policy), false); err != nil {
					t.Fatal(err)
				}
			}
			if tt.catalog != "" {
				if _, err := v.ApplyCatalog(t.Context(), v.Operator(), []byte(tt.catalog), false); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := v.Asked(t.Context(), analyst, id); !errors.Is(err, tt.want) {
				t.Errorf("it is %v, want %v", err, tt.want)
			}
		})
	}
}
