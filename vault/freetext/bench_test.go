package freetext_test

import (
	"strings"
	"testing"
)

func BenchmarkFind(b *testing.B) {
	d := german(b)
	var all strings.Builder
	for _, s := range sentences(b) {
		all.WriteString(s.text + "\n")
	}
	long := strings.Repeat(all.String(), 64<<10/all.Len()+1)[:64<<10]
	for name, text := range map[string]string{
		"sentence": "Frau Noether bittet um Rückruf: 030 23125 123.", "64 KiB": long, "64 KiB of numbers": adversarial(64 << 10)["national"],
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				d.Find(text)
			}
		})
	}
}
