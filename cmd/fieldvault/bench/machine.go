package bench

import (
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// A Machine is what figures were measured on. Without it they mean nothing.
type Machine struct {
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"`
	Go    string `json:"go"`
	Tink  string `json:"tink"`
}

func machine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version()}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		_, rest, _ := strings.Cut(string(b), "model name\t: ")
		m.CPU, _, _ = strings.Cut(rest, "\n")
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/tink-crypto/tink-go/v2" {
				m.Tink = d.Version
			}
		}
	}
	return m
}
