package vault_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

const onPostgreSQL = "TestCoreOnPostgreSQL/"

// newPostgres opens a new database.
func newPostgres(t *testing.T) *pgstore.Store {
	t.Helper()
	url := storetest.Postgres(t)
	if err := pgstore.Migrate(t.Context(), url, func(string) {}); err != nil {
		t.Fatal(err)
	}
	s, err := pgstore.Open(t.Context(), pgstore.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// newVault is a vault on SQLite, or on PostgreSQL when the test runs as a part of
// TestCoreOnPostgreSQL.
func newVault(t *testing.T, opts ...vaulttest.Options) *vaulttest.Vault {
	t.Helper()
	var o vaulttest.Options
	if len(opts) > 0 {
		o = opts[0]
	}
	if strings.HasPrefix(t.Name(), onPostgreSQL) {
		o.Store = newPostgres(t)
	}
	return vaulttest.New(t, o)
}

// The core does the same on both stores.
func TestCoreOnPostgreSQL(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"QuestionPaidOnce":          TestAQuestionIsPaidForOnce,
		"AnswerOfItsAsker":          TestAnAnswerIsItsAskers,
		"AnswerFollowsItsFields":    TestAKeptAnswerFollowsItsFields,
		"PaidAndNotAnswered":        TestPaidForAndNotAnswered,
		"RedactedTexts":             TestRedactedTexts,
		"TextWarnings":              TestTextWarnings,
		"Pseudonyms":                TestPseudonymsOfPurposesAndRecipients,
		"APseudonymLives":           TestAPseudonymLivesWhileThePurposeHolds,
		"APseudonymDies":            TestAPseudonymDiesWithThePerson,
		"ResolvingIsOnRecord":       TestResolvingIsOnRecordForEachPerson,
		"PseudonymsStay":            TestPseudonymsStayOverRotations,
		"OnePseudonymKey":           TestTenantsMadeAtOnceHaveOnePseudonymKey,
		"Tokens":                    TestTokensOfEachKind,
		"ATokenShows":               TestATokenShowsWhatTheFieldWould,
		"ATokenEnds":                TestATokenEndsWithTheFieldAndTheRecord,
		"TokensDie":                 TestTokensDieWithThePerson,
		"ASingleUseToken":           TestASingleUseTokenIsUsedOnce,
		"WhatUsesATokenUp":          TestWhatUsesATokenUp,
		"AnExpiringToken":           TestAnExpiringToken,
		"RevokedTokens":             TestRevokedTokens,
		"TokensAreOnRecord":         TestTokensAreOnRecord,
		"TokensStay":                TestTokensStayOverRotations,
		"TokensOfAForm":             TestTokensOfAFormAreDistinct,
		"ATokenInAnotherTenant":     TestATokenInAnotherTenant,
		"ATokenEndsWithTheGroup":    TestATokenEndsWithTheGroup,
		"RetentionRemovesTokens":    TestRetentionRemovesTokens,
		"SingleUseOverAnOldLoad":    TestASingleUseTokenOverAnOldLoad,
		"TokensAtOnce":              TestDeterministicTokensMadeAtOnce,
		"TokensDuringAnErasure":     TestTokensMadeDuringAnErasure,
		"WithdrawalByTheNewest":     TestAWithdrawalGoesByTheNewestCatalog,
		"AHoldKeepsRequests":        TestAHoldKeepsRequests,
		"WhoIsToldIsOnRecord":       TestWhoIsToldOfAPersonIsOnRecord,
		"NoticesAreParsedOnce":      TestNoticesAreParsedOnce,
		"ANoStands":                 TestANoStandsWhateverClocksSay,
		"EvidenceOpens":             TestEvidenceIsSealedWithAKeyThatStands,
		"AStepUnderOneKey":          TestAStepUnderOneKeyIsTakenOnce,
		"RecentAccesses":            TestRecentAccesses,
		"ErasedBefore":              TestErasedBeforeRestsOnWhatStands,
		"RemindersOnce":             TestRemindersAreToldExactlyOnce,
		"RecipientsAreTold":         TestRecipientsAreTold,
		"QuestionAndAnswer":         TestQuestionAndAnswer,
		"ObjectionByRequest":        TestObjectionByRequest,
		"TwoOfficersStepAtOnce":     TestTwoOfficersStepAtOnce,
		"FilingOnce":                TestFilingOnce,
		"RequestsByDeadline":        TestRequestsAreListedByDeadline,
		"ErasureKeepsTheLog":        TestErasureKeepsTheLogOfRequests,
		"UsesAreCounted":            TestUsesOfAKEKAreCounted,
		"OnlyWhoMayBeCounted":       TestOnlyWhoMayBeCountedIs,
		"BudgetsAreNotOverspent":    TestBudgetsAreNeverOverspent,
		"Measures":                  TestMeasures,
		"TablesMeetTheCatalog":      TestATableMeetsWhatTheCatalogAsks,
		"AskingForMore":             TestAskingForMore,
		"OnlyWhoMayBeHandedOn":      TestOnlyWhoMayBeHandedOnIs,
		"OneRowForEachPerson":       TestOneRowForEachPerson,
		"TablesThatNoneMeets":       TestATableThatNoneMeetsIsRefused,
		"WhoMayAskForTables":        TestWhoMayAskForTables,
		"OneTableInAWhile":          TestOneTableInAWhile,
		"TooManyPeople":             TestTooManyPeople,
		"TheSampleIsReleased":       TestTheSampleIsReleased,
		"TheSampleIsCounted":        TestTheSampleIsCounted,
		"WhoMayAskWhat":             TestWhoMayAskWhat,
		"WhoSeesWhat":               TestWhoSeesWhat,
		"ConsentOpensAndWithdrawal": TestConsentOpensAndWithdrawalCloses,
		"NobodySeesAfterErasure":    TestNobodySeesAfterErasure,
		"PutReplacesAndPatchMerges": TestPutReplacesAndPatchMerges,
		"RevisionsGoOnOverDeletion": TestRevisionsGoOnOverDeletion,
		"IfMatch":                   TestIfMatch,
		"Idempotency":               TestIdempotency,
		"CrowdsOfPeople":            TestCrowdsOfNewAndKnownPeople,
		"BatchAnswersEachItem":      TestBatchAnswersEachItem,
		"FiftyFirstWrites":          TestFiftyFirstWritesOfOnePersonMakeOneKey,
		"Hold":                      TestHold,
		"Restriction":               TestRestrictionHidesFromTheNextRead,
		"Search":                    TestSearchNormalisesAndNamesThePerson,
		"SearchPages":               TestSearchPages,
		"SearchNeverShowsAStranger": TestSearchNeverShowsAStranger,
		"MatchesAreBruteForce":      TestMatchesAreThoseOfBruteForce,
		"EntriesFollowTheValues":    TestEntriesFollowTheValues,
		"MatchesEndWithConsent":     TestMatchesEndWithTheConsent,
		"AMaskIsNotWalked":          TestAMaskIsNotWalked,
		"ADeniedCandidateIsNobody":  TestADeniedCandidateIsNobody,
		"TokenOfTheErased":          TestATokenOfTheErasedIsNotTakenBack,
		"PartsAsPeopleWriteThem":    TestPartsAsPeopleWriteThem,
		"ACursorIsOfOneMatch":       TestACursorIsOfOneMatch,
		"NothingInCommon":           TestEntriesOfPlacesHaveNothingInCommon,
		"NoPartIsStored":            TestNoPartOfAValueIsStored,
		"KindsComeAndGo":            TestAnIndexGetsAndLosesKinds,
		"APartialIndex":             TestAPartialIndex,
		"EntriesGoWithTheValue":     TestEntriesGoWithTheValue,
		"CandidatesCountAsRead":     TestCandidatesCountAsRead,
		"EncryptAndDecrypt":         TestEncryptAndDecrypt,
		"ReenrolmentIsAnotherLife":  TestReenrolmentIsAnotherLife,
		"Export":                    TestExport,
		"WithoutTheKEK":             TestWithoutTheKEK,
		"AFirstWriteThatHangs":      TestAFirstWriteThatHangsDelaysNoErasure,
		"AHundredColdPeople":        TestAHundredColdPeopleCostOneUnwrap,
		"WithdrawalShreds":          TestWithdrawalShredsWhatRestsOnConsentAlone,
		"AnOldLoadIsDecidedAgain":   TestAnOldLoadIsDecidedAgain,
		"LifeOfAKEKVersion":         TestLifeOfAKEKVersion,
		"AStoppedProcess":           TestAStoppedProcessStoresNoDeadKey,
		"AStoppedRequest":           TestAStoppedRequestOpensWhatWasMoved,
		"EarlierTransactions":       TestARewrapWaitsForEarlierTransactions,
		"RewrapRacingErasures":      TestRewrapRacingErasuresBringsNothingBack,
		"ARewrapThatIsKilled":       TestARewrapThatIsKilledGoesOn,
		"RotatedDuringARewrap":      TestRotatedDuringARewrap,
		"KeysThatDoNotOpen":         TestKeysThatDoNotOpenAreNotLeftBehind,
		"SystemKEK":                 TestSystemKEK,
		"ExchangeOfAnIndexKey":      TestExchangeOfAnIndexKey,
		"ACursorOutlivesAnExchange": TestACursorOutlivesAnExchange,
		"SearchNeverMisses":         TestSearchNeverMissesDuringAnExchange,
		"AStoppedWrite":             TestAStoppedWriteFollowsTheExchange,
		"EarlierWrites":             TestAReindexWaitsForEarlierTransactions,
		"AStoppedSearch":            TestAStoppedSearchMissesNothing,
		"AReindexThatIsKilled":      TestAReindexThatIsKilledGoesOn,
		"ReindexRacingErasures":     TestAReindexRacingErasuresBringsNothingBack,
		"AnIndexOfAFieldWithValues": TestAnIndexOfAFieldThatHasValues,
		"RecordsThatAreNotIndexed":  TestRecordsThatCannotBeIndexedKeepTheOldKey,
		"AStoppedReindex":           TestAStoppedReindexEndsNoLaterOne,
		"RemovedAfterItsTime":       TestAValueIsRemovedAfterItsTime,
		"AHoldKeeps":                TestAHoldKeepsWhatHasHadItsTime,
		"DuringAPass":               TestWhatHappensDuringAPassCounts,
		"APassThatIsKilled":         TestAPassThatIsKilledGoesOn,
	} {
		t.Run(name, test)
	}
}

// A crossing is a store in which something happens between a write's look at the
// person and the lock on them, once.
type crossing struct {
	*pgstore.Store
	between func()
}

func (c *crossing) Update(ctx context.Context, f func(vault.Tx) error) error {
	return c.Store.Update(ctx, func(tx vault.Tx) error { return f(&crossingTx{tx, c}) })
}

type crossingTx struct {
	vault.Tx
	c *crossing
}

func (t *crossingTx) Subject(ctx context.Context, tenant int32, lookup []byte, lock vault.Lock) (vault.Subject, error) {
	if f := t.c.between; f != nil && lock != vault.NoLock {
		t.c.between = nil
		f()
	}
	return t.Tx.Subject(ctx, tenant, lookup, lock)
}

// I5: a patch that another write of the record has overtaken keeps what that one wrote,
// even under a key that the patch has not seen yet.
func TestAPatchKeepsWhatAnotherWroteMeanwhile(t *testing.T) {
	c := &crossing{Store: newPostgres(t)}
	v := vaulttest.New(t, vaulttest.Options{Store: c, Catalog: consentCatalog, Policy: openPolicy})
	decide(t, v, "c-1", "granted")
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": "old@example.org"})
	patch := func(field, value string) {
		t.Helper()
		w := vault.Write{Subject: "c-1", Collection: "customer", Record: "self", Patch: true, Fields: vaulttest.Values(map[string]string{field: value})}
		if _, err := v.Vault.Put(t.Context(), v.As("app", "support"), w, vault.Idempotency{}); err != nil {
			t.Errorf("patching %s: %v", field, err)
		}
	}
	c.between = func() { patch("taste", "jazz") } // the first value of its group
	patch("email", "new@example.org")
	for purpose, want := range map[accessctl.Purpose][2]string{"support": {"email", "plain: new@example.org"}, "marketing": {"taste", "plain: jazz"}} {
		if got := see(t, v, v.As("app", purpose), "c-1", want[0]); got != want[1] {
			t.Errorf("%s is %q, want %q", want[0], got, want[1])
		}
	}
}

// A tracer lists the statements that reach PostgreSQL.
type tracer struct {
	mu   sync.Mutex
	list []string
}

func (t *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, d.SQL)
	return ctx
}

