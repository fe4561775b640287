package notify_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/vault/notify"
)

var when = time.Unix(1_700_000_000, 0)

// signature is made anew here, so that a mistake in the package shows.
func signature(key []byte, id, stamp, body string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "." + body))
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func headers(id, stamp, sig string) http.Header {
	h := http.Header{}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", stamp)
	h.Set("webhook-signature", sig)
	return h
}

func good() (http.Header, []byte) {
	body := `{"kind":"honey"}`
	stamp := strconv.FormatInt(when.Unix(), 10)
	return headers("msg_1", stamp, signature(secret, "msg_1", stamp, body)), []byte(body)
}

// TestTheSchemeIsStandardWebhooks: the vector is the one of that project's own
// libraries, whose secret is shorter than this package allows; the others were made with openssl.
func TestTheSchemeIsStandardWebhooks(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", `{"test": 2432232314}`)
	if got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("this test signs otherwise: %s", got)
	}
	vectors, err := os.ReadFile("testdata/signatures.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(vectors)) {
		part := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 5)
		key, err := base64.StdEncoding.DecodeString(part[0])
		at, bad := strconv.ParseInt(part[2], 10, 64)
		if err = errors.Join(err, bad); err != nil {
			t.Fatal(err)
		}
		if err := notify.Check(key, headers(part[1], part[2], part[3]), []byte(part[4]), time.Unix(at, 0)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestEveryFlippedBitIsSeen(t *testing.T) {
	h, body := good()
	if err := notify.Check(secret, h, body, when); err != nil {
		t.Fatal(err)
	}
	flips := func(b []byte, check func() error) {
		t.Helper()
		for i := range b {
			for bit := range 8 {
				b[i] ^= 1 << bit
				if err := check(); !errors.Is(err, notify.ErrSignature) {
					t.Errorf("byte %d, bit %d: %v", i, bit, err)
				}
				b[i] ^= 1 << bit
			}
		}
	}
	flips(body, func() error { return notify.Check(secret, h, body, when) })
	key := bytes.Clone(secret)
	flips(key, func() error { return notify.Check(key, h, body, when) })
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		text := []byte(h.Get(name))
		flips(text, func() error {
			other := h.Clone()
			other.Set(name, string(text))
			return notify.Check(secret, other, body, when)
		})
	}
}

