// Package catalog says which personal data may exist, of what type, and what
// for: collections, their fields, the purposes fields may be read for, and the
// key groups they live and die with.
//
// # The source
//
// A catalog is written in YAML and parsed strictly: unknown keys, anchors,
// aliases, tags, merge keys and second documents are refused, and [Parse]
// reports every problem at once, each with its line and path.
//
//	title: Example shop                  # required
//	controller:
//	  name: Example Ltd                  # required, as is contact
//	  contact: privacy@example.org
//	  address: 1 Example Street, Example # for receipts, as are the next two
//	  jurisdiction: EU
//	  storage_locations: [Ireland]
//	approval: {by: Data protection officer, on: 2026-11-01}
//	language: en                         # of the texts; default: en
//	region: DE                           # for phones without +
//	groups:                              # key groups beside default and identity
//	  newsletter: {title: Newsletter}
//	purposes:
//	  support:
//	    title: Customer support          # required, as are text, benefit, basis
//	    text: We look up your order when you ask for help.
//	    benefit: You are helped without having to repeat yourself.
//	    consequence: We may not find your order. # of a no
//	    translations:
//	      de: {title: Hilfe, text: Wir suchen Ihre Bestellung., benefit: Ihnen wird geholfen.}
//	    basis: contract                  # GDPR Art. 6(1)
//	    recipients: [Example Helpdesk]
//	    retention: P2Y                   # days, or years, months, weeks, days
//	    expires: P2Y                     # how long a consent holds
//	    despite_restriction: false       # GDPR Art. 18(2)
//	    direct_marketing: false          # GDPR Art. 21(2)
//	    sells: false                     # data are sold or shared: people may opt out
//	    min_age: 16                      # GDPR Art. 8
//	    version: 1
//	    review_by: 2027-06-30
//	collections:
//	  customer:
//	    title: Customers
//	    renamed_from: client             # keeps the ids
//	    fields:
//	      email:
//	        type: email
//	        title: E-mail address
//	        titles: {de: E-Mail-Adresse} # collections have titles, too
//	        classification: contact      # default: personal
//	        purposes: [support]
//	        group: default
//	        index: {kind: equality, bits: 64, version: 2} # version: raise it to exchange the key; see Searches
//	        mask: email                  # default: the type's own
//	        retention: 730
//	        token: {alphabet: alnum, length: 20, keep: 0} # of a text; see Tokens
//	        renamed_from: mail
//	      tax_id:
//	        type: national_id
//	        purposes: [support]
//	        region: ES                   # check digits of this country
//	      note:
//	        type: text
//	        purposes: [support]
//	        mask: redact                 # of type text only; see Free text
//	        expects: [name, phone]       # of type text only; see Free text
//	      preferences:
//	        type: json
//	        purposes: [support]
//	        schema: {type: object}       # JSON Schema, for type json only
//	    statistics:                      # without it, none are made: see Statistics
//	      records: 12                    # of one person, counted at most; default: 1
//	      groups: 4                      # that one person is in at most; default: 1
//	      budgets:                       # by purpose, for ever
//	        research: {epsilon: 4, delta: 0.000001, min_people: 10}
//	      fields:                        # others are in no statistic
//	        points: {min: 0, max: 1000, decimals: 2, bins: 20, band: 100}
//	        born: {min: 1930-01-01, max: 2010-12-31, bins: 8, period: year}
//	        country: {values: [Chile, Norway]}
//	        postcode: {prefix: 2}
//	        member: {}                     # a boolean
//	    releases:                        # without it, no table is: see Releases
//	      purposes:                      # what a table for it meets, at the least
//	        research: {every: P30D, k: 10, l: 2, t: 0.4, max_suppression: 0.05}
//	      quasi_identifiers:             # others are in no table
//	        born: {periods: [month, year, decade], finest: 1}  # 0 is the day itself
//	        country: {tree: {Americas: [Chile], Europe: {North: [Norway]}}}
//	        postcode: {prefixes: [3, 1]}
//	      sensitive:                     # handed on as they are
//	        points: {distance: ordered}  # or equal, the default, or hierarchical
//
// Names of collections, fields, purposes and groups match
// [a-z][a-z0-9_]{0,62}. The purpose "self" and the group "identity" are
// reserved.
//
// # Consent and keys
//
// A field whose purposes all rest on consent has a key group of its own, so
// that consent gates the key itself and withdrawal can destroy it. All fields
// of such a group list the same purposes, because a key that is destroyed when
// one purpose ends must not open data for another. Parse refuses a catalog
// that breaks this.
//
// # Terms
//
// What people are told about a purpose are its terms. [Diff] says which changes are
// material, and [Catalog.Assign] notes in [Purpose.Since] from which version of the
// catalog on the terms are what they are: a consent to older terms opens nothing.
// [Catalog.Notice] writes the terms as text, from which the hash in a receipt is made.
//
// # Ids
//
// Bindings, index keys and packed records use small integer ids, never names.
// [Catalog.Assign] gives them when a catalog is applied: a rename keeps them,
// and the id of something that was removed is never given again. Field ids
// count from 1 within their collection.
//
// # Values
//
// [Field.Encode] checks a JSON value and gives the bytes that are sealed. They
// are what was given, byte for byte, except that a number takes its canonical
// decimal form (1.50 is 1.5), JSON loses insignificant white space, and bytes
// are decoded from base64. [Field.AppendJSON] is the way back,
// [Field.Normalise] gives what is indexed and compared in a search, and
// [Field.MaskValue] what a caller who may not see the value sees:
//
//	type         accepts                         search compares             mask
//	email        name@example.org                case-folded, domain ASCII   l••••@example.org
//	phone        +49 711 1234567, or by region   E.164                       •••• 4567
//	name         text on one line                NFKC, case-folded, spaces   L••••
//	date         2006-01-02                      the same                    2006
//	address      text                            as name                     ••••
//	national_id  4 to 32 letters and digits      upper case, no separators   •••• 123
//	iban         mod 97                          upper case, no separators   DE •••• 3000
//	card         Luhn                            digits                      •••• 4242
//	text         text                            NFC, case-folded            ••••
//	number       JSON number, 64 digits          canonical decimal           ••••
//	boolean      true, false                     the same                    ••••
//	json         any JSON, or by schema          canonical white space       ••••
//	bytes        base64                          the bytes                   ••••
//
// A text may have the masks of a name and of numbers, too, or redact.
//
// # Searches
//
// An index of the kind equality finds whole values. Beside it, or with the kind partial
// without it, a field declares what else it is found by:
//
//	index: {kind: equality, prefix: {min: 3, max: 8, bits: 24}, ngrams: {n: 3, bits: 16}}
//	index: {kind: partial, range: {low: 0, high: 1000, width: 50, bits: 32}} # of a number
//	index: {kind: partial, range: {by: month}}                               # of a date
//
// The numbers are the defaults of prefix, ngrams and bits. prefix and ngrams are for email,
// phone, name, address and text. [Field.Terms] are what a value is indexed by, [Sought] what a search looks
// for; both are of normalised values, so that what holds is never missed. Each kind tells
// a thief of the database something that equality does not: [Catalog.Leaks] says it.
//
// # Free text
//
// In what people write as text there may be personal data that nobody asked for. Package
// freetext finds some of it, of the kinds of [TextKinds], with the telephone numbers of
// the catalog's region. It serves twice, and both times misses what has no form of its own.
//
// On writing, an answer warns of the kinds that a field of type text holds and does not
// announce. expects announces them, "any" alone announces all. The value is stored.
//
// On reading, a field with the mask redact is shown masked as its text with [phone] in the
// place of a phone, and so on for every kind, announced or not. Everything else of the text is
// seen, and so is what was not found: a name that is on no list, an address, what the text says.
// That is why redact is never a default. It is for texts that a role could not do its work
// without; who must not see the text gets full. One request redacts at most 2 MiB of text.
//
// # Tokens
//
// A field may say which form the tokens have that applications keep in place of its value:
// the characters of an alphabet (digits, lower, upper, letters, lower_alnum, upper_alnum,
// alnum) that are replaced, a length if it is not the value's, and how many of the value's
// last characters are kept, at most four. Parse refuses what allows fewer than a million
// tokens. Without it a field has tokens of no particular form.
//
// A mask hides at least four characters of what it shows an end of, and shows
// nothing of a value too short for that. No error of this package contains a
// value.
//
// # Concurrency
//
// A Catalog that came from Parse, Assign or Unmarshal is never changed again
// by this package and may be read by any number of goroutines. Callers must
// not change it either.
package catalog
