package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// This file is the part of [Diff] that says what changes for people.

// Told is what changed for people, in parts.
type Told struct {
	What What
	// Language is that of words that are a translation; empty: the catalog's own.
	Language string
	// Old and New are the words, bases, recipients or days, where there are some.
	Old, New string
	// Field is the one that it is about, if it is about one.
	Field *Field
}

// What is a kind of change for people.
type What string

// The kinds of change.
const (
	ToldTitle        What = "title"
	ToldText         What = "text"
	ToldBenefit      What = "benefit"
	ToldConsequence  What = "consequence"
	ToldBasis        What = "basis"
	ToldRecipient    What = "recipient"    // New gets the data as well
	ToldRetention    What = "retention"    // longer, in days; 0: without limit
	ToldRestricted   What = "restricted"   // it opens restricted data
	ToldMarketing    What = "marketing"    // it serves direct marketing
	ToldSold         What = "sold"         // the data are sold or shared
	ToldField        What = "field"        // it is used as well
	ToldSpecial      What = "special"      // it is of a special category now
	ToldController   What = "controller"   // who answers for the data
	ToldJurisdiction What = "jurisdiction" // whose law holds
	ToldStorage      What = "storage"      // where data are stored
	ToldRevised      What = "revised"      // nothing but the version says so
)

func (d *differ) purpose(path string, a, b *Purpose) {
	d.words(path, "", a.Words, b.Words, b.ID)
	d.translations(path, a, b)
	if a.Basis != b.Basis {
		d.tell(Change{Path: path + ".basis", Widens: true, Text: fmt.Sprintf("it rests on %s instead of %s", b.Basis, a.Basis), Told: Told{What: ToldBasis, Old: a.Basis, New: b.Basis}}, b.ID)
	}
	for _, r := range missing(b.Recipients, a.Recipients) {
		d.tell(Change{Path: path + ".recipients", Widens: true, Text: r + " receives the data as well", Told: Told{What: ToldRecipient, New: r}}, b.ID)
	}
	for _, r := range missing(a.Recipients, b.Recipients) {
		d.add(path+".recipients", "%s no longer receives the data", r)
	}
	d.retention(path+".retention", nil, a.Retention, b.Retention, b.ID)
	if a.Expires != b.Expires {
		d.add(path+".expires", "a consent holds %s instead of %s; those that were given keep their time", holds(b.Expires), holds(a.Expires))
	}
	for _, f := range []flag{
		{"despite_restriction", ToldRestricted, a.DespiteRestriction, b.DespiteRestriction, "it opens restricted data", "it no longer opens restricted data"},
		{"direct_marketing", ToldMarketing, a.DirectMarketing, b.DirectMarketing, "it serves direct marketing", "it no longer serves direct marketing"},
		{"sells", ToldSold, a.Sells, b.Sells, "the data are sold or shared", "the data are no longer sold or shared"},
	} {
		d.flag(path, b.ID, f)
	}
	if a.MinAge != b.MinAge {
		d.add(path+".min_age", "people may consent alone from the age of %d instead of %d", b.MinAge, a.MinAge)
	}
	switch {
	case b.Version > a.Version:
		d.tell(Change{Path: path + ".version", Text: fmt.Sprintf("its version rises from %d to %d", a.Version, b.Version), Told: Told{What: ToldRevised}}, b.ID)
	case b.Version < a.Version:
		d.add(path+".version", "its version falls from %d to %d", a.Version, b.Version)
	}
	d.text(path+".review_by", "its review date", a.ReviewBy, b.ReviewBy)
}

func holds(d Days) string {
	if d == 0 {
		return "until it is withdrawn"
	}
	return d.String()
}

// words compares what people read; lang is empty for the catalog's own language.
func (d *differ) words(path, lang string, a, b Words, purpose string) {
	in := ""
	if lang != "" {
		in = " (" + lang + ")"
	}
	for _, w := range []struct{ name, what, a, b string }{
		{"title", "its title", a.Title, b.Title},
		{"text", "what people are told about it", a.Text, b.Text},
		{"benefit", "what people get from it", a.Benefit, b.Benefit},
		{"consequence", "what happens without it", a.Consequence, b.Consequence},
	} {
		if w.a == w.b {
			continue
		}
		d.tell(Change{
			Path: path + "." + w.name, Widens: w.name == "text", Text: fmt.Sprintf("%s%s changes from %q to %q", w.what, in, w.a, w.b),
			Told: Told{What: What(w.name), Language: lang, Old: w.a, New: w.b},
		}, purpose)
	}
}

func (d *differ) translations(path string, a, b *Purpose) {
	langs := slices.Sorted(maps.Keys(b.Translations))
	for _, l := range langs {
		was, ok := a.Translations[l]
		if !ok {
			d.add(path+".translations."+l, "it is told in %s as well", l)
			continue
		}
		d.words(path+".translations."+l, l, was, b.Translations[l], b.ID)
	}
	for _, l := range slices.Sorted(maps.Keys(a.Translations)) {
		if !slices.Contains(langs, l) {
			d.add(path+".translations."+l, "it is no longer told in %s", l)
		}
	}
}

