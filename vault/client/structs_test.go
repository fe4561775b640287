package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/client"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// every has a field of each Go type that serves.
type every struct {
	Text   string          `fieldvault:"thing.text"`
	Maybe  *string         `fieldvault:"thing.maybe"`
	Born   time.Time       `fieldvault:"thing.born"`
	Met    *time.Time      `fieldvault:"thing.met,rfc3339"`
	Count  int             `fieldvault:"thing.count"`
	Small  *uint8          `fieldvault:"thing.small,omitempty"`
	Total  float64         `fieldvault:"thing.total"`
	Exact  json.Number     `fieldvault:"thing.exact"`
	Agreed bool            `fieldvault:"thing.agreed"`
	Photo  []byte          `fieldvault:"thing.photo"`
	Extra  json.RawMessage `fieldvault:"thing.extra"`
	Mail   client.Value    `fieldvault:"thing.mail"`
	part
	Other string // no tag: not sent
	Left  string `fieldvault:"-"`
}

type part struct {
	Part string `fieldvault:"thing.part,omitempty"`
}

const thingCatalog = `
title: Things
controller: {name: Example, contact: privacy@example.org}
purposes:
  support: {title: Support, text: Help., benefit: Help., basis: contract, version: 1}
collections:
  thing:
    title: Things
    fields:
      text: {type: text, title: T, purposes: [support]}
      maybe: {type: text, title: T, purposes: [support]}
      born: {type: date, title: T, purposes: [support]}
      met: {type: text, title: T, purposes: [support]}
      count: {type: number, title: T, purposes: [support]}
      small: {type: number, title: T, purposes: [support]}
      total: {type: number, title: T, purposes: [support]}
      exact: {type: number, title: T, purposes: [support]}
      agreed: {type: boolean, title: T, purposes: [support]}
      photo: {type: bytes, title: T, purposes: [support]}
      extra: {type: json, title: T, purposes: [support]}
      mail: {type: email, title: T, purposes: [support]}
      part: {type: text, title: T, purposes: [support]}
`

const thingPolicy = `
permit (principal in Role::"app", action in [Action::"reveal", Action::"write"], resource);
permit (principal in Role::"support", action == Action::"reveal_masked", resource);
permit (principal in Role::"operator", action in [Action::"configure", Action::"inspect"], resource);
permit (principal in Role::"billing", action == Action::"reveal", resource == Field::"thing.text");
`

func things(t *testing.T) func(role, purpose string) *client.Client {
	return serve(t, nil, vaulttest.Options{Catalog: thingCatalog, Policy: thingPolicy})
}

