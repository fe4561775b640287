package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a message.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// signaturePrefix names the scheme: an HMAC-SHA-256 with a shared secret.
const signaturePrefix = "v1,"

// maxSignatures bounds how many signatures of one message are looked at.
const maxSignatures = 8

// Check says whether a message that arrived was signed with the secret, at most
// [Tolerance] from now. body is the body to its last byte, as it came.
//
// While a secret is exchanged a message may carry several signatures, with spaces
// between them; one that holds is enough, and of schemes other than v1 none does.
// The time that a comparison takes tells nothing of the secret.
//
// The error is ErrSignature; ErrTime for a signature that holds, but is old; or
// ErrSecret. A message that passes may be a repetition: see the package.
func Check(secret []byte, header http.Header, body []byte, now time.Time) error {
	if len(secret) < MinSecret {
		return ErrSecret
	}
	id, ok := single(header, HeaderID)
	stamp, isTime := single(header, HeaderTimestamp)
	given, signed := single(header, HeaderSignature)
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if !ok || !isTime || !signed || err != nil || strconv.FormatInt(seconds, 10) != stamp || !validID(id) {
		return ErrSignature
	}
	if !matches(given, sign(secret, id, stamp, body)) {
		return ErrSignature
	}
	at := time.Unix(seconds, 0)
	if now.Add(Tolerance).Before(at) || at.Add(Tolerance).Before(now) {
		return ErrTime
	}
	return nil
}

// single is the value of a header that is there exactly once.
func single(h http.Header, name string) (string, bool) {
	all := h.Values(name)
	if len(all) != 1 {
		return "", false
	}
	return all[0], true
}

// matches says whether one of the given signatures is the one wanted.
func matches(given, want string) bool {
	list := strings.SplitN(given, " ", maxSignatures+1)
	if len(list) > maxSignatures {
		return false
	}
	found := false
	for _, s := range list {
		found = hmac.Equal([]byte(s), []byte(want)) || found
	}
	return found
}

// sign makes the signature of a message, as its header tells it.
func sign(secret []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	return signaturePrefix + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// validID says whether an id has 1 to MaxID of A-Z a-z 0-9 _ and -.
func validID(s string) bool {
	if s == "" || len(s) > MaxID {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// validKind says whether a kind matches [a-z][a-z0-9_.]{0,62}.
func validKind(s string) bool {
	if s == "" || len(s) > MaxKind || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
