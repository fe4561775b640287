package main

// Config is every setting of the service. Each is a key of the file, a variable
// FIELDVAULT_<KEY> and a flag --<key>, later ones first; secrets have no flag. The
// tag help is the flag's help, the tag secret keeps a setting off the flags.
type Config struct {
	Listen        string        `koanf:"listen" help:"address of the HTTP API"`
	MetricsListen string        `koanf:"metrics_listen" help:"address of the metrics; empty: none"`
	TLS           TLSConfig     `koanf:"tls"`
	AllowHTTP     bool          `koanf:"allow_http" help:"serve plain HTTP to other machines: only behind a proxy that ends TLS"`
	Tenant        string        `koanf:"tenant" help:"tenant to act in; for serve, the one that public routes mean without ?tenant="`
	Store         StoreConfig   `koanf:"store"`
	KEK           KEKConfig     `koanf:"kek"`
	Ledger        LedgerConfig  `koanf:"ledger"`
	Erasure       EraseConfig   `koanf:"erasure"`
	Auth          AuthConfig    `koanf:"auth"`
	Cache         CacheConfig   `koanf:"cache"`
	Limits        LimitsConfig  `koanf:"limits"`
	Audit         AuditConfig   `koanf:"audit"`
	Alarms        AlarmsConfig  `koanf:"alarms"`
	Rights        RightsConfig  `koanf:"rights"`
	Log           LogConfig     `koanf:"log"`
	Jobs          JobsConfig    `koanf:"jobs"`
	Retention     KeepConfig    `koanf:"retention"`
	Portal        PortalConfig  `koanf:"portal"`
	Console       ConsoleConfig `koanf:"console"`
	Keeper        bool          `koanf:"keeper" help:"carry out rotations, retirements and trims that were asked for over HTTP: this process needs the keeper's rights, too"`
	Shutdown      string        `koanf:"shutdown" help:"how long requests under way may take when the service stops"`
}

// PortalConfig is about the web pages of people.
type PortalConfig struct {
	Off       bool       `koanf:"off" help:"serve no web pages to people"`
	URL       string     `koanf:"url" help:"where people find their control panel, as https://privacy.example.org; links begin with it"`
	SignInURL string     `koanf:"sign_in_url" help:"your page that signs people in and asks for a link for their browser; empty: links are good in any browser"`
	Frames    string     `koanf:"frames" help:"origins of pages that may hold the consent form, separated by commas, as https://shop.example.org"`
	OIDC      OIDCConfig `koanf:"oidc"`
}

// ConsoleConfig is about the web pages of operators.
type ConsoleConfig struct {
	Off      bool       `koanf:"off" help:"serve no console to operators; nor is there one with portal.off"`
	OIDCOnly bool       `koanf:"oidc_only" help:"where console.oidc is set, operators sign in there alone, and with no access token of the API"`
	OIDC     OIDCConfig `koanf:"oidc"`
}

// TLSConfig is the listener's own certificate, read again when the files change.
type TLSConfig struct {
	CertFile     string `koanf:"cert_file" help:"certificate chain, PEM"`
	KeyFile      string `koanf:"key_file" help:"private key, PEM"`
	ClientCAFile string `koanf:"client_ca_file" help:"authorities of client certificates; set: a client must have one"`
}

// StoreConfig says where the rows are.
type StoreConfig struct {
	URL               string `koanf:"url" secret:"may hold a password" help:"postgres://... or sqlite:PATH"`
	URLFile           string `koanf:"url_file" help:"file that holds the URL"`
	MaxConns          int    `koanf:"max_conns" help:"connections to PostgreSQL; 0: by the number of cores"`
	TransactionPooler bool   `koanf:"transaction_pooler" help:"the URL leads to a transaction pooler such as pgbouncer"`
	AllowUnverified   bool   `koanf:"allow_unverified" help:"accept a PostgreSQL on another machine without sslmode=verify-full"`
}

// KEKConfig says where the key-encryption keys are: Vault or a file.
type KEKConfig struct {
	Vault VaultConfig `koanf:"vault"`
	Local LocalConfig `koanf:"local"`
}

