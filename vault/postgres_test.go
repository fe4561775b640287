package vault_test

import (
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

const onPostgreSQL = "TestCoreOnPostgreSQL/"

// newVault is a vault on SQLite, or on PostgreSQL when the test runs as a part of
// TestCoreOnPostgreSQL.
func newVault(t *testing.T, opts ...vaulttest.Options) *vaulttest.Vault {
	t.Helper()
	var o vaulttest.Options
	if len(opts) > 0 {
		o = opts[0]
	}
	if strings.HasPrefix(t.Name(), onPostgreSQL) {
		url := storetest.Postgres(t)
		if err := pgstore.Migrate(t.Context(), url, func(string) {}); err != nil {
			t.Fatal(err)
		}
		s, err := pgstore.Open(t.Context(), pgstore.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		o.Store = s
	}
	return vaulttest.New(t, o)
}

// The core does the same on both stores.
func TestCoreOnPostgreSQL(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"WhoSeesWhat":               TestWhoSeesWhat,
		"ConsentOpensAndWithdrawal": TestConsentOpensAndWithdrawalCloses,
		"NobodySeesAfterErasure":    TestNobodySeesAfterErasure,
		"PutReplacesAndPatchMerges": TestPutReplacesAndPatchMerges,
		"RevisionsGoOnOverDeletion": TestRevisionsGoOnOverDeletion,
		"IfMatch":                   TestIfMatch,
		"Idempotency":               TestIdempotency,
		"BatchAnswersEachItem":      TestBatchAnswersEachItem,
		"FiftyFirstWrites":          TestFiftyFirstWritesOfOnePersonMakeOneKey,
		"Hold":                      TestHold,
		"Restriction":               TestRestrictionHidesFromTheNextRead,
		"Search":                    TestSearchNormalisesAndNamesThePerson,
		"SearchPages":               TestSearchPages,
		"SearchNeverShowsAStranger": TestSearchNeverShowsAStranger,
		"EncryptAndDecrypt":         TestEncryptAndDecrypt,
		"ReenrolmentIsAnotherLife":  TestReenrolmentIsAnotherLife,
		"Export":                    TestExport,
		"WithoutTheKEK":             TestWithoutTheKEK,
		"AFirstWriteThatHangs":      TestAFirstWriteThatHangsDelaysNoErasure,
		"AHundredColdPeople":        TestAHundredColdPeopleCostOneUnwrap,
		"AnOldLoadIsDecidedAgain":   TestAnOldLoadIsDecidedAgain,
	} {
		t.Run(name, test)
	}
}
