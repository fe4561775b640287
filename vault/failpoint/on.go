//go:build failpoints

package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// The point that is chosen, and how often it is passed before.
var (
	chosen, nth = parse(os.Getenv("FIELDVAULT_TEST_FAILPOINT"))
	passed      atomic.Int64
)

func parse(text string) (name string, nth int64) {
	name, count, ok := strings.Cut(text, ":")
	if !ok {
		return name, 1
	}
	nth, err := strconv.ParseInt(count, 10, 64)
	if err != nil || nth < 1 {
		panic("FIELDVAULT_TEST_FAILPOINT is name or name:n, with n from 1")
	}
	return name, nth
}

// Hit ends the process if this is the chosen point.
func Hit(name string) {
	if name != chosen || passed.Add(1) != nth {
		return
	}
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill() // SIGKILL: nothing runs any more
	}
	select {}
}
