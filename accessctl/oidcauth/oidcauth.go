// Package oidcauth signs people and operators in through an OpenID Connect provider.
//
// # The flow
//
// It is the authorization code flow with PKCE (RFC 7636, S256), a state and a nonce,
// and nothing else. [Provider.Begin] gives the address to send the browser to and the
// flow, a short text that the caller keeps in that browser, in a __Host- cookie that is
// HttpOnly and SameSite=Lax, for [FlowLife]; what the provider must not know of the flow
// is known to that browser alone. When it comes back to Config.RedirectURL,
// [Provider.Finish] takes the flow and the query, and answers who signed in.
//
// # What is checked
//
//	flow        is there, is of this provider, client and redirect, and not too old
//	state       is the flow's, compared in constant time; no parameter is given twice
//	iss         of the answer, if it is there or the provider promises it, is the provider
//	            (RFC 9207): an answer of another one gets nobody in (mix-up)
//	code        is taken by the provider, with the verifier of the flow
//	ID token    is signed by a key of the provider's own set with one of Config.Algorithms,
//	            never by none or with a shared secret
//	iss aud azp are the provider and this client, alone
//	exp iat nbf hold now, and it was made for this flow; auth_time, where an age was asked for
//	nonce       is the flow's; at_hash, if there, fits the access token
//
// The claims then become a principal under the rules of package jwtauth, which has the
// only copy of them; Config says which claims they are where a provider cannot use our
// names. Access and refresh tokens are thrown away.
//
// # A provider that is not there
//
// Nothing is asked of the provider before somebody signs in, so a service starts without
// it. What it publishes of itself, with its keys, is used for a minute and then read
// again: a key that is gone from its set opens nothing after that. Every request to it is
// bounded in time and in size, follows no redirect, and goes over https, or http on this
// machine. [ErrUnavailable] is the answer meanwhile.
//
// # Answers
//
// An error says who should try again, not why: the reason goes to the logger, without a
// value of the token, the code or the query.
package oidcauth

import (
	"errors"
	"time"
)

var (
	// ErrRefused says that nobody is signed in: an answer of the provider, or what came
	// in its place, broke a rule.
	ErrRefused = errors.New("oidcauth: sign-in refused")

	// ErrNotSignedIn says that the provider itself signed nobody in: the person broke off,
	// or may not.
	ErrNotSignedIn = errors.New("oidcauth: the provider signed nobody in")

	// ErrUnavailable says that the provider does not answer, or not in order.
	ErrUnavailable = errors.New("oidcauth: the provider is not available")

	// ErrConfig says that a configuration leaves out a check, or contradicts itself. It
	// says what to set.
	ErrConfig = errors.New("oidcauth: unsafe configuration")
)

// FlowLife is how long a person has to sign in at the provider.
const FlowLife = 10 * time.Minute

// Bounds of what is asked of a provider and taken from it.
const (
	askTime     = 5 * time.Second // of one request
	maxAnswer   = 512 << 10       // bytes of one answer
	maxToken    = 64 << 10        // bytes of an ID token
	readEvery   = time.Minute     // what the provider publishes is read again after
	retryAfter  = time.Second     // a read that failed is tried again after
	longestLife = 24 * time.Hour  // of an ID token
	leeway      = 30 * time.Second
	backdated   = 10 * time.Minute // how long before the flow an ID token may claim to be made
	maxText     = 2048             // bytes of a code, or of another parameter
)
