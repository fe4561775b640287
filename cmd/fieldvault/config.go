package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/vault/erasure"
)

// A setting is one key of the configuration.
type setting struct {
	key    string // "store.url"
	help   string
	secret bool
	kind   reflect.Kind
	value  any // its default
}

func (s setting) env() string {
	return "FIELDVAULT_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

func (s setting) flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(s.key) }

// settings lists every key, by walking the type.
func settings() []setting {
	var list []setting
	var walk func(prefix string, v reflect.Value)
	walk = func(prefix string, v reflect.Value) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			key := prefix + f.Tag.Get("koanf")
			if f.Type.Kind() == reflect.Struct {
				walk(key+".", v.Field(i))
				continue
			}
			_, secret := f.Tag.Lookup("secret")
			list = append(list, setting{
				key: key, help: f.Tag.Get("help"), secret: secret, kind: f.Type.Kind(), value: v.Field(i).Interface(),
			})
		}
	}
	walk("", reflect.ValueOf(defaults()))
	sort.Slice(list, func(i, j int) bool { return list[i].key < list[j].key })
	return list
}

// configFlags adds a flag for each setting that is no secret and whose key begins
// with one of the prefixes; none: for all. Keys of the file and variables count
// for every verb, so that all share one configuration.
func configFlags(c *cobra.Command, prefixes ...string) {
	c.Flags().String("config", "", "configuration file (YAML); also FIELDVAULT_CONFIG")
	isSetting := map[string][]string{settingNote: {"yes"}}
	for _, s := range settings() {
		fits := func(prefix string) bool { return strings.HasPrefix(s.key, prefix) }
		if s.secret || len(prefixes) > 0 && !slices.ContainsFunc(prefixes, fits) {
			continue
		}
		help := fmt.Sprintf("%s (%s, key %s)", s.help, s.env(), s.key)
		if s.kind == reflect.Bool {
			c.Flags().Bool(s.flag(), false, help)
		} else {
			def := fmt.Sprint(s.value)
			if s.kind == reflect.Slice {
				def = ""
			}
			c.Flags().String(s.flag(), def, help)
		}
		c.Flags().Lookup(s.flag()).Annotations = isSetting
	}
}

// storeFlags adds the settings that verbs need which open store and keys themselves.
func storeFlags(c *cobra.Command) { configFlags(c, "kek.", "store.", "ledger.", "erasure.", "tenant") }

// loadConfig reads defaults, then the file, then the environment, then flags.
// An unknown key or variable is an error that names it; no error holds a value.
func loadConfig(c *cobra.Command, w world) (Config, error) {
	k := koanf.New(".")
	path := w.getenv("FIELDVAULT_CONFIG")
	if f := c.Flags().Lookup("config"); f != nil && f.Changed {
		path = f.Value.String()
	}
	if path != "" {
		err := k.Load(file.Provider(path), yaml.Parser())
		if errors.Is(err, fs.ErrNotExist) {
			return Config{}, withHint(fmt.Errorf("the configuration file %s does not exist", path), "give its path with --config or FIELDVAULT_CONFIG")
		}
		if err != nil {
			return Config{}, withHint(fmt.Errorf("reading the configuration file %s: %w", path, err), "it must be readable, and YAML; deploy/docs/operate.md has an example")
		}
	}
	over, err := overrides(c, w)
	if err != nil {
		return Config{}, err
	}
	if err := k.Load(confmap.Provider(over, "."), nil); err != nil {
		return Config{}, fmt.Errorf("reading settings: %w", err)
	}
	cfg := defaults()
	err = k.UnmarshalWithConf("", &cfg, koanf.UnmarshalConf{Tag: "koanf", DecoderConfig: &mapstructure.DecoderConfig{
		Result: &cfg, TagName: "koanf", ErrorUnused: true, WeaklyTypedInput: true,
	}})
	if err != nil {
		return Config{}, withHint(errors.New("the configuration is not valid: "+problemsOf(err)), "`fieldvault serve --help` lists every key with its variable")
	}
	if err := cfg.readFiles(); err != nil {
		return Config{}, err
	}
	return cfg, errors.Join(cfg.check(), cfg.checkEnviron(w))
}