func TestStructsGoThereAndBack(t *testing.T) {
	ctx, as := t.Context(), things(t)
	app := as("app", "support")
	mail, err := client.Plain("luisg@embraer.com.br")
	if err != nil {
		t.Fatal(err)
	}
	maybe, small, met := "perhaps", uint8(7), time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	in := every{
		Text: "a text", Maybe: &maybe, Born: time.Date(1985, 6, 7, 0, 0, 0, 0, time.UTC), Met: &met, Count: -3, Small: &small, Total: 1.98,
		Exact: "12345678901234567890.5", Agreed: true, Photo: []byte{0, 255}, Extra: json.RawMessage(`{"A":[1]}`), Mail: mail,
		part: part{"a part"}, Other: "not sent", Left: "neither",
	}
	if w, err := app.Protect(ctx, "c-1", "one", &in); err != nil || w.Revision != 1 {
		t.Fatal(w, err)
	}
	out := every{Other: "kept", Text: "overwritten"}
	seen, err := app.Reveal(ctx, "c-1", "one", &out)
	if err != nil || seen.Revision != 1 || seen.Fields["text"].View != api.ViewPlain {
		t.Fatal(seen, err)
	}
	want := in
	want.Other, want.Left = "kept", ""
	if d := cmp.Diff(fmt.Sprintf("%+v", flat(want)), fmt.Sprintf("%+v", flat(out))); d != "" {
		t.Error(d)
	}

	// A caller who sees masks gets them as text, and zero where a mask has no place.
	seen, err = as("support", "support").Reveal(ctx, "c-1", "one", &out)
	if err != nil {
		t.Fatal(err)
	}
	if out.Text != "••••" || *out.Maybe != "••••" || !out.Born.IsZero() || out.Count != 0 || out.Photo != nil || out.Extra != nil || out.Exact != "" {
		t.Errorf("%+v", flat(out))
	}
	if out.Mail.View != api.ViewMasked || out.Mail.Text() != "l••••@embraer.com.br" || seen.Fields["born"].View != api.ViewMasked {
		t.Errorf("%+v %+v", out.Mail.Text(), seen)
	}
	if _, err := app.Protect(ctx, "c-1", "one", out); !errors.Is(err, client.ErrMasked) {
		t.Errorf("masks were stored over values: %v", err)
	}
	if err := out.Mail.Decode(new(string)); !errors.Is(err, client.ErrMasked) {
		t.Errorf("got %v", err)
	}

	// Hidden fields are zero, and say why.
	seen, err = as("billing", "support").Reveal(ctx, "c-1", "one", &out)
	if err != nil || out.Maybe != nil || out.Text != "a text" || out.Mail.View != api.ViewHidden || out.Mail.Reason != "policy" || seen.Fields["born"].Reason != "policy" {
		t.Errorf("%+v %+v %v", flat(out), seen, err)
	}

	// Update merges: nil removes, omitempty and a zero Value stay.
	if _, err := app.Update(ctx, "c-1", "one", struct {
		Text  string       `fieldvault:"thing.text,omitempty"`
		Maybe *string      `fieldvault:"thing.maybe"`
		Mail  client.Value `fieldvault:"thing.mail"`
		Count int          `fieldvault:"thing.count"`
	}{Count: 9}); err != nil {
		t.Fatal(err)
	}
	if _, err = app.Reveal(ctx, "c-1", "one", &out); err != nil || out.Text != "a text" || out.Maybe != nil || out.Count != 9 || out.Mail.Text() != "luisg@embraer.com.br" {
		t.Errorf("%+v %v", flat(out), err)
	}
}

// flat spells pointers and Values out, which print neither.
func flat(e every) []any {
	var maybe string
	var met time.Time
	var small uint8
	if e.Maybe != nil {
		maybe = *e.Maybe
	}
	if e.Met != nil {
		met = *e.Met
	}
	if e.Small != nil {
		small = *e.Small
	}
	return []any{e.Text, maybe, e.Born, met, e.Count, small, e.Total, e.Exact, e.Agreed, e.Photo, string(e.Extra), e.Mail.Text(), e.Part, e.Other, e.Left}
}

func TestStructsThatAreNoRecord(t *testing.T) {
	app := things(t)("app", "support")
	for name, v := range map[string]any{
		"nil":           nil,
		"no struct":     7,
		"a nil pointer": (*every)(nil),
		"no tag":        struct{ A string }{},
		"no field": struct {
			A string `fieldvault:"thing"`
		}{},
		"three parts": struct {
			A string `fieldvault:"a.b.c"`
		}{},
		"unknown option": struct {
			A string `fieldvault:"thing.text,omitzero"`
		}{},
		"two collections": struct {
			A string `fieldvault:"thing.text"`
			B string `fieldvault:"other.text"`
		}{},
		"twice": struct {
			A string `fieldvault:"thing.text"`
			B string `fieldvault:"thing.text"`
		}{},
		"not exported": struct {
			a string `fieldvault:"thing.text"`
		}{},
		"a channel": struct {
			A chan int `fieldvault:"thing.text"`
		}{},
		"a map": struct {
			A map[string]int `fieldvault:"thing.extra"`
		}{},
		"two pointers": struct {
			A **string `fieldvault:"thing.text"`
		}{},
		"a time of day": struct {
			A time.Time `fieldvault:"thing.born"`
		}{time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)},
		"no JSON": struct {
			A json.RawMessage `fieldvault:"thing.extra"`
		}{json.RawMessage("{")},
	} {
		if _, err := app.Protect(t.Context(), "c-1", "one", v); !errors.Is(err, client.ErrStruct) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := app.Reveal(t.Context(), "c-1", "one", every{}); !errors.Is(err, client.ErrStruct) {
		t.Errorf("got %v", err)
	}
	if _, err := app.Protect(t.Context(), "c-1", "one", every{Mail: client.Value{View: api.ViewHidden}}); !errors.Is(err, client.ErrMasked) {
		t.Errorf("got %v", err)
	}
	if _, err := app.Protect(t.Context(), "c-1", "one", every{Text: "•••• 4711"}); !errors.Is(err, client.ErrMasked) {
		t.Errorf("got %v", err)
	}
}

