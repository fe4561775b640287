// Package report says what the log tells about people: to the authority and to
// the people concerned after a breach ([Breach], GDPR Art. 33 and 34), and to one
// person who asks who used their data ([History], Art. 15).
//
// It is pure: it reads events that its caller takes from a verified log, and writes
// to an io.Writer that its caller gives. Events hold no personal data, so there is
// none in a report: a person is a uid, a field a number of the catalog, which
// [Names] turns into words. Actors are free text of whoever issues tokens; every
// writer here escapes them.
//
// # Which events mean that something left the service
//
// An event of outcome allowed is durable before anything is opened: it announces a
// release. It counts by what it says of a field:
//
//   - A plain view: the value was shown ([Plain]). Whatever the action: reveal,
//     decrypt, or one that a later version has.
//   - A masked view: part of the value was shown ([Masked]). It counts only if the
//     query asks for it, and always apart from the others. A redacted text is the
//     exception: in a breach it counts as plain, for most of it was shown.
//   - The action search and a hidden view without a reason: the person was a
//     candidate for the value that the caller searched for ([Found]). The caller
//     knew the value and learnt whose it is, so this counts although no value was
//     shown. A candidate that turned out to have another value, which index
//     collisions are planned to bring about, was not shown; the log does not
//     tell them apart, so all candidates count.
//   - The actions list, export and consent_read: what is held of the person was
//     shown without values: the names of records ([Records]), the manifest
//     ([Manifest]), the person's decisions ([Decisions]). The values of an export
//     have events of their own, of the action reveal.
//
// Every other event shows nothing: denied and failed ones, hidden views with a
// reason, statistics, pseudonyms, writes, erasures, keys. A usage report lists
// statistics and pseudonyms all the same ([Counted], [Pseudonyms]): what they need is
// not unused. That a refusal may tell a caller that a person
// exists is not counted.
//
// More releases may be announced than happened: a request that took too long
// decides and announces again, a batch that grew too large announces what it then
// leaves out. Such announcements count: the log cannot prove that nothing left.
//
// # Announced, not released
//
// A failed event that refers to another follows up an announcement. How much it
// takes back depends on what failed:
//
//   - Code "unavailable": the keys could not be had, and the request ended before
//     any value was opened. All that the event announced is listed apart, as
//     announced and not released.
//   - Any other code ("integrity"): at least one value did not open. There is one
//     follow-up for a person, however many values of theirs failed, and the others
//     were delivered. A caller can bring this about, by adding one spoilt
//     ciphertext to a batch. So the announcement still counts in full, and its rows
//     say so under "partial". Only if a single value was announced is it certain
//     that nothing was released.
//
// A follow-up counts only for the person, actor and purpose of its announcement. One
// that is not in what was scanned takes nothing back. Wherever the log leaves
// something open the report errs towards "was shown": the figures are upper
// bounds, and who is not in them was not shown by this service within the
// window, as far as the log was scanned.
//
// # What the report cannot say
//
// A person has a new uid after each erasure, so one human being may count as two.
// A person erased since cannot be named any more. "Values" counts fields of
// records shown, each time they are shown: it is no count of distinct records.
// Whoever got at the database, a backup or a key, and not at the service, left no
// event here.
//
// # Forms
//
// [Report.WriteJSON] is the whole report: version 1, members as the fields of
// [Report] are tagged, lists in the order that their fields document, the same
// bytes for the same events in whatever order they were seen. [Report.WriteCSV] is
// its rows, by RFC 4180. [Report.WriteDraft] is a draft of the notification, in
// Markdown.
package report
