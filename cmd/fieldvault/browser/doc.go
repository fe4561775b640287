// Package browser walks a person's control panel in a real browser, as the person:
// Chromium, driven over its own protocol, on a real `fieldvault dev`. It holds only
// tests.
//
// # The cases
//
// Each walk is one person from their first link to their erasure. What the panel says
// is compared with what callers get over HTTP at that moment. The cases, in order, with
// the promise of the product that each is for:
//
//   - W01 a link signs in after one button; in a second browser it is used up
//   - W02 the overview shows all that is held, as billing sees it, and what each is for (1)
//   - W03 each use is told with its text, basis, recipients and retention, as the catalog
//     that is enforced has them (1), with the fields that it opens and its date of review
//     (3), and with its benefit beside its switch (11)
//   - W04 one act consents, and marketing reads; one act withdraws, and marketing does not;
//     withdrawing takes no more acts than consenting (2); the receipt verifies
//   - W05 a wrong value is refused in words, a right one is stored (7)
//   - W06 the copy, as JSON and as CSV, holds what is held (7)
//   - W07 a pause hides the data from billing until it ends (7)
//   - W08 who has read the data, and for what, is told (7)
//   - W09 rights are explained, and a question is filed (9)
//   - W10 a browser that sends Sec-GPC ends a sale, and sees that it did (10)
//   - W11 one changed word of a purpose closes it, is told, and is decided on again (12)
//   - W12 erasure: what will happen, a tick, a pause in which the button does nothing, a
//     certificate that verifies; then no session, no link and no data is left (7)
//
// The walk is done with a mouse in English at a desk's width, with nothing but the
// keyboard, and in German at a phone's width without scripts. TestForm is the consent form
// in a page of another origin; TestSignIn goes to a provider of identities on another site,
// and comes back.
//
// On every page that is reached axe finds no fault, nothing scrolls sideways, and the
// console stays silent, which a refusal by the Content-Security-Policy would break.
//
// # Running it
//
// The tests need Chromium and run where the thorough ones do:
//
//	go test -tags e2e ./cmd/fieldvault/browser
//	go test -tags e2e ./cmd/fieldvault/browser -run 'TestWalk/mouse' -screenshots=DIR
//
// The second puts a picture of each view into DIR, at the widths of a phone and a desk, in
// light and dark.
package browser
