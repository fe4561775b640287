// Package linear shows that several nodes behave as one (invariants I1, I5, I6 and
// I8 of the design): what clients see through all of them is what one node would
// have shown that does one thing after another. It holds only tests.
//
// # What runs
//
// Three processes of `fieldvault serve` stand on one PostgreSQL and one real Vault.
// Workers choose a person, an operation and a node at random, many at once for few
// people, so that operations collide: put, patch, delete, reveal, batches of both,
// reads under a purpose that needs consent, search, encrypt, decrypt, re-encrypt,
// consent granted and withdrawn, hold and release, restriction, erasure of a person or
// of one key group, re-enrolment. Meanwhile nodes are stopped (SIGSTOP), go on, and are
// killed and started again, and a keeper rotates the key-encryption key, waits for the
// rewrap, retires and trims what was before, and begins again.
// People retire after some dozens of operations and new ones take their place.
//
// # What is checked
//
//   - Each person's history is linearizable by the model of model_test.go, which
//     predicts every answer to the last revision; porcupine searches for the order.
//     An operation without an answer (a time-out, a broken connection, 503) may
//     have its effect at any time after its call, or never.
//   - The scan for I1, which knows nothing of the model: once an answer has said
//     that a person, or a key group, is erased, no operation that starts later shows a
//     value of it that was known before the erasure began.
//   - At rest, after the load, `fieldvault fsck` finds nothing, and the audit log
//     verifies (`fieldvault audit verify`).
//   - No planted value, and no name of a person, stands in what the nodes said, in
//     PostgreSQL's log and files, or in a dump.
//
// # Running it
//
// As one of the tests it runs where the production parts do (-tags
// e2e), for a minute. The long run is one flag:
//
//	go test -tags e2e ./cmd/fieldvault/linear -run TestLinearizable -v -timeout 3h -linear.ops=200000
//
// TestRotationUnderLoad is apart from that: it stores people, rotates the
// key-encryption key beside clients that read and write at a steady pace, kills the
// node that rewraps, and prints the latencies without and with the rewrap.
//
// A failure prints the history of the person and the seed; -linear.seed chooses the
// same people, operations and faults again, though not the same interleaving.
package linear