// VaultConfig is a HashiCorp Vault (or OpenBao) with a Transit engine.
type VaultConfig struct {
	Address        string           `koanf:"address" help:"https://vault.example.org:8200"`
	Mount          string           `koanf:"mount" help:"path of the Transit engine"`
	Namespace      string           `koanf:"namespace" help:"Vault's own namespace"`
	KeyPrefix      string           `koanf:"key_prefix" help:"stands before each key's name in Vault"`
	CAFile         string           `koanf:"ca_file" help:"authorities that may vouch for Vault"`
	ServerName     string           `koanf:"server_name" help:"name in Vault's certificate, if not the address's"`
	ClientCertFile string           `koanf:"client_cert_file" help:"our certificate for Vault"`
	ClientKeyFile  string           `koanf:"client_key_file" help:"its key"`
	Timeout        string           `koanf:"timeout" help:"of one request with its retries"`
	UnwrapsAtOnce  int              `koanf:"unwraps_at_once" help:"requests to open keys that may be under way at once, 1 to 64; what comes meanwhile shares the next"`
	Token          string           `koanf:"token" secret:"a credential" help:"a token; better is a login that renews it"`
	TokenFile      string           `koanf:"token_file" help:"file that holds a token, as Vault Agent writes it"`
	AppRole        AppRoleConfig    `koanf:"approle"`
	Kubernetes     KubernetesConfig `koanf:"kubernetes"`
}

// AppRoleConfig is a login by role and secret.
type AppRoleConfig struct {
	RoleID       string `koanf:"role_id" help:"role id of the AppRole login"`
	SecretID     string `koanf:"secret_id" secret:"a credential" help:"secret id of the AppRole login"`
	SecretIDFile string `koanf:"secret_id_file" help:"file that holds the secret id"`
	Mount        string `koanf:"mount" help:"path of the AppRole method"`
}

// KubernetesConfig is a login by a service account.
type KubernetesConfig struct {
	Role    string `koanf:"role" help:"role of the Kubernetes login"`
	JWTFile string `koanf:"jwt_file" help:"file of the service account's token"`
	Mount   string `koanf:"mount" help:"path of the Kubernetes method"`
}

// LocalConfig is a key-encryption key in a file: for one node.
type LocalConfig struct {
	File           string `koanf:"file" help:"file of the key-encryption keys, instead of Vault"`
	PassphraseFile string `koanf:"passphrase_file" help:"file that holds its passphrase"`
	AllowClear     bool   `koanf:"allow_clear" help:"accept a file without a passphrase: whoever reads it reads everything"`
}

// LedgerConfig says where erasures are kept outside the database.
type LedgerConfig struct {
	File            string `koanf:"file" help:"file of the ledger of erasures, for a single node; keep copies of it apart from the database's"`
	URL             string `koanf:"url" secret:"may hold a password" help:"postgres://... of a second database for the ledger, for several nodes"`
	URLFile         string `koanf:"url_file" help:"file that holds the ledger's URL"`
	AllowSameServer bool   `koanf:"allow_same_server" help:"accept a ledger on the database's own server, in a database of its own: a restore of the whole server undoes both"`
	None            bool   `koanf:"none" help:"do without a ledger: a restore of the database then brings the erased back, and certificates say so"`
}

// EraseConfig says how much one person may erase alone, and what is promised of
// backups.
type EraseConfig struct {
	PerHour            int    `koanf:"per_hour" help:"people that one principal may erase in an hour; beyond, a second person must approve; -1: any number"`
	PerMille           int    `koanf:"per_mille" help:"thousandths of a tenant's people that may be erased in an hour by all together; -1: any part"`
	DeletionsPerHour   int    `koanf:"deletions_per_hour" help:"records that one principal may delete in an hour; -1: any number"`
	BackupRetention    string `koanf:"backup_retention" help:"how long backups of the database are kept, as 720h or 30d; none: there are none; empty: nothing is promised"`
	KeyBackupRetention string `koanf:"key_backup_retention" help:"how long backups of the key store are kept"`
	SnapshotRetention  string `koanf:"snapshot_retention" help:"how long snapshots of Vault are kept"`
	TrimLag            string `koanf:"trim_lag" help:"within which time of an erasure the versions of the key-encryption key in use then are trimmed"`
	IndexLag           string `koanf:"index_lag" help:"within which time of an erasure the versions of index keys in use then are destroyed"`
}