func (*tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (t *tracer) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.list
	t.list = nil
	return list
}

// A reveal is two statements, the load and the audit append, in no explicit
// transaction, and no call to the key-encryption key when the keys are warm; a
// hundred cold people are one unwrap of a hundred items.
func TestRevealCostsTwoStatements(t *testing.T) {
	url := storetest.Postgres(t)
	if err := pgstore.Migrate(t.Context(), url, func(string) {}); err != nil {
		t.Fatal(err)
	}
	var trace tracer
	s, err := pgstore.Open(t.Context(), pgstore.Config{URL: url, Tracer: &trace})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	v := vaulttest.New(t, vaulttest.Options{Store: s})
	ten := []string{"first_name", "last_name", "company", "address", "city", "state", "country", "postal_code", "phone", "email"}
	fields := map[string]string{
		"first_name": "Luís", "last_name": "Gonçalves", "company": "Embraer", "address": "Av. Brigadeiro Faria Lima, 2170",
		"city": "São José dos Campos", "state": "SP", "country": "Brazil", "postal_code": "12227-000",
		"phone": "+55 (12) 3923-5555", "email": email,
	}
	items := make([]vault.Item, 100)
	for i := range items {
		id := fmt.Sprintf("c-%d", i+1)
		v.Put(t, id, "customer", "self", fields)
		items[i] = vault.Item{Subject: id, Collection: "customer", Record: "self", Fields: ten}
	}
	// Another process: the same store, a cache of its own.
	ring, err := keyring.New(keyring.Config{KEK: v.KEK, Now: v.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ring.Close)
	cold, err := vault.New(t.Context(), vault.Config{Store: s, Ring: ring, Now: v.Clock.Now, NewID: vaulttest.NewID, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name                     string
		items                    []vault.Item
		unwraps, items1, answers int
	}{
		{"one person, cold", items[:1], 1, 1, 10},
		{"one person, warm", items[:1], 0, 0, 10},
		{"a hundred people, cold but one", items, 1, 99, 1000},
		{"a hundred people, warm", items, 0, 0, 1000},
	} {
		trace.take()
		before := v.KEK.Counts()
		out, err := cold.Reveal(t.Context(), v.As("billing", "billing"), tt.items)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for i := range out {
			n += len(out[i].Fields)
		}
		if n != tt.answers {
			t.Errorf("%s: %d answers, want %d", tt.name, n, tt.answers)
		}
		list := trace.take()
		if len(list) != 2 {
			t.Errorf("%s: %d statements, want 2:\n%s", tt.name, len(list), strings.Join(list, "\n---\n"))
		}
		for _, sql := range list {
			if s := strings.ToLower(strings.TrimSpace(sql)); strings.HasPrefix(s, "begin") || strings.HasPrefix(s, "start") || strings.HasPrefix(s, "commit") {
				t.Errorf("%s: an explicit transaction: %s", tt.name, sql)
			}
		}
		after := v.KEK.Counts()
		if calls, got := after.Unwraps-before.Unwraps, after.UnwrapItems-before.UnwrapItems; calls != tt.unwraps || got != tt.items1 {
			t.Errorf("%s: %d unwraps of %d keys, want %d of %d", tt.name, calls, got, tt.unwraps, tt.items1)
		}
	}
}
