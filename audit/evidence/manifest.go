package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Manifest states which files are the evidence of how a person's request was dealt with,
// so that none can be changed, added or taken away.
type Manifest struct {
	Type     string    `json:"type"` // ManifestType, set by Sign
	Request  uuid.UUID `json:"request"`
	Tenant   string    `json:"tenant"`
	Files    []File    `json:"files"` // at least one; sorted by name, bytewise, each once
	Event    uuid.UUID `json:"event"` // id of the audit event with which the request ended
	IssuedAt time.Time `json:"issued_at"`
}

// File is one file, by name and content.
type File struct {
	Name   string `json:"name"`   // of a-z A-Z 0-9 . _ -, in folders set off by single slashes
	SHA256 string `json:"sha256"` // of its bytes, in lower-case hexadecimal
}

// NewFile describes a file.
func NewFile(name string, content []byte) File {
	sum := sha256.Sum256(content)
	return File{Name: name, SHA256: hex.EncodeToString(sum[:])}
}

func (m *Manifest) stamp() {
	m.Type, m.IssuedAt = ManifestType, m.IssuedAt.UTC()
}

func (m *Manifest) invalid() string {
	switch {
	case m.Type != ManifestType:
		return "type"
	case m.Request == uuid.Nil:
		return "request"
	case !text(m.Tenant):
		return "tenant"
	case !validFiles(m.Files):
		return "files"
	case m.Event == uuid.Nil:
		return "event"
	case !moment(m.IssuedAt):
		return "issued_at"
	}
	return ""
}

func validFiles(list []File) bool {
	for i, f := range list {
		if !fileName(f.Name) || !hexadecimal(f.SHA256, 32, 32) || i > 0 && f.Name <= list[i-1].Name {
			return false
		}
	}
	return len(list) > 0 && len(list) <= maxItems
}

// fileName reports whether s names a file below the folder that it is unpacked in, on
// any system.
func fileName(s string) bool {
	if len(s) > 255 {
		return false
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part[0] == '.' || strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
			return false
		}
	}
	return true
}