func TestBadHeadersAreRefused(t *testing.T) {
	h, body := good()
	id, stamp, sig := h.Get("webhook-id"), h.Get("webhook-timestamp"), h.Get("webhook-signature")
	signed := func(id, stamp string) http.Header {
		return headers(id, stamp, signature(secret, id, stamp, string(body)))
	}
	for name, bad := range map[string]http.Header{
		"no headers":         {},
		"no id":              {"Webhook-Timestamp": {stamp}, "Webhook-Signature": {sig}},
		"no timestamp":       {"Webhook-Id": {id}, "Webhook-Signature": {sig}},
		"no signature":       {"Webhook-Id": {id}, "Webhook-Timestamp": {stamp}},
		"empty signature":    headers(id, stamp, ""),
		"two ids":            {"Webhook-Id": {id, "other"}, "Webhook-Timestamp": {stamp}, "Webhook-Signature": {sig}},
		"two timestamps":     {"Webhook-Id": {id}, "Webhook-Timestamp": {stamp, "1"}, "Webhook-Signature": {sig}},
		"two signatures":     {"Webhook-Id": {id}, "Webhook-Timestamp": {stamp}, "Webhook-Signature": {sig, sig}},
		"another scheme":     headers(id, stamp, strings.Replace(sig, "v1,", "v1a,", 1)),
		"no scheme":          headers(id, stamp, strings.TrimPrefix(sig, "v1,")),
		"no padding":         headers(id, stamp, strings.TrimRight(sig, "=")),
		"trailing text":      headers(id, stamp, sig+"x"),
		"commas between":     headers(id, stamp, sig+","+sig),
		"too many":           headers(id, stamp, strings.Repeat(sig+" ", 8)+sig),
		"signed empty id":    signed("", stamp),
		"signed id, stop":    signed("msg.1", stamp),
		"signed long id":     signed(strings.Repeat("x", notify.MaxID+1), stamp),
		"signed no time":     signed(id, ""),
		"signed words":       signed(id, "now"),
		"signed plus":        signed(id, "+"+stamp),
		"signed zero":        signed(id, "0"+stamp),
		"signed fraction":    signed(id, stamp+".0"),
		"signed hexadecimal": signed(id, "0x6553f100"),
		"signed huge":        signed(id, "99999999999999999999"),
	} {
		if err := notify.Check(secret, bad, body, when); !errors.Is(err, notify.ErrSignature) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestNoPartMovesIntoAnother: id, timestamp and body are one text when signed, but
// have one reading.
func TestNoPartMovesIntoAnother(t *testing.T) {
	stamp := strconv.FormatInt(when.Unix(), 10)
	sig := signature(secret, "a", stamp, stamp+".body")
	if err := notify.Check(secret, headers("a", stamp, sig), []byte(stamp+".body"), when); err != nil {
		t.Fatal(err)
	}
	if err := notify.Check(secret, headers("a."+stamp, stamp, sig), []byte("body"), when); !errors.Is(err, notify.ErrSignature) {
		t.Errorf("error %v", err)
	}
}

func TestOneOfSeveralSignaturesIsEnough(t *testing.T) {
	h, body := good()
	sig := h.Get("webhook-signature")
	other := signature(bytes.Repeat([]byte("o"), 32), "msg_1", h.Get("webhook-timestamp"), string(body))
	for _, list := range []string{sig + " " + other, other + " " + sig, "v1a,AAAA " + sig, strings.Repeat(other+" ", 7) + sig} {
		h.Set("webhook-signature", list)
		if err := notify.Check(secret, h, body, when); err != nil {
			t.Errorf("%s: %v", list, err)
		}
	}
}

func TestToleranceIsFiveMinutes(t *testing.T) {
	h, body := good()
	for after, want := range map[time.Duration]error{
		0: nil, 5 * time.Minute: nil, -5 * time.Minute: nil,
		5*time.Minute + 1: notify.ErrTime, -5*time.Minute - 1: notify.ErrTime, 1 << 62: notify.ErrTime, -1 << 62: notify.ErrTime,
	} {
		if err := notify.Check(secret, h, body, when.Add(after)); !errors.Is(err, want) {
			t.Errorf("after %v: %v, want %v", after, err, want)
		}
	}
	h.Set("webhook-signature", "v1,")
	if err := notify.Check(secret, h, body, when.Add(time.Hour)); !errors.Is(err, notify.ErrSignature) {
		t.Errorf("the time of what was not signed: %v", err)
	}
	for _, stamp := range []string{"0", "-1", "9223372036854775807", "-9223372036854775808"} {
		h := headers("a", stamp, signature(secret, "a", stamp, ""))
		if err := notify.Check(secret, h, nil, when); !errors.Is(err, notify.ErrTime) {
			t.Errorf("signed at %s: %v", stamp, err)
		}
	}
}

func TestAShortSecretNeverPasses(t *testing.T) {
	h, body := good()
	for _, short := range [][]byte{nil, {}, secret[:notify.MinSecret-1]} {
		h.Set("webhook-signature", signature(short, "msg_1", h.Get("webhook-timestamp"), string(body)))
		if err := notify.Check(short, h, body, when); !errors.Is(err, notify.ErrSecret) {
			t.Errorf("%d bytes: %v", len(short), err)
		}
	}
}

// FuzzOnlyWhatWasSignedPasses: a message passes exactly if its headers are in form
// and one of its signatures is the right one.
func FuzzOnlyWhatWasSignedPasses(f *testing.F) {
	h, body := good()
	f.Add(h.Get("webhook-id"), h.Get("webhook-timestamp"), h.Get("webhook-signature"), body, int64(0))
	f.Add("a.b", "1", "v1,", []byte("x"), int64(5))
	f.Add("msg_1", "-1", "v1,AAAA v1,BBBB", []byte{}, int64(1<<40))
	f.Fuzz(func(t *testing.T, id, stamp, sig string, body []byte, off int64) {
		now := when.Add(time.Duration(off))
		err := notify.Check(secret, headers(id, stamp, sig), body, now)
		right := signature(secret, id, stamp, string(body))
		if err == nil && !strings.Contains(" "+sig+" ", " "+right+" ") {
			t.Fatal("passes without its signature")
		}
		if !errors.Is(err, nil) && !errors.Is(err, notify.ErrSignature) && !errors.Is(err, notify.ErrTime) {
			t.Fatalf("error %v", err)
		}
		seconds, bad := strconv.ParseInt(stamp, 10, 64)
		inForm := bad == nil && strconv.FormatInt(seconds, 10) == stamp && id != "" && len(id) <= notify.MaxID &&
			strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == ""
		err = notify.Check(secret, headers(id, stamp, right), body, now)
		if inForm == errors.Is(err, notify.ErrSignature) {
			t.Fatalf("with the right signature: %v", err)
		}
		if err == nil && now.Sub(time.Unix(seconds, 0)).Abs() > notify.Tolerance {
			t.Fatal("passes at the wrong time")
		}
	})
}