// A flag is something that a purpose does or does not, before and after.
type flag struct {
	name    string
	what    What
	was, is bool
	on, off string // what to say
}

// flag compares what is material when it becomes true.
func (d *differ) flag(path, purpose string, f flag) {
	switch {
	case !f.was && f.is:
		d.tell(Change{Path: path + "." + f.name, Widens: true, Text: f.on, Told: Told{What: f.what}}, purpose)
	case f.was && !f.is:
		d.add(path+"."+f.name, "%s", f.off)
	}
}

// retention compares how long data are kept, for the purposes named: of a purpose, or of
// a field.
func (d *differ) retention(path string, f *Field, a, b Days, purposes ...string) {
	longer := func(format string, args ...any) {
		told := Told{What: ToldRetention, Field: f, Old: strconv.Itoa(int(a)), New: strconv.Itoa(int(b))}
		d.tell(Change{Path: path, Widens: true, Text: fmt.Sprintf(format, args...), Told: told}, purposes...)
	}
	switch {
	case a == b:
	case b == 0:
		longer("data are kept without limit instead of %d days", int(a))
	case a == 0:
		d.add(path, "data are kept for %d days instead of without limit", int(b))
	case b > a:
		longer("data are kept for %d days instead of %d", int(b), int(a))
	default:
		d.add(path, "data are kept for %d days instead of %d: older values expire at once", int(b), int(a))
	}
}

func (d *differ) titles(path string, a, b map[string]string) {
	for _, l := range slices.Sorted(maps.Keys(b)) {
		d.text(path+"."+l, "its title ("+l+")", a[l], b[l])
	}
	for _, l := range slices.Sorted(maps.Keys(a)) {
		if _, ok := b[l]; !ok {
			d.text(path+"."+l, "its title ("+l+")", a[l], "")
		}
	}
}

func (d *differ) classification(path string, a, b *Field) {
	if b.Classification == ClassificationSpecial && a.Classification != ClassificationSpecial {
		text := fmt.Sprintf("its classification changes from %q to %q: consent to use it has to be explicit", a.Classification, b.Classification)
		d.tell(Change{Path: path, Text: text, Told: Told{What: ToldSpecial, Field: b}}, b.Purposes...)
		return
	}
	d.text(path, "its classification", a.Classification, b.Classification)
}

func (d *differ) fields(path string, a, b *Collection) {
	for i := range b.Fields {
		f := &b.Fields[i]
		path := path + ".fields." + f.Name
		old := before(a.fields, a.fieldIDs, f.Name, f.ID)
		if old == nil {
			d.tell(Change{Path: path, Widens: true, Text: fmt.Sprintf("field %s is new: %s, for %s", f.Name, f.Type, strings.Join(f.Purposes, ", ")), Told: Told{What: ToldField, Field: f}}, f.Purposes...)
			if f.Index != nil {
				d.matching(path+".index", nil, f.Index)
			}
			continue
		}
		if old.Name != f.Name {
			d.add(path, "field %s is renamed to %s", old.Name, f.Name)
		}
		d.field(path, old, f)
	}
	for _, f := range a.Fields {
		if before(b.fields, b.fieldIDs, f.Name, f.ID) == nil {
			d.add(path+".fields."+f.Name, "field %s is removed: what is stored of it opens for nobody", f.Name)
		}
	}
}

func (d *differ) field(path string, a, b *Field) {
	d.text(path+".title", "its title", a.Title, b.Title)
	d.text(path+".type", "its type", string(a.Type), string(b.Type))
	d.titles(path+".titles", a.Titles, b.Titles)
	d.classification(path+".classification", a, b)
	for _, p := range missing(b.Purposes, a.Purposes) {
		d.tell(Change{Path: path + ".purposes", Widens: true, Text: fmt.Sprintf("it may be read for %s as well", p), Told: Told{What: ToldField, Field: b}}, p)
	}
	for _, p := range missing(a.Purposes, b.Purposes) {
		d.add(path+".purposes", "it may no longer be read for %s", p)
	}
	d.text(path+".group", "its key group", a.Group, b.Group)
	d.index(path+".index", a, b)
	d.text(path+".mask", "its mask", a.Mask, b.Mask)
	d.text(path+".token", "the form of its tokens", a.Token.String(), b.Token.String())
	d.text(path+".expects", "the personal data expected in it", strings.Join(a.Expects, ", "), strings.Join(b.Expects, ", "))
	d.retention(path+".retention", b, a.Retention, b.Retention, b.Purposes...)
	d.text(path+".region", "its region", a.Region, b.Region)
	d.text(path+".schema", "its schema", string(a.Schema), string(b.Schema))
}