// AuthConfig says whose tokens count.
type AuthConfig struct {
	Audience string         `koanf:"audience" help:"aud that tokens must have"`
	Leeway   string         `koanf:"leeway" help:"for clocks that differ, at most 30s"`
	Issuers  []IssuerConfig `koanf:"issuers" help:"list of issuers, as YAML: [{name, tenants, jwks_url | jwks_file, algorithms}]"`
}

// IssuerConfig is one issuer of tokens.
type IssuerConfig struct {
	Name       string   `koanf:"name"`
	Tenants    []string `koanf:"tenants"`
	JWKSURL    string   `koanf:"jwks_url"`
	JWKSFile   string   `koanf:"jwks_file"`
	Algorithms []string `koanf:"algorithms"`
}

// CacheConfig bounds the cache of opened keys.
type CacheConfig struct {
	Entries int    `koanf:"entries" help:"opened keys kept; 0: none"`
	Age     string `koanf:"age" help:"how long they are kept; 0: not at all"`
}

// LimitsConfig bounds what one caller may use.
type LimitsConfig struct {
	Rate     float64 `koanf:"rate" help:"requests a second of one principal"`
	Burst    int     `koanf:"burst" help:"requests at once of one principal"`
	InFlight int     `koanf:"in_flight" help:"requests under way at the same time"`
}

// JobsConfig says how background work runs.
type JobsConfig struct {
	Pause string `koanf:"pause" help:"rest between two steps of a job while requests are served; 0: none"`
}

// KeepConfig says when values are removed whose time has passed.
type KeepConfig struct {
	Every string `koanf:"every" help:"how often to look whether the retention of values has run out, and remove them; at least 1s"`
}

// AuditConfig says how the audit logs are kept.
type AuditConfig struct {
	Origin      string   `koanf:"origin" help:"names the service in signed checkpoints, as a URL without a scheme (vault.example.org/log); never change it"`
	Export      string   `koanf:"export" help:"folder or s3://bucket/prefix to which the audit logs are exported, one folder a tenant, so that they outlive the database"`
	ExportEvery string   `koanf:"export_every" help:"how often what is new is exported"`
	S3          S3Config `koanf:"s3"`
}

// S3Config is the store of a bucket.
type S3Config struct {
	Endpoint            string `koanf:"endpoint" help:"address of the bucket's store, such as https://s3.eu-central-1.amazonaws.com"`
	Region              string `koanf:"region" help:"region of the bucket"`
	AccessKeyID         string `koanf:"access_key_id" help:"who writes; empty: the machine's own role (IAM)"`
	SecretAccessKey     string `koanf:"secret_access_key" secret:"a credential" help:"the key of who writes"`
	SecretAccessKeyFile string `koanf:"secret_access_key_file" help:"file that holds it"`
	CAFile              string `koanf:"ca_file" help:"authorities that may vouch for the store"`
}

// LogConfig says what is logged.
type LogConfig struct {
	Level  string `koanf:"level" help:"debug, info, warn or error"`
	Format string `koanf:"format" help:"json or text"`
}

// defaults are the settings before file, environment and flags.
func defaults() Config {
	return Config{
		Listen: "127.0.0.1:8420", MetricsListen: "127.0.0.1:8421", Tenant: "default",
		Erasure: EraseConfig{PerHour: 20, PerMille: 50, DeletionsPerHour: 1000},
		Auth:    AuthConfig{Audience: "fieldvault", Leeway: "5s"},
		Cache:   CacheConfig{Entries: 100_000, Age: "5m"},
		Limits:  LimitsConfig{Rate: 500, Burst: 1000, InFlight: 1024},
		Log:     LogConfig{Level: "info", Format: "json"}, Shutdown: "20s",
		Jobs: JobsConfig{Pause: "20ms"}, Retention: KeepConfig{Every: "1h"},
		Audit:  AuditConfig{Origin: "fieldvault", ExportEvery: "10s"},
		Alarms: AlarmsConfig{PeoplePerHour: 1000, ValuesPerHour: 10_000, FailedPerHour: 20, DeniedPerHour: 200, LimitAction: limitRefuses},
		Rights: RightsConfig{Regime: "gdpr", Zone: "UTC", Weekend: "saturday,sunday"},
		KEK:    KEKConfig{Vault: VaultConfig{Timeout: "2s", UnwrapsAtOnce: 1}},
	}
}
