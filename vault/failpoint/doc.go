// Package failpoint names places where a process of the tests ends as if the power
// went: [Hit] does nothing in every binary but one built with the tag failpoints.
//
// In that one, FIELDVAULT_TEST_FAILPOINT chooses one point, by its name or, for the
// n-th time it is reached, as name:n. There the process kills itself (SIGKILL): it
// says nothing, closes nothing and answers nobody. The suite of
// cmd/fieldvault/killpoints goes through all of them, and deploy/docs/killpoints.md
// lists them.
package failpoint
