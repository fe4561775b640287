package page

import "strconv"

// A ChangeLine is one thing that is different about a use of data.
type ChangeLine struct {
	What ChangeWhat
	// Old and New are what it was and is: words of the catalog, bases, numbers of days (0:
	// without limit), a recipient, or the title of a field, as the kind needs.
	Old, New string
}

// ChangeWhat is a kind of change.
type ChangeWhat string

// The kinds of change. An unknown one is told as revised.
const (
	ChangedTitle        ChangeWhat = "title"
	ChangedText         ChangeWhat = "text"
	ChangedBenefit      ChangeWhat = "benefit"
	ChangedConsequence  ChangeWhat = "consequence"
	ChangedBasis        ChangeWhat = "basis"
	ChangedRecipient    ChangeWhat = "recipient"
	ChangedRetention    ChangeWhat = "retention"
	ChangedRestricted   ChangeWhat = "restricted"
	ChangedMarketing    ChangeWhat = "marketing"
	ChangedSold         ChangeWhat = "sold"
	ChangedField        ChangeWhat = "field"
	ChangedSpecial      ChangeWhat = "special"
	ChangedController   ChangeWhat = "controller"
	ChangedJurisdiction ChangeWhat = "jurisdiction"
	ChangedStorage      ChangeWhat = "storage"
	ChangedElsewhere    ChangeWhat = "elsewhere" // the words in another language
	ChangedRevised      ChangeWhat = "revised"
)

func (w ChangeWhat) key() string {
	return keyOf(w, "change.title", "change.text", "change.benefit", "change.consequence", "change.basis", "change.recipient",
		"change.retention", "change.restricted", "change.marketing", "change.sold", "change.field", "change.special",
		"change.controller", "change.jurisdiction", "change.storage", "change.elsewhere", "change.revised")
}

// change says a change in a sentence.
func (w *words) change(c ChangeLine) (string, error) {
	var err error
	switch c.What {
	case ChangedBasis:
		if c.Old, err = w.text(Basis(c.Old).key()); err != nil {
			return "", err
		}
		if c.New, err = w.text(Basis(c.New).key()); err != nil {
			return "", err
		}
	case ChangedRetention:
		if c.Old, err = w.kept(c.Old); err != nil {
			return "", err
		}
		if c.New, err = w.kept(c.New); err != nil {
			return "", err
		}
	case ChangedTitle, ChangedText, ChangedBenefit, ChangedConsequence, ChangedRecipient, ChangedRestricted, ChangedMarketing, ChangedSold,
		ChangedField, ChangedSpecial, ChangedController, ChangedJurisdiction, ChangedStorage, ChangedElsewhere, ChangedRevised:
	}
	if c.Old == "" {
		c.Old = "–"
	}
	if c.New == "" {
		c.New = "–"
	}
	return w.text(c.What.key(), "old", c.Old, "new", c.New)
}

// kept says for how long something is kept.
func (w *words) kept(days string) (string, error) {
	n, err := strconv.Atoi(days)
	switch {
	case err != nil:
		return days, nil
	case n == 0:
		return w.text("change.no_limit")
	}
	return w.period(n)
}
