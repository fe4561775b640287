// Package jwtauth turns a bearer token, a signed JWT (RFC 7519), into the
// accessctl.Principal that it speaks for, and signs tokens for development. What a
// sign-in has verified itself, an ID token, goes through the same rules: [PrincipalOf].
//
// # What a token must be
//
// At most [MaxToken] bytes; exactly three parts of unpadded base64url, in their one
// canonical spelling; a header and a payload that are each one JSON object with one
// reading: no name twice, no two names that differ only in case, no invalid UTF-8,
// nothing after it. All of this is checked before anything is looked up.
//
// Header: "alg" is one that the issuer is configured for, out of RS256, ES256 and
// EdDSA; "kid" is required and names a key of the issuer's own set; "typ", if there,
// is "JWT" or "at+jwt". A header with crit, b64, zip, enc, jku, jwk, x5u or x5c is
// refused: nothing in a token chooses its key but the kid, and nothing is fetched
// on its word.
//
// Claims, in exactly these names:
//
//	iss      required: the name of a configured issuer
//	aud      required: exactly our audience, as a string or as an array of that one string
//	sub      required: 1 to 255 bytes of printable ASCII
//	exp iat  required: whole seconds; exp > iat, exp - iat at most Config.MaxLifetime; iat not in the future
//	nbf      optional: whole seconds, not in the future
//	tenant   required: one that this issuer may speak for
//	roles    required: an array of strings, possibly empty
//	purposes optional: an array of purpose ids to which the token is narrowed, possibly empty (to none)
//	subject  a person's external id: required with the role "subject", which then is the only role, and
//	         refused without it
//
// A token with a second audience is refused: who else accepts it could use it here.
// Other claims are ignored, unless their name differs from one of these only in case.
//
// # Keys
//
// Each issuer has a key set of its own, from a URL, a file or the configuration; a
// key in one issuer's set proves nothing about another. Sets from a URL or file are
// read anew at an interval by [Verifier.Run] and, should that not have happened (a
// process was stopped for a while), before the next token is accepted: a key that is
// gone from the set is refused within 60 s. A kid that the set does not hold causes a
// fetch, at most one in 30 s for each issuer. A set that could not be read again for
// Config.MaxStale is no longer used. Sets are fetched with a time-out and a limit of
// size, without following redirects, and over https alone unless the host is this
// machine or the issuer is configured with AllowHTTP.
//
// Keys of other kinds than the issuer's algorithms need, RSA keys below 2048 bits,
// encryption keys, symmetric keys and keys without an id are passed over.
//
// # Answers
//
// Every refusal is [ErrToken], without a reason: what is wrong with a token is for
// its issuer's eyes. The rule that a token broke, never a value, goes to the logger
// at debug level.
package jwtauth

import "time"

// Audience is the audience of Fieldvault's tokens.
const Audience = "fieldvault"

// Bounds of what is accepted and for how long.
const (
	MaxToken = 8 << 10 // bytes of a token

	longestLife   = time.Hour
	longestLeeway = 30 * time.Second
	fetchTimeout  = 5 * time.Second
	fetchWait     = time.Second      // how long one verification waits for a fetch
	unknownEvery  = 30 * time.Second // between fetches that an unknown kid causes
	refreshEvery  = 30 * time.Second // default of Config.RefreshInterval
	refreshSlack  = 10 * time.Second // interval + slack <= 60 s: a fetch and its waits
	longestStale  = time.Hour        // default of Config.MaxStale
	defaultCached = 10_000           // default of Config.MaxCached
	maxKeySet     = 256 << 10        // bytes of a key set
	maxKeys       = 64               // keys of a key set
	maxRoles      = 64
	maxPurposes   = 256
	maxName       = 255 // bytes of iss and sub
	maxKeyID      = 255 // bytes of a kid
)
