package vault_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/rights"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// reminded keeps what was reminded of.
type reminded struct {
	mu   sync.Mutex
	told []string
}

func (r *reminded) take(_ context.Context, _ string, m rights.Reminder, kind rights.Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, string(m.Kind)+" "+string(kind))
}

// Each reminder is told exactly once, whichever process looks, over restarts, and however
// long nobody looked.
func TestRemindersAreToldExactlyOnce(t *testing.T) {
	var r reminded
	v := requestVault(t, vaulttest.Options{Rights: vault.RightsConfig{Reminded: r.take}})
	n := v.Node(t, nil)
	files(t, v.Vault, v.Person("c-1", ""), vault.Filed{Kind: rights.Access})
	looks := func(nodes ...*vault.Vault) {
		t.Helper()
		var wg sync.WaitGroup
		for _, node := range nodes {
			wg.Go(func() {
				if err := node.Remind(context.WithoutCancel(t.Context())); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	for range 40 {
		looks(v.Vault, n, v.Vault, v.Node(t, nil))
		v.Clock.Advance(day)
	}
	if want := []string{"due_soon access", "due_soon access", "overdue access"}; !slices.Equal(r.told, want) {
		t.Errorf("%q, want %q", r.told, want)
	}
	if s := v.RequestStats(); s.Open != 1 || s.Overdue != 1 {
		t.Errorf("%+v", s)
	}
	r.told = nil
	late := files(t, v.Vault, v.As("dpo", ""), vault.Filed{Kind: rights.Access, Received: v.Clock.Now().Add(-90 * day)})
	looks(n)
	looks(v.Vault)
	if want := []string{"overdue access"}; !slices.Equal(r.told, want) {
		t.Errorf("a letter that was found late: %q, want %q", r.told, want)
	}
	steps(t, v.Vault, v.As("dpo", ""), late.ID, rights.Step{Do: rights.Cancel})
	v.Clock.Advance(400 * day)
	looks(n)
	if len(r.told) != 1 {
		t.Errorf("reminded of what has ended: %q", r.told)
	}
}

// A recipient fails until it is mended, and keeps what it was told.
type recipient struct {
	mu     sync.Mutex
	broken bool
	told   []string
}

func (r *recipient) tell(_ context.Context, id string, body []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken {
		return errors.New("broken")
	}
	var n vault.Notification
	if err := json.Unmarshal(body, &n); err != nil || n.V != 1 || n.Kind != "request_done" || n.Request.String() != id || n.Done.IsZero() {
		return errors.New("no notification")
	}
	r.told = append(r.told, string(n.RequestKind)+" "+n.Subject)
	return nil
}

// GDPR Art. 19: recipients are told of what was done, each once, tried until it works, and
// the outcome stands with the request.
func TestRecipientsAreTold(t *testing.T) {
	plain, named := &recipient{broken: true}, &recipient{}
	v := requestVault(t, vaulttest.Options{Rights: vault.RightsConfig{Recipients: []vault.Recipient{
		{Name: "printer", Tell: plain.tell}, {Name: "carrier", Subject: true, Tell: named.tell},
	}}})
	n := v.Node(t, nil)
	me, dpo := v.Person("c-1", ""), v.As("dpo", "")
	q := files(t, v.Vault, me, vault.Filed{Kind: rights.Rectification})
	other := files(t, v.Vault, me, vault.Filed{Kind: rights.Access})
	refused := files(t, v.Vault, me, vault.Filed{Kind: rights.Rectification})
	steps(t, v.Vault, dpo, q.ID, rights.Step{Do: rights.Complete})
	steps(t, v.Vault, dpo, other.ID, rights.Step{Do: rights.Complete})
	steps(t, v.Vault, dpo, refused.ID, rights.Step{Do: rights.Refuse, Reason: rights.Accurate, Told: true})
	look := func() {
		t.Helper()
		for _, node := range []*vault.Vault{v.Vault, n} {
			if err := node.Remind(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	look()
	if len(named.told) != 0 {
		t.Errorf("told before their turn: %q", named.told)
	}
	v.Clock.Advance(time.Minute)
	look()
	plain.broken = false
	v.Clock.Advance(time.Second)
	look()
	if len(plain.told) != 0 || !slices.Equal(named.told, []string{"rectification c-1"}) {
		t.Errorf("%q, %q", plain.told, named.told)
	}
	v.Clock.Advance(time.Minute)
	look()
	if !slices.Equal(plain.told, []string{"rectification "}) {
		t.Errorf("%q", plain.told)
	}
	got, err := v.Request(t.Context(), dpo, q.ID)
	if err != nil || len(got.Told) != 2 || got.Told[0].At.IsZero() || got.Told[1].At.IsZero() || got.Told[0].Tries != 2 {
		t.Errorf("%+v, %v", got.Told, err)
	}
	v.Clock.Advance(100 * day)
	look()
	if len(plain.told)+len(named.told) != 2 {
		t.Errorf("told again: %q, %q", plain.told, named.told)
	}
}

// I10: that a recipient comes to know who a person is stands in the log, and in what the
// person is shown, from the commit on that ends the request; before anything is sent.
func TestWhoIsToldOfAPersonIsOnRecord(t *testing.T) {
	named, bare := &recipient{}, &recipient{}
	v := requestVault(t, vaulttest.Options{Rights: vault.RightsConfig{Recipients: []vault.Recipient{
		{Name: "bare", Tell: bare.tell}, {Name: "Große Post", Subject: true, Tell: named.tell},
	}}})
	me, dpo := v.Person("c-1", ""), v.As("dpo", "")
	told := func() (list []string) {
		t.Helper()
		if _, err := v.Sequence(t.Context()); err != nil {
			t.Fatal(err)
		}
		page, err := v.AccessHistory(t.Context(), me, "c-1", 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Entries {
			if e := &page.Entries[i]; e.Action == "tell" {
				list = append(list, e.Recipient+": "+e.What)
			}
		}
		return list
	}
	q := files(t, v.Vault, me, vault.Filed{Kind: rights.Rectification})
	access := files(t, v.Vault, me, vault.Filed{Kind: rights.Access})
	steps(t, v.Vault, dpo, access.ID, rights.Step{Do: rights.Complete})
	if got := told(); len(got) != 0 {
		t.Errorf("nobody is told yet: %q", got)
	}
	steps(t, v.Vault, dpo, q.ID, rights.Step{Do: rights.Complete})
	want := []string{"Gro_e_Post: stayed closed; we told somebody who has data of yours which person a request was about"}
	if got := told(); !slices.Equal(got, want) || len(named.told)+len(bare.told) != 0 {
		t.Errorf("%q, want %q", got, want)
	}

	erasure := files(t, v.Vault, me, vault.Filed{Kind: rights.Erasure})
	if _, err := v.Erase(t.Context(), dpo, vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	page, err := v.LogEntries(t.Context(), v.As("operator", ""), vault.LogQuery{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range page.Entries {
		if bytes.Contains(e.Leaf, []byte("tell")) && bytes.Contains(e.Leaf, []byte(erasure.ID.String())) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d events say that a recipient is told of the erasure, want 1", n)
	}
}

// A recipient that does not answer delays no other, and no reminder.
func TestADeadRecipientDelaysNobody(t *testing.T) {
	told, reminded := make(chan string, 100), make(chan rights.Kind, 100)
	v := requestVault(t, vaulttest.Options{Rights: vault.RightsConfig{
		Reminded: func(_ context.Context, _ string, _ rights.Reminder, k rights.Kind) { reminded <- k },
		Recipients: []vault.Recipient{
			{Name: "dead", Tell: func(ctx context.Context, _ string, _ []byte) error { <-ctx.Done(); return ctx.Err() }},
			{Name: "alive", Tell: func(_ context.Context, id string, _ []byte) error { told <- id; return nil }},
		},
	}})
	me, dpo := v.Person("c-1", ""), v.As("dpo", "")
	before := files(t, v.Vault, me, vault.Filed{Kind: rights.Rectification})
	steps(t, v.Vault, dpo, before.ID, rights.Step{Do: rights.Complete})
	v.Clock.Advance(time.Hour)
	files(t, v.Vault, me, vault.Filed{Kind: rights.Access})
	v.Clock.Advance(40 * day)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- v.Run(ctx) }()
	await(t, "the reminder", reminded)
	if id := await(t, "the recipient that answers", told); id != before.ID.String() {
		t.Errorf("told of %s, want %s", id, before.ID)
	}
	after := files(t, v.Vault, me, vault.Filed{Kind: rights.Rectification})
	steps(t, v.Vault, dpo, after.ID, rights.Step{Do: rights.Complete})
	if id := await(t, "the recipient that answers, at once", told); id != after.ID.String() {
		t.Errorf("told of %s, want %s", id, after.ID)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// await is what comes, or the end of the test.
func await[T any](t *testing.T, what string, c <-chan T) (got T) {
	t.Helper()
	select {
	case got = <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: nothing comes", what)
	}
	return got
}

// The process that erased a person tells at once whom it was about; nothing of it is
// stored, and one that never answers is given up.
func TestRecipientsAreToldOfAnErasure(t *testing.T) {
	named, dead := &recipient{}, &recipient{broken: true}
	v := requestVault(t, vaulttest.Options{Rights: vault.RightsConfig{Recipients: []vault.Recipient{
		{Name: "carrier", Subject: true, Tell: named.tell}, {Name: "dead", Tell: dead.tell},
	}}})
	q := files(t, v.Vault, v.Person("c-1", ""), vault.Filed{Kind: rights.Erasure})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- v.Run(ctx) }()
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if got, err := v.Request(t.Context(), v.As("dpo", ""), q.ID); err == nil && len(got.Told) > 0 && !got.Told[0].At.IsZero() {
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := strings.Join(named.told, ","); got != "erasure c-1" {
		t.Errorf("told: %q", got)
	}
	for range 60 {
		v.Clock.Advance(6 * time.Hour)
		if err := v.Remind(t.Context()); err != nil {
			t.Error(err)
		}
	}
	got, err := v.Request(t.Context(), v.As("dpo", ""), q.ID)
	if err != nil || !got.Told[1].At.IsZero() || !got.Told[1].Next.IsZero() || got.Told[1].Tries != 36 {
		t.Errorf("%+v, %v", got.Told, err)
	}
	v.Clock.Advance(40 * 31 * day)
	sweepAnd(t, v, 0)
}