// TestRedactedTextsAreNotStored: a struct that came back with marks in the place of what
// its text held does not go over the text; a Value that says it is plain does.
func TestRedactedTextsAreNotStored(t *testing.T) {
	type letter struct {
		Text string       `fieldvault:"thing.text"`
		Mail client.Value `fieldvault:"thing.maybe,omitempty"`
	}
	as := serve(t, nil, vaulttest.Options{Catalog: strings.Replace(thingCatalog, "text: {type: text,", "text: {type: text, mask: redact,", 1), Policy: thingPolicy})
	app, in := as("app", "support"), letter{Text: "Spoke to Nikola Tesla, see nikola@example.net"}
	w, err := app.Protect(t.Context(), "c-1", "one", in)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]api.TextWarning{{Field: "thing.text", Kinds: []string{"e-mail", "name"}}}, w.Warnings); d != "" {
		t.Errorf("warnings (-want +got):\n%s", d)
	}
	var out letter
	if _, err := as("support", "support").Reveal(t.Context(), "c-1", "one", &out); err != nil || out.Text != "Spoke to [name], see [e-mail]" {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := app.Protect(t.Context(), "c-1", "one", out); !errors.Is(err, client.ErrMasked) {
		t.Errorf("a redacted text was stored over the text: %v", err)
	}
	if _, err := app.Update(t.Context(), "c-1", "one", out); !errors.Is(err, client.ErrMasked) {
		t.Errorf("a redacted text was stored over the text: %v", err)
	}
	in = letter{Text: "a [form] for all"}
	if in.Mail, err = client.Plain("Dear [name],"); err != nil {
		t.Fatal(err)
	}
	if _, err := app.Protect(t.Context(), "c-1", "one", in); err != nil {
		t.Error(err)
	}
}

func TestValuesOfAnotherType(t *testing.T) {
	app := things(t)("app", "support")
	if _, err := app.Put(t.Context(), client.Ref{Subject: "c-1", Collection: "thing", Record: "one"}, map[string]any{"text": "kanarienvogel"}); err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{
		&struct {
			A int `fieldvault:"thing.text"`
		}{}, &struct {
			A time.Time `fieldvault:"thing.text"`
		}{}, &struct {
			A bool `fieldvault:"thing.text"`
		}{},
	} {
		if _, err := app.Reveal(t.Context(), "c-1", "one", v); !errors.Is(err, client.ErrStruct) || strings.Contains(err.Error(), "kanarienvogel") {
			t.Errorf("got %v", err)
		}
	}
}

func TestValueDoesNotPrint(t *testing.T) {
	v, err := client.Plain("kanarienvogel")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	slog.New(slog.NewJSONHandler(&b, nil)).InfoContext(t.Context(), "x", "v", v)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&b, verb, v)
		fmt.Fprintf(&b, verb, struct{ V client.Value }{v})
	}
	if strings.Contains(b.String(), "kanarien") || strings.Contains(b.String(), fmt.Sprintf("%x", "kanarien")) {
		t.Errorf("printed: %s", b.String())
	}
	if v.Text() != "kanarienvogel" {
		t.Error("no text")
	}
}