// problemsOf words what the decoder refused: keys and kinds, never a value.
func problemsOf(err error) string {
	switch e := err.(type) { //nolint:errorlint // the tree is walked node by node: each branch is a problem
	case interface{ Unwrap() []error }:
		var words []string
		for _, one := range e.Unwrap() {
			words = append(words, problemsOf(one))
		}
		return strings.Join(words, "; ")
	case *mapstructure.DecodeError:
		if inner := e.Unwrap(); strings.Contains(inner.Error(), "invalid keys: ") {
			return "there is no setting " + settingName(e.Name()+"."+afterColon(inner.Error()))
		}
		return settingName(e.Name()) + " has a value of the wrong kind"
	}
	if inner := errors.Unwrap(err); inner != nil {
		return problemsOf(inner)
	}
	return "it does not fit"
}

// settingName is the key of a setting, as the decoder names it below its type.
func settingName(s string) string {
	return strings.TrimPrefix(strings.TrimPrefix(s, reflect.TypeFor[Config]().String()), ".")
}

func afterColon(s string) string {
	_, rest, _ := strings.Cut(s, ": ")
	return rest
}

// check refuses settings that no part would understand, by their keys.
func (cfg *Config) check() error {
	switch l := cfg.Limits; {
	case !(l.Rate > 0) || l.Burst < 1 || l.InFlight < 1:
		return withHint(errors.New("limits.rate, limits.burst and limits.in_flight must be positive"), "leave them out for the defaults")
	case cfg.Tenant == "":
		return withHint(errors.New("tenant is empty"), "leave it out for the tenant default")
	case cfg.Store.MaxConns < 0:
		return withHint(errors.New("store.max_conns is negative"), "leave it out, or give a number of connections")
	}
	leeway, err := duration("auth.leeway", cfg.Auth.Leeway)
	if err != nil {
		return err
	}
	if leeway > 30*time.Second {
		return withHint(errors.New("auth.leeway is over 30s"), "set the clocks of issuers and nodes; 5s is usual")
	}
	age, err := duration("cache.age", cfg.Cache.Age)
	if err != nil {
		return err
	}
	if age > time.Hour {
		return withHint(errors.New("cache.age is over an hour"), "opened keys are kept at most an hour; 5m is usual")
	}
	if _, err := duration("kek.vault.timeout", cfg.KEK.Vault.Timeout); err != nil {
		return err
	}
	for key, text := range map[string]string{"shutdown": cfg.Shutdown, "jobs.pause": cfg.Jobs.Pause} {
		if _, err := duration(key, text); err != nil {
			return err
		}
	}
	if err := errors.Join(cfg.Ledger.check(), cfg.Alarms.check()); err != nil {
		return err
	}
	_, err = cfg.Erasure.settings()
	return err
}

// check refuses more than one ledger.
func (l LedgerConfig) check() error {
	n := 0
	for _, set := range []bool{l.File != "", l.URL != "", l.None} {
		if set {
			n++
		}
	}
	if n > 1 {
		return withHint(errors.New("more than one of ledger.file, ledger.url and ledger.none is set"), "keep one of them")
	}
	return nil
}

// limits are what the breaker lets pass.
func (e EraseConfig) limits() erasure.Limits {
	return erasure.Limits{PerWindow: int64(e.PerHour), PerMille: int64(e.PerMille)}
}

// settings are what certificates may promise of backups.
func (e EraseConfig) settings() (s erasure.Settings, err error) {
	for _, part := range []struct {
		key, text string
		to        *time.Duration
	}{
		{"backup_retention", e.BackupRetention, &s.BackupRetention},
		{"key_backup_retention", e.KeyBackupRetention, &s.KEKBackupRetention},
		{"snapshot_retention", e.SnapshotRetention, &s.VaultSnapshotRetention},
		{"trim_lag", e.TrimLag, &s.TrimLag},
		{"index_lag", e.IndexLag, &s.IndexLag},
	} {
		if *part.to, err = retention("erasure."+part.key, part.text); err != nil {
			return erasure.Settings{}, err
		}
	}
	return s, nil
}

