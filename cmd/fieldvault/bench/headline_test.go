package bench_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/bench"
	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

var (
	full   = flag.Bool("bench.full", false, "measure the headline at its full scale, on PostgreSQL and Vault that are started here")
	growth = flag.Int64("bench.growth", -1, "with -bench.full: the most people of the measurements of growth; 0: none")
	into   = flag.String("bench.json", "", "file for the report")
)

func TestMain(m *testing.M) { os.Exit(processtest.Main(m)) }

// headlineKeys are the figures that the suite must give.
var headlineKeys = []string{
	"seal_vs_tink", "open_vs_tink", "reveal_single_vs_transit", "reveal_batch_vs_transit_batch", "reveal_batch_vs_limit",
	"cold_vault_requests_per_subject", "cold_rate_over_none_waiting", "erase_large_over_small", "rewrap_vs_transit_rewrap", "rotation_p99_over_quiet",
	"reveal_1m_over_10k", "overhead_bytes_per_field", "rss_mib_1m",
}

// maxWAL is the server's max_wal_size, and how many files of 16 MiB that is.
const (
	maxWAL   = "8GB"
	walFiles = 512
)

// use makes a new server one that has been used: its buffers have been touched, and there
// are as many files of its write-ahead log to use again as it keeps between two
// checkpoints. A new one asks the kernel for both, page by page and file by file, during
// whatever is measured first: each file that is not there yet is filled and synced while
// commits wait, 50 ms here.
func use(t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, sql := range []string{
		`CREATE UNLOGGED TABLE bench_used (x text)`,
		`ALTER TABLE bench_used ALTER x SET STORAGE PLAIN`,
		`INSERT INTO bench_used SELECT repeat('x', 7900) FROM generate_series(1, 262144)`, // 2 GB, a row a page
		`DROP TABLE bench_used`,
		fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..%d LOOP PERFORM pg_logical_emit_message(false, '', ''); PERFORM pg_switch_wal(); END LOOP; END $$`, walFiles),
		`CHECKPOINT`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// TestHeadline runs the suite on real PostgreSQL, durable, and real Vault: briefly, to
// see that all of it is measured, or with -bench.full for its figures.
func TestHeadline(t *testing.T) {
	processtest.NeedProduction(t)
	vault := transittest.StartOwn(t, transittest.Options{})
	// A server of its size, as anybody would set it: the default is for a tenth of it.
	pg := storetest.StartCluster(t, storetest.ClusterOptions{Durable: true, Settings: map[string]string{"shared_buffers": "2GB", "max_wal_size": maxWAL}})
	g := &bench.Ground{
		Program: string(processtest.Build(t)), Dir: t.TempDir(), Store: pg.Database(t),
		Vault: vault.Address, Auth: vault.RootToken, Mount: vault.Mount, Prefix: "bench-",
	}
	scale := bench.Brief()
	if *full {
		scale = bench.Full()
		if *growth >= 0 {
			scale.Growth = *growth
		}
		use(t, g.Store)
	}
	r, err := bench.Headline(t.Context(), g, scale, 1, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range headlineKeys {
		if v, ok := r.Keys[key]; !ok && scale.Growth > 0 || math.IsNaN(v) || v < 0 || ok && v == 0 {
			t.Errorf("the report has %s %v", key, v)
		}
	}
	if !slices.IsSortedFunc(r.Growth, func(a, b bench.Growth) int { return int(a.People - b.People) }) {
		t.Error("the sizes of growth are not in order")
	}
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if *into != "" {
		if err := os.WriteFile(*into, b, 0o600); err != nil {
			t.Error(err)
		}
	}
}
