// Package accessctl decides what a caller may do with a person's data: pure
// decisions from closed inputs, with no I/O, no clock and no identifiers.
//
// A [Policy] is a tenant's Cedar text, parsed once a version. For each request
// [Policy.For] gives a [Decider] for one [Caller], and the Decider answers, for
// each field and state of a person, what the caller gets to see ([View]) and,
// if that is nothing, for which [Reason].
//
// # Vocabulary of a policy
//
//	principal  Caller::"caller"          in Role::"support", Role::"billing", ...
//	action     Action::"reveal"          one of the actions below; there are no groups of actions
//	resource   Field::"customer.email"   in Collection::"customer", Classification::"contact"
//	           Person::"person"          for actions on a person as a whole
//	           Service::"service"        for actions on the service itself
//	context    purpose     String   the caller's purpose, "" where none is needed and none was named
//	           basis       String   its legal basis, "" without a purpose
//	           consent     String   none, granted, refused, withdrawn, expired, outdated or objected
//	           restricted  Bool     processing is restricted (GDPR Art. 18)
//	           expired     Bool     the value has outlived its retention
//	           own         Bool     the caller is the person whose data it is
//	           listed      Bool     the field lists the purpose
//	           match       String   of a search: equals, prefix, contains or range; else ""
//
// Entities have no attributes. For actions on a person and on the service,
// consent is "none" and restricted, expired and listed are false; but pseudonymise
// and resolve see the person's consent and restriction. A policy is
// named by its annotation @id("..."), else policy<N>, counted from 0.
//
// # How a decision is made
//
// Nothing is permitted unless a policy permits it, and a forbid wins. Cedar
// skips a policy whose evaluation fails, a forbid too; here any such failure
// denies. After the policies come the embedded rules, which no policy can
// override:
//
//   - A caller with the role subject acts only on their own data, whatever other
//     roles the token carries.
//   - The purpose [PurposeSelf] is for a person's own data only.
//   - An action that releases or uses data ([Action.NeedsPurpose]) needs a
//     purpose, one that the catalog knows, that the token was not narrowed away
//     from and that the field, if it is about one, lists. Another action may go without a purpose, but
//     a purpose that is named must be known and within the token.
//   - Under a purpose to which the person objected nothing is released, whatever it
//     rests on.
//   - Under a purpose that rests on consent nothing is released without a granted
//     consent: neither plain nor masked.
//   - While restricted nothing is released, but for purposes marked
//     despite_restriction, and to the person themself.
//   - An expired value is not released.
//   - A search by more than equality (prefix, contains, range) needs that the caller
//     sees the field in plain: else a mask could be read character by character.
//   - The state of a person can only narrow what a policy gives: where a policy
//     would give more in a worse state (no consent, restricted, expired, not
//     listed) than in a better one, the better state's answer counts. So
//     withdrawing consent never opens anything.
//
// # Why something is hidden
//
// The reason is [ReasonPolicy] unless policy alone would permit, which is to say
// in the ideal state: consent granted, unrestricted, unexpired, listed. Then it
// is the first that applies of [ReasonPurpose], [ReasonObjection], [ReasonConsent],
// [ReasonRestricted], [ReasonExpired]: what the caller can change comes before
// what the person can change, and that before what nobody can. A purpose that is
// missing, unknown or misused is ReasonPurpose without asking any policy.
//
// # Memory
//
// Decisions are functions of a small closed set of inputs, so a Policy keeps
// them across requests: at most [MaxMemo], safe for concurrent use, forgotten
// together when full. Roles that a policy does not mention cannot matter and are
// no part of the key.
package accessctl
