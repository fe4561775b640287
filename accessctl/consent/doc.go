// Package consent is what people agreed to: decisions as events, what they
// permit now, and the bytes that protect them against change.
//
// An [Event] is one decision of one person on one purpose: granted, refused,
// withdrawn, objected or, by the controller, overruled. Events are only ever appended, one purpose at a time, and the order
// in which they were recorded is what counts, never their times: clocks differ.
// The last event of a purpose is in force; [Event.State] says what it permits.
// Only a granted and unexpired event opens anything, and only while the purpose's
// terms are those of the notice that it was given on ([Event.Under]).
//
// # What may follow what
//
// Anything may: a person may withdraw what they never granted, refuse twice, or
// grant again after a withdrawal. Each is recorded, for each is something the
// person said. The one exception is old news ([Event.Follows]): an imported
// decision, and any grant or overruling, that is older than the event in force is stale, so
// that importing last year's list revives nothing that was withdrawn since. A
// refusal, withdrawal or objection that a person makes is never stale: a clock that runs
// late must not keep data open.
//
// # Protection
//
// A row that someone changed in the database must not count. [Canonical] gives
// the parts that a keyed MAC covers, under [Label]; whoever stores events keeps
// the MAC beside them, and treats an event without a valid one as none. The parts
// are, in this order:
//
//	tenant    UTF-8
//	uid       16 bytes
//	purpose   UTF-8
//	decision  UTF-8: granted, refused, withdrawn, objected or overruled
//	notice    UTF-8, empty if none
//	method    UTF-8: portal, api, import, form or gpc
//	at        8 bytes, big endian: microseconds since 1970 UTC
//	expires   the same, or no byte if the event does not expire
//
// The MAC must frame each part, as length-prefixed parts do. It cannot tell an
// older event of the same person and purpose that is put back from the one in
// force: that is the ledger's to find.
package consent
