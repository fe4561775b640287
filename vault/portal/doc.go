// Package portal serves the web pages of people: their control panel at /me, and the
// consent form that applications hold in a frame.
//
// It holds no rule. A page is drawn by package page from what one or two methods of
// [vault.Vault] answer to the person, who acts for themself: what they may see and do is
// decided there, as for every other caller, and stands in the audit log.
//
// # Who is there
//
// A person comes with a link that the application asked for (vault.IssueTicket), which is
// spent by a POST, so that what only looks at links spends none, and gets a session: a
// sealed cookie of one hour that the store can end. With [Config.SignInURL] links are
// bound to the browser that asked for one. With [Config.Provider] people sign in there
// (OpenID Connect, see package oidcauth), and get the same kind of session. Sessions die
// with the person.
//
// # What keeps others out
//
//   - A POST is taken only with a header of the browser's own that says it comes from
//     this origin: Sec-Fetch-Site, or else Origin. None, null or another is 403.
//   - Cookies are __Host-, Secure, HttpOnly and SameSite=Lax; nothing is kept in scripts.
//   - The policy of package page: no inline script or style, no frame but the consent
//     form's, in the origins that are configured.
//   - No answer may be stored, none sends a Referer elsewhere, and no path leads there: after a
//     POST the browser goes to a page of a fixed list.
package portal
