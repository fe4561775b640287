// Package rights is people's requests and their clocks: what a person may ask for,
// what may happen to a request, until when it must be answered, who is to be reminded
// and when, and how long its log row is kept.
//
// All of it is pure: no clock, no storage. It holds no personal data and no free text:
// a request is an id, names of closed sets and instants. Whose it is, what they wrote
// and what they were told stand elsewhere, sealed.
//
// # What may happen
//
// A request is a [Request]; [Apply] is all that changes it:
//
//	state      step               becomes
//	(none)     file               received
//	received   acknowledge        open
//	received   ask_identity       identity     acknowledges it, too: the person heard from us
//	received   confirm_identity   received     known without having been asked
//	identity   confirm_identity   open, or extended where it was extended before
//	identity   extend             identity     only where the clock runs on
//	open       ask_identity       identity     once, and before the answer is late
//	open       confirm_identity   open
//	received, open
//	           extend             extended     once
//	extended   confirm_identity   extended
//	received, open, extended
//	           complete           done         not before the identity is confirmed
//	any but an ended one
//	           refuse             refused      with a reason of [Reasons]
//	any but an ended one
//	           cancel             cancelled    by the person
//
// done, refused and cancelled are the end. A request that the person filed while signed
// in has its identity confirmed from the start, and some kinds need no proof at all
// ([Rules.NoProof]). As long as proof is needed and lacks, a refusal may only say what
// does not tell a stranger whether there is any data.
//
// # How periods are counted
//
// The day on which a request arrives, in the calendar's zone, is not counted; the day
// after is day 1. A deadline is the end of its last day. It is written as the instant at
// which it is missed: the first of the next day in the zone, which need not be at midnight.
//
//   - Months end on the day with the same number, or on the last of the month where
//     there is no such day: a month from 31 January ends with 28 or 29 February. An
//     extension is counted from the start, not from the first deadline.
//   - Days are calendar days. Business days are those that are neither on the weekend
//     nor a holiday.
//   - Where [Rules.Roll] says so, a period that ends on a weekend or holiday ends with
//     the next business day. Periods that someone must wait, as opposed to act in, never
//     become shorter: [Forget] and [AskAgain] end with the same-numbered day itself.
//
// # Where the numbers come from
//
//   - GDPR (Regulation (EU) 2016/679) Arts 15 to 22: the rights. Art. 12(3): an answer
//     within one month of receipt; two more where complexity and number of requests need
//     it, of which the person is told with reasons within the first. Art. 12(4): a refusal
//     comes with its reasons. Art. 12(5): unfounded and excessive requests. Art. 12(2)
//     and (6): proof of identity, where there is reasonable doubt.
//   - Regulation (EEC, Euratom) No 1182/71 Art. 3(1), (2)(c) and (4): counting, above.
//   - EDPB Guidelines 01/2022, section 5.3: the period is suspended while the controller
//     waits for proof of identity that it asked for without undue delay.
//   - CCPA Regulations, 11 CCR 7021: confirmation of receipt within 10 business days, an
//     answer within 45 calendar days whatever time the proof takes, 90 with notice and
//     explanation. 7026(f) and 7027(g): opting out, and limiting the use of sensitive
//     data, within 15 business days; neither needs proof of identity. 7101(a): records
//     kept for 24 months.
//   - Cal. Civ. Code 1798.135(c)(4): who opted out may be asked again after 12 months.
//     1798.145(h): extension, unfounded and excessive requests.
//
// The numbers are configuration ([Rules]); [Default] has those of the law. Nothing here
// is legal advice.
//
// # Time zones
//
// [ParseCalendar] takes the zone from the system's zone files. A program that is to work
// where there are none imports time/tzdata.
package rights
