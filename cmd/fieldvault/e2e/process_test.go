//go:build e2e

package e2e_test

import (
	"os"
	"testing"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
)

func TestMain(m *testing.M) { os.Exit(processtest.Main(m)) }

const patience = processtest.Patience

type process = processtest.Process

func needProduction(t *testing.T) {
	t.Helper()
	processtest.NeedProduction(t)
}

// run runs a verb to its end; see [processtest.Program.Run].
func run(t *testing.T, code int, env []string, args ...string) string {
	t.Helper()
	return processtest.Build(t).Run(t, code, env, args...)
}

// start runs the program until the test ends.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return processtest.Build(t).Start(t, env, args...)
}
