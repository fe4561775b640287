package vault_test

import (
	"encoding/csv"
	"encoding/json"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// sampleCustomers stores the customers of the sample, who all agree to analytics, and
// gives the country of each by their names.
func sampleCustomers(t *testing.T, v *vaulttest.Vault) map[string]string {
	t.Helper()
	file, err := fs.ReadFile(sample.Files(), "customers.csv")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(file))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) int { return slices.Index(rows[0], name) }
	country := map[string]string{}
	for _, row := range rows[1:] {
		subject, fields := "c-"+row[at("CustomerId")], map[string]json.RawMessage{}
		for field, column := range map[string]string{"country": "Country", "city": "City", "postal_code": "PostalCode"} {
			if value := row[at(column)]; value != "" {
				fields[field], _ = json.Marshal(value)
			}
		}
		w := vault.Write{Subject: subject, Collection: "customer", Record: "self", Fields: fields}
		if _, err := v.Vault.Put(t.Context(), v.As("app", "support"), w, vault.Idempotency{}); err != nil {
			t.Fatal(err)
		}
		decides(t, v, subject, "analytics", "granted")
		country[subject] = row[at("Country")]
	}
	return country
}

// TestTheSampleIsReleased: the 59 customers of the sample make a table of regions, of
// which each has at least five of them; who is erased or withdraws is gone from the next.
func TestTheSampleIsReleased(t *testing.T) {
	v := newVault(t)
	sampleCustomers(t, v)
	q := vault.ReleaseQuery{Collection: "customer", Format: vault.FormatCSV}
	report, rows := releases(t, v, "analytics", q)
	k, _ := meets(t, rows, 3)
	if report.People != 59 || k < 5 || k != report.K || len(rows)-1+report.Suppressed != 59 || report.Suppressed == 0 || float64(report.Suppressed) > 0.15*59 || report.Penalty >= 1 {
		t.Errorf("k %d of %d rows, %+v", k, len(rows)-1, report)
	}
	for i := 1; i <= 10; i++ {
		subject := "c-" + strconv.Itoa(i)
		if i%2 == 0 {
			decides(t, v, subject, "analytics", "withdrawn")
		} else if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: subject, Reason: "asked"}); err != nil {
			t.Fatal(err)
		}
	}
	v.Clock.Advance(30 * 24 * 3600 * 1e9)
	q.Suppression = new(int64)
	report, rows = releases(t, v, "analytics", q)
	if k, _ := meets(t, rows, 3); report.People != 49 || k < 5 || len(rows)-1 != 49 || report.Suppressed != 0 {
		t.Errorf("the second: k %d of %d rows, %+v", k, len(rows)-1, report)
	}
}

// TestTheSampleIsCounted: of the 24 countries the true number of customers is within its
// interval as often as is stated. With noise that is drawn anew each time a right program
// fails once in 10^9 runs.
func TestTheSampleIsCounted(t *testing.T) {
	v := newVault(t)
	truth := map[string]float64{}
	for _, country := range sampleCustomers(t, v) {
		truth[country]++
	}
	asked, missed := 0, 0
	for range 60 {
		out, err := v.Aggregate(t.Context(), v.As("analyst", "analytics"), vault.AggregateRequest{
			Collection: "customer", Measure: "count", GroupBy: []string{"country"}, Epsilon: 150_000,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range out.Groups {
			asked++
			if e := g.Values[0]; truth[g.Key[0]] < e.Low || truth[g.Key[0]] > e.High {
				missed++
			}
		}
	}
	if most := mostMisses(asked, 0.05, 1e-9); missed > most {
		t.Errorf("%d of %d intervals miss, at most %d may", missed, asked, most)
	}
}

// mostMisses is the number that n independent trials, each of which misses with at most
// probability p, exceed with a probability of at most alarm: the Chernoff bound in its
// form with the relative entropy (Hoeffding, 1963, theorem 1).
func mostMisses(n int, p, alarm float64) int {
	for k := int(p*float64(n)) + 1; k < n; k++ {
		q := float64(k) / float64(n)
		if float64(n)*(q*math.Log(q/p)+(1-q)*math.Log((1-q)/(1-p))) >= -math.Log(alarm) {
			return k - 1
		}
	}
	return n
}
