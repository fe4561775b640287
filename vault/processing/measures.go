package processing

import (
	"fmt"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

// A Measure is one of the technical and organisational measures (GDPR Art. 30(1)(g)
// and 32(1)).
type Measure struct {
	Topic string `json:"topic"`
	Text  string `json:"text"`
	From  string `json:"from"` // FromSoftware, FromCatalog or FromFacts
}

// Where a measure is known from.
const (
	FromSoftware = "software" // it cannot be configured away
	FromCatalog  = "catalog"  // it is declared there
	FromFacts    = "facts"    // of the installation, as they were given
)

// measures are those that the software always takes, then what the catalog's searches
// weaken them by, then those that the facts state.
func measures(c *catalog.Catalog, f Facts) []Measure {
	list := builtIn()
	for _, l := range c.Leaks() {
		field := strings.TrimPrefix(l.Path[:strings.LastIndex(l.Path, ".index.")], "collections.")
		text := strings.ToUpper(l.Text[:1]) + l.Text[1:] + "."
		list = append(list, Measure{Topic: "Search of `" + strings.Replace(field, ".fields.", ".", 1) + "`", Text: text, From: FromCatalog})
	}
	for _, t := range f.topics() {
		if t.text != "" {
			list = append(list, Measure{Topic: t.name, Text: t.text, From: FromFacts})
		}
	}
	return list
}

func builtIn() []Measure {
	list := []Measure{
		{Topic: "Encryption", Text: "Every value is encrypted under a key of its own person and key group. These keys are stored wrapped by a key-encryption key."},
		{Topic: "Purpose and role", Text: "Nothing is read without a purpose that the field lists and a role that the policy permits. What no policy permits is denied, and a forbid wins."},
		{Topic: "Consent", Text: "Where a purpose rests on consent, nothing opens for it without the person's consent to the terms in force. A withdrawal counts from the next read on."},
		{Topic: "Masks", Text: "A role that may see a value only masked gets the mask in its place."},
		{Topic: "Audit", Text: "Each reading is entered in a tamper-evident log before a value leaves."},
		{Topic: "Search", Text: "Values are found by keyed indexes, not by a copy in the clear."},
		{Topic: "Erasure", Text: "Erasing a person destroys every stored copy of their keys at once; what they encrypted is deleted after."},
		{Topic: "Retention", Text: "A value whose time has passed is not read any longer, and is removed."},
	}
	for i := range list {
		list[i].From = FromSoftware
	}
	return list
}

// A topic is one fact in words; no text: it is not stated.
type topic struct{ name, text string }

func (f Facts) topics() []topic {
	return []topic{
		{"Storage", map[Store]string{
			StorePostgreSQL: "PostgreSQL.",
			StoreSQLite:     "SQLite, embedded in one node.",
		}[f.Store]},
		{"Key-encryption key", map[KEK]string{
			KEKVault:     "A Transit engine of Vault: the key does not leave it.",
			KEKFile:      "A file under a passphrase.",
			KEKFileClear: "A file without a passphrase: whoever reads it and the database reads everything.",
		}[f.KEK]},
		{"Ledger of erasures", map[Ledger]string{
			LedgerFile:     "A file outside the database: a restore of the database does not bring the erased back.",
			LedgerDatabase: "A second database: a restore of the first does not bring the erased back.",
			LedgerNone:     "None: a restore of the database from before an erasure brings the erased back.",
		}[f.Ledger]},
		{"Backups and the erased", f.horizon()},
		{"Keeping of the audit log", map[Log]string{
			LogExported: "It is exported, so that it outlives the database.",
			LogInStore:  "In the database only.",
		}[f.Log]},
		{"Second person", map[Approval]string{
			ApprovalBeyondLimit: "Erasures beyond a limit wait for the approval of a second person.",
			ApprovalNever:       "None: one person may erase any number of people.",
		}[f.Approval]},
		{"Transport", map[Transport]string{
			TransportTLS:       "TLS, by the service itself.",
			TransportMutualTLS: "TLS, by the service itself; clients must have a certificate.",
			TransportProxy:     "Plain HTTP behind a proxy that ends TLS.",
			TransportLocal:     "From the service's own machine only.",
		}[f.Transport]},
	}
}

func (f Facts) horizon() string {
	const day = 24 * time.Hour
	switch {
	case f.Horizon < 0:
		return "Nothing is promised of backups."
	case f.Horizon == 0:
		return ""
	}
	return fmt.Sprintf("At most %s after an erasure, no backup brings the person back.", days(int((f.Horizon+day-1)/day)))
}
