// Package sqlitestore is a vault.Store in one SQLite file, for a single node.
//
// # The file
//
// [Open] makes the file, readable by its owner alone, and the schema in it;
// SQLite gives its write-ahead log (-wal) and shared memory (-shm) the same
// mode. The schema is numbered (user_version): an older one is brought up to
// date in one transaction, a newer one is refused, and so is a database that
// another program wrote (application_id). The directory must be one that only
// the service can write to, and on a local disk: shared memory does not work
// over a network.
//
// # Transactions
//
// One connection writes, a few read. An Update begins by taking SQLite's write
// lock, so it never fails half way for a lock, its function runs once, and the
// locks of a Tx need do nothing. It must not call Update, AppendEvents or
// Checkpoint of the same store: they would wait for one another. A View reads
// one snapshot and is refused every write and lock.
//
// A method of a Tx that the database refused spoils the transaction: later
// methods and the commit fail with the same error, also if the function did
// not pass it on. ErrNoRow, ErrStale and ErrStaleKEK do not spoil it.
//
// A commit is on the disk when it returns (synchronous=FULL). Events that are
// appended while the writer is busy share the next commit; the first of them
// to get the writer writes for all, so there is no goroutine in the background.
//
// Other processes may open the same file, for a command beside a running
// server: they wait for each other for Config.BusyTimeout, then get
// vault.ErrUnavailable. Within a process, locks are those of open file
// descriptions where the system has them, so that another part of the process
// that reads and closes the file does not drop them.
//
// # What is deleted is gone
//
// SQLite would leave deleted bytes in free pages, and earlier versions of
// pages in the write-ahead log. So secure_delete is on, which overwrites what
// is deleted; temporary tables stay in memory; copies that SQLite leaves in the
// gaps of pages when it moves rows are zeroed before a page leaves the log; and
// [Store.Checkpoint] brings the log home and truncates it: the sweep calls it
// until it succeeds, and Close once. Another program that writes to the file,
// or checkpoints it, does not do all of this. What the file system and the disk keep of a truncated file is
// theirs: it is ciphertext and wrapped keys, and encrypting the disk is
// the operator's part.
//
// # Errors
//
// No error holds a value or text of the database. Busy, full, unreadable or
// read-only is vault.ErrUnavailable; a malformed file is vault.ErrIntegrity,
// and then the file should be restored; text that is not UTF-8 or holds NUL is
// a *vault.InvalidError. A row that the schema refuses, such as one that makes
// an erased person live, is an error of its own that nobody can act on.
package sqlitestore
