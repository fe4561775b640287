package throttle_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/vault/throttle"
)

func TestAddresses(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:4711":              "192.0.2.1",
		"[::ffff:192.0.2.1]:4711":     "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:4711": "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::]:1":     "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":            "fe80::/64",
		"not an address":              "not an address",
		"name.example.org:1":          "name.example.org",
		"[2001:db8:1:3:3:4:5:6]:4711": "2001:db8:1:3::/64",
	} {
		if got := throttle.AddressOf(remote); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
}

func TestMeteredKeysAreBounded(t *testing.T) {
	l := throttle.New(1, 1, 0)
	now := time.Unix(0, 0)
	for i := range throttle.MaxKeys + 10 {
		if _, wait := l.Take(fmt.Sprint(i), now); wait != 0 {
			t.Fatalf("the first request of %d waits", i)
		}
	}
	if l.Len() != throttle.MaxKeys {
		t.Errorf("%d keys", l.Len())
	}
	if _, wait := l.Take(fmt.Sprint(throttle.MaxKeys), now); wait == 0 {
		t.Error("a recent key was forgotten")
	}
	if _, wait := l.Take("0", now); wait != 0 {
		t.Error("the oldest key is still known")
	}
}
