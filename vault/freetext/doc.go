// Package freetext finds personal data in text that people wrote, by rules that can be
// explained: check digits, numbering plans, lists of names, and words that stand before. It learns
// nothing, so the same text always gives the same findings.
//
// # What is found
//
//	Email       an address, with the rules of package catalog
//	Phone       an international number, or one of the region given that is written like one
//	            (0711 123456, (202) 555-0143) or that a word such as "Tel." stands before
//	Card        a number of a known issuer, with its length and check digit
//	IBAN        with its check digits and the length of its country
//	NationalID  those that package catalog can check. One digit of check is too little: what has
//	            no more (DE, NL, PL, SE) and no form of its own needs a word such as
//	            "Steuer-ID" before it
//	IPAddress   IPv4 and IPv6, but those of the machine itself and those after "version"
//	BirthDate   a date with a word such as "born" or "geb." near it
//	Name        a salutation and a name, a given and a family name, or a name given to New
//
// # What is not
//
// A given name or a family name alone, an address, a postcode, a date that no such word is near, and
// whatever identifies a person without a form of its own: what they did, where they work. Findings
// are a warning and a help in masking; no text is free of personal data because Find is silent.
//
// # Where precision is weak
//
//   - Names: a word that follows a given name and begins in upper case counts as a family name
//     though no list has it, which in German, where nouns do too, takes a noun for one. Family names
//     that are words ("Frau Sommer") need the salutation or the given name. Streets, firms
//     and places called after people are found as people, but for those called after a saint
//     ("São José dos Campos"): whose name follows such a word is missed.
//   - National ids of the US and of Great Britain have no check digit, so a number of that form
//     is taken for one.
//   - One number in ten passes the check of a card; only the issuer's digits and the length
//     speak beside it.
//   - An IPv4 address and a version of four parts look alike.
//
// How it does is measured on sentences in English and German (testdata, TestPrecisionAndRecall). On
// 60 that were written after the rules, all of what has check digits or a form of its own was found
// and nothing else taken for it; of dates of birth 5 of 7; of names 18 of 27, with one wrong: those not
// written in upper and lower case, of a given name that the list lacks, and of a given name that
// is a word too ("Rosa", "Max") before a family name that it lacks.
//
// Confidence says how much a rule is worth, by the rule and not by the text.
//
// # Work
//
// Find takes time in proportion to the length of the text: whatever a rule looks at around a place
// is bounded. No error and no log holds the text: there are none.
package freetext
