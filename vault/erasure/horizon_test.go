package erasure_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/vault/erasure"
)

const day = 24 * time.Hour

func settings() erasure.Settings {
	return erasure.Settings{
		BackupRetention: 365 * day, KEKBackupRetention: 30 * day, VaultSnapshotRetention: 14 * day,
		TrimLag: 90 * day, IndexLag: 180 * day,
	}
}

func TestHorizon(t *testing.T) {
	for _, tt := range []struct {
		name    string
		edit    func(*erasure.Settings)
		after   time.Duration // 0: nothing is promised
		parts   int
		missing string
	}{
		{"index keys are the latest", func(*erasure.Settings) {}, (180 + 90 + 30) * day, 4, ""},
		{"snapshots outlive backups", func(s *erasure.Settings) { s.VaultSnapshotRetention = 60 * day }, (180 + 90 + 60) * day, 4, ""},
		{"no copies of the key store", func(s *erasure.Settings) {
			s.KEKBackupRetention, s.VaultSnapshotRetention = erasure.None, erasure.None
		}, 270 * day, 4, ""},
		{"a local key file", func(s *erasure.Settings) { s.VaultSnapshotRetention = erasure.None }, 300 * day, 4, ""},
		{"retention of database backups does not matter", func(s *erasure.Settings) { s.BackupRetention = 0 }, 300 * day, 3, ""},
		{"not configured", func(s *erasure.Settings) { *s = erasure.Settings{} }, 0, 0, "snapshots of Vault"},
		{"only database backups", func(s *erasure.Settings) { *s = erasure.Settings{BackupRetention: day} }, 0, 1, "backups of the key store"},
		{"no trim promised", func(s *erasure.Settings) { s.TrimLag = 0 }, 0, 1, "trimmed"},
		{"no trim is no answer", func(s *erasure.Settings) { s.TrimLag = erasure.None }, 0, 1, "trimmed"},
		{"no index keys destroyed", func(s *erasure.Settings) { s.IndexLag = 0 }, 0, 1, "index keys"},
		{"backups of the key store forgotten", func(s *erasure.Settings) { s.KEKBackupRetention = 0 }, 0, 1, "backups of the key store"},
		{"a negative time", func(s *erasure.Settings) { s.KEKBackupRetention = -day }, 0, 1, "backups of the key store"},
	} {
		s := settings()
		tt.edit(&s)
		h := s.Horizon(noon)
		want := time.Time{}
		if tt.after > 0 {
			want = noon.Add(tt.after)
		}
		if !h.At.Equal(want) || len(h.Parts) != tt.parts {
			t.Errorf("%s: %v with %d parts, want %v with %d", tt.name, h.At, len(h.Parts), want, tt.parts)
		}
		if missing := strings.Join(h.Missing, ", "); (missing == "") != (tt.missing == "") || !strings.Contains(missing, tt.missing) {
			t.Errorf("%s: missing %q, want %q", tt.name, missing, tt.missing)
		}
	}
}

func TestHorizonNamesWhatItRestsOn(t *testing.T) {
	want := []struct {
		days int
		kind evidence.Kind
		text string
	}{
		{365, evidence.Procedural, "deleted within 365 days"},
		{90, evidence.Cryptographic, "itself destroyed within 90 days"},
		{120, evidence.Procedural, "deleted within 30 days of its destruction"},
		{300, evidence.Cryptographic, "destroyed within 180 days"},
	}
	parts := settings().Horizon(noon).Parts
	if len(parts) != len(want) {
		t.Fatalf("%d parts, want %d", len(parts), len(want))
	}
	for i, w := range want {
		if p := parts[i]; !p.At.Equal(noon.Add(time.Duration(w.days)*day)) || p.Kind != w.kind || !strings.Contains(p.Text, w.text) {
			t.Errorf("part %d: %+v, want %+v", i, p, w)
		}
	}
}

func TestErasedBefore(t *testing.T) {
	at := func(days int) time.Time { return noon.Add(time.Duration(days) * day) }
	version := func(created, destroyed int) erasure.KeyVersion {
		v := erasure.KeyVersion{Created: at(created)}
		if destroyed >= 0 {
			v.Destroyed = at(destroyed)
		}
		return v
	}
	const lives = -1
	type list = []erasure.KeyVersion
	for _, tt := range []struct {
		name       string
		kek, index list
		now        int
		want       int // days; lives: nobody
	}{
		{"nothing was rotated", list{version(0, lives)}, nil, 400, 0},
		{"rotated, not trimmed", list{version(0, lives), version(100, lives)}, nil, 400, 0},
		{"trimmed, its backups remain", list{version(0, 150), version(100, lives)}, nil, 179, 0},
		{"trimmed, its backups are gone", list{version(0, 150), version(100, lives)}, nil, 180, 100},
		{"two trimmed", list{version(0, 150), version(100, 250), version(200, lives)}, nil, 300, 200},
		{"the middle one was forgotten", list{version(0, 150), version(100, lives), version(200, lives)}, nil, 300, 100},
		{"an index key lives on", list{version(0, 150), version(100, lives)}, list{version(0, lives)}, 300, 0},
		{"a younger index key lives", list{version(0, 150), version(100, lives)}, list{version(50, lives)}, 300, 50},
		{"an index key destroyed under a version that is past", list{version(0, 150), version(100, lives)}, list{version(0, 90), version(90, lives)}, 300, 90},
		{"an index key destroyed under one that is not", list{version(0, 150), version(100, lives)}, list{version(0, 120), version(110, lives)}, 300, 0},
		{"no version is known", nil, nil, 300, lives},
		{"a creation is not known", list{{}, version(100, lives)}, nil, 300, lives},
		{"a creation is not known, but it is past", list{{Destroyed: at(150)}, version(100, lives)}, nil, 300, 100},
		{"an index key's creation is not known", list{version(0, 150), version(100, lives)}, list{{}}, 300, lives},
	} {
		got := settings().ErasedBefore(tt.kek, tt.index, at(tt.now))
		want := time.Time{}
		if tt.want != lives {
			want = at(tt.want)
		}
		if !got.Equal(want) {
			t.Errorf("%s: %v, want %v", tt.name, got, want)
		}
	}
	s := settings()
	s.KEKBackupRetention = 0
	if got := s.ErasedBefore(list{version(0, 150), version(100, lives)}, nil, at(300)); !got.IsZero() {
		t.Errorf("without a retention of the key store's backups: %v, want nothing", got)
	}
}
