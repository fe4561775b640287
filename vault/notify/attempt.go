package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// maxAnswer is how many bytes of an answer's body are read, so that its connection
// can be used again, and of its headers.
const maxAnswer = 16 << 10

// An attempt is how one sending of a message ended.
type attempt struct {
	why    string        // why it was not delivered, in words of this package; empty: it was
	status int           // of the answer; 0: there was none
	again  bool          // another attempt may help
	after  time.Duration // how long the receiver asks to wait
}

// attempt sends a message once.
func (s *Sender) attempt(ctx context.Context, m message) attempt {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.URL, bytes.NewReader(m.body))
	if err != nil {
		return attempt{why: "the request could not be made"}
	}
	now := s.cfg.Now()
	stamp := strconv.FormatInt(now.Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "fieldvault")
	req.Header.Set(HeaderID, m.id)
	req.Header.Set(HeaderTimestamp, stamp)
	req.Header.Set(HeaderSignature, sign(s.cfg.Secret, m.id, stamp, m.body))
	res, err := s.http.Do(req)
	if err != nil {
		return attempt{why: reason(err), again: true}
	}
	defer res.Body.Close() //nolint:errcheck // nothing of it is used
	// What counts is the status, which has arrived: an error here costs the connection only.
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer)
	return judge(res, now)
}

// judge says what an answer means.
func judge(res *http.Response, now time.Time) attempt {
	switch c := res.StatusCode; {
	case c >= 200 && c < 300:
		return attempt{}
	case c >= 300 && c < 400:
		return attempt{why: "it was answered with a redirect, which is not followed", status: c}
	case c == http.StatusTooManyRequests || c >= 500:
		return attempt{why: "the receiver cannot take it now", status: c, again: true, after: retryAfter(res, now)}
	default:
		return attempt{why: "the receiver does not want it", status: c}
	}
}

// retryAfter is how long an answer asks to wait (RFC 9110, section 10.2.3), or 0.
func retryAfter(res *http.Response, now time.Time) time.Duration {
	text := res.Header.Get("Retry-After")
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return time.Duration(min(n, uint64(maxAfter/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}

// reason puts an error of net/http into words of our own: its text can hold the
// address, or what the other side said.
func reason(err error) string {
	var timeout net.Error
	var cert *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.Is(err, context.Canceled):
		return "there was no more time for it"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "there was no answer in time"
	case errors.As(err, &cert):
		return "the certificate of the receiver does not verify"
	case errors.As(err, &op) && op.Op == "dial":
		return "the receiver cannot be reached"
	}
	return "the connection broke, or the answer is none"
}
