// Package e2e proves the product from outside: it builds the one binary, runs it
// as real processes, and speaks HTTP and SQL to them. It holds only tests.
//
// # Modes
//
// Each case runs in two modes, set up by the same steps (migrate, tenant create,
// catalog apply, policy apply, import, serve):
//
//   - embedded: SQLite and a key file.
//   - production: PostgreSQL, where the service's role has only what migrate
//     --grant gives it, and a real Vault, where its login has only what
//     deploy/vault/node.hcl gives it. With CI set the absence of PostgreSQL or Vault
//     is a failure.
//
// They are built with -tags e2e only, so that plain `go test ./...` stays quick.
//
// # Cases
//
// Every case has a number, so that it can be named in an issue or a commit and
// run alone: go test -tags e2e ./cmd/fieldvault/e2e -run '/A07'. The letters are
//
//	D  the command dev: its curl lines, the bytes it leaves on disk
//	W  who sees what
//	A  authorisation
//	T  tokens
//	S  tampering with the storage by SQL
//	L  the audit log: altered by SQL, as files and before a witness; after erasures and
//	   pruning; kill -9 (-e2e.kills says how often) and where no event can be written
//	E  erasure and certificates
//	G  alarms, and limits on reading
//	X  oracles and exhaustion
//	F  faults of PostgreSQL and Vault (production mode only)
//	N  several nodes (production mode only; -e2e.withdrawals says how often N09 withdraws)
//	O  sign-in with an OpenID Connect provider (which Vault is, in production mode)
//	R  restores, fail-over, the horizon (production mode only)
//
// They are the cases of the threat model that can be seen from outside. What a
// thief or an insider must not find is planted as a canary; everything that a
// process said, and what it stored, is searched for them in the end.
package e2e
