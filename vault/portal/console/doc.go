// Package console serves the operators' console at /console: requests and their clocks,
// people, approvals, reports, statistics, the catalog and its policy, keys and jobs, the audit log.
//
// It holds no rule and has no right of its own: each page is what methods of [vault.Vault]
// answer to the operator who is signed in, for the purpose that they chose, and stands in
// the audit log under their name. A page that policy does not allow is not offered, and is
// refused if it is asked for all the same. So no plaintext is on any page but what the
// API would give the same caller.
//
// # Who is there
//
// Operators sign in with an access token of the API, or at the organisation's own provider
// by OpenID Connect ([Config.Provider]), and get a session: a sealed cookie of one hour
// that the store can end, and that ends with the token. What they may do is decided anew
// with each act.
//
// What keeps others out is that of package portal: see package guard.
package console
