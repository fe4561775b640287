package processing

import (
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// Input is what a record or an assessment is made from.
type Input struct {
	Catalog *catalog.Catalog  // required
	Policy  *accessctl.Policy // required
	Facts   Facts             // of the installation; what is not stated becomes an open item

	// Today is written as the date, and review dates are compared with it. Zero: no
	// date is written, so that nothing changes from one day to the next, and no review
	// is called late.
	Today time.Time
}

// Facts is what is known of the installation. The zero value of each member says that
// it is not stated.
type Facts struct {
	Store     Store
	KEK       KEK
	Ledger    Ledger
	Log       Log
	Transport Transport
	Approval  Approval

	// Horizon is the longest time after which an erased person cannot be brought back
	// from any backup, or [NoHorizon].
	Horizon time.Duration
}

// NoHorizon says that nothing is promised of backups.
const NoHorizon time.Duration = -1

// Store is where the rows are.
type Store string

// The stores.
const (
	StorePostgreSQL Store = "postgresql"
	StoreSQLite     Store = "sqlite"
)

// KEK is where the keys are that wrap people's keys.
type KEK string

// The places of key-encryption keys.
const (
	KEKVault     KEK = "vault"      // a Transit engine of HashiCorp Vault or OpenBao
	KEKFile      KEK = "file"       // a file under a passphrase
	KEKFileClear KEK = "file_clear" // a file that whoever reads it can use
)

// Ledger is where erasures are kept outside the database.
type Ledger string

// The ledgers.
const (
	LedgerFile     Ledger = "file"
	LedgerDatabase Ledger = "database"
	LedgerNone     Ledger = "none"
)

// Approval is when erasures need a second person.
type Approval string

// When a second person is needed.
const (
	ApprovalBeyondLimit Approval = "beyond_limit"
	ApprovalNever       Approval = "never"
)

// Log is where the audit log is kept beside the database.
type Log string

// The places of the log.
const (
	LogExported Log = "exported"
	LogInStore  Log = "in_store" // nowhere else
)

// Transport is how requests reach the service.
type Transport string

// The ways of requests.
const (
	TransportTLS       Transport = "tls"
	TransportMutualTLS Transport = "mutual_tls" // clients have certificates, too
	TransportProxy     Transport = "proxy"      // which ends TLS
	TransportLocal     Transport = "local"      // from the same machine only
)