// retention parses how long something is kept: a duration, days as 30d, or none.
func retention(key, text string) (time.Duration, error) {
	switch days, isDays := strings.CutSuffix(text, "d"); {
	case text == "":
		return 0, nil
	case text == "none":
		return erasure.None, nil
	case isDays:
		n, err := strconv.Atoi(days)
		if err != nil || n < 1 || n > 36_500 {
			return 0, withHint(fmt.Errorf("%s is no number of days", key), "write it as 30d, 720h or none")
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, withHint(fmt.Errorf("%s is no duration", key), "write it as 30d, 720h or none")
	}
	return d, nil
}

// checkEnviron refuses a database whose host another program's variables decide.
func (cfg *Config) checkEnviron(w world) error {
	u, err := url.Parse(cfg.Store.URL)
	if err != nil || u.Scheme == "sqlite" || u.Host != "" || u.Query().Get("host") != "" {
		return nil //nolint:nilerr // a URL that does not parse is refused where it is used
	}
	if w.getenv("PGHOST") == "" && w.getenv("PGSERVICE") == "" && u.Query().Get("service") == "" {
		return nil
	}
	return withHint(errors.New("store.url names no host, and PGHOST or a service would choose one"), "name the host in store.url")
}

// overrides collects what the environment and the flags set.
func overrides(c *cobra.Command, w world) (map[string]any, error) {
	over, known := map[string]any{}, map[string]bool{"FIELDVAULT_CONFIG": true, "FIELDVAULT_TOKEN": true, "FIELDVAULT_URL": true}
	for _, s := range settings() {
		known[s.env()] = true
		value, set := "", false
		if v := w.getenv(s.env()); v != "" { // an empty variable is none
			value, set = v, true
		}
		if f := c.Flags().Lookup(s.flag()); !s.secret && f != nil && f.Changed {
			value, set = f.Value.String(), true
		}
		if !set {
			continue
		}
		over[s.key] = value
		if s.kind == reflect.Slice {
			list, err := yamlList(value)
			if err != nil {
				return nil, withHint(fmt.Errorf("%s is no YAML list: %w", s.key, err), "write it as [{name: ..., tenants: [...], ...}]")
			}
			over[s.key] = list
		}
	}
	for _, kv := range w.environ {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "FIELDVAULT_") && !strings.HasPrefix(name, "FIELDVAULT_TEST_") && !known[name] {
			return nil, withHint(fmt.Errorf("the variable %s is no setting", name), "`fieldvault serve --help` lists every variable; unset what is misspelt")
		}
	}
	return over, nil
}

func yamlList(text string) ([]any, error) {
	m, err := yaml.Parser().Unmarshal([]byte("list: " + text))
	if err != nil {
		return nil, errors.New("it does not parse")
	}
	list, ok := m["list"].([]any)
	if !ok {
		return nil, errors.New("it is something else")
	}
	return list, nil
}

// readFiles reads secrets that stand in files.
func (cfg *Config) readFiles() error {
	return errors.Join(
		readSecret("store.url", cfg.Store.URLFile, &cfg.Store.URL),
		readSecret("ledger.url", cfg.Ledger.URLFile, &cfg.Ledger.URL),
		readSecret("audit.s3.secret_access_key", cfg.Audit.S3.SecretAccessKeyFile, &cfg.Audit.S3.SecretAccessKey),
		readSecret("portal.oidc.client_secret", cfg.Portal.OIDC.ClientSecretFile, &cfg.Portal.OIDC.ClientSecret),
		readSecret("console.oidc.client_secret", cfg.Console.OIDC.ClientSecretFile, &cfg.Console.OIDC.ClientSecret),
	)
}

// readSecret reads a setting that stands in a file.
func readSecret(key, path string, into *string) error {
	if path == "" {
		return nil
	}
	if *into != "" {
		return withHint(fmt.Errorf("%s and %s_file are both set", key, key), "give one of them")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return withHint(fmt.Errorf("reading %s_file: %w", key, err), "it must name a file that holds "+key+" and nothing else")
	}
	*into = strings.TrimSpace(string(b))
	return nil
}

// duration parses a setting that is a time.
func duration(key, s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if s == "0" {
		return 0, nil
	}
	if err != nil || d < 0 {
		return 0, withHint(fmt.Errorf("%s is no duration", key), "write it as 500ms, 30s or 5m")
	}
	return d, nil
}
