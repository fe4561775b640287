package accessctl_test

import (
	"os"
	"testing"

	"github.com/fieldvault/fieldvault/vault/pacetest"
)

func TestMain(m *testing.M) {
	pacetest.Draws("25")
	os.Exit(m.Run())
}
