package oidcauth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/oauth2"
)

// A flow is one sign-in on its way. Its text, base64url without padding, is:
//
//	32 bytes  random
//	 8 bytes  when it began, in seconds since 1970, big-endian
//	 4 bytes  the age in seconds that was asked for, big-endian; 0: none
//
// State, nonce and verifier are HMAC-SHA256 under the random bytes, over what each is for,
// the other bytes, the provider, the client and the redirect: none tells of another, and
// none counts elsewhere.
type flow [44]byte

func newFlow(now time.Time, age time.Duration) (f flow) {
	_, _ = rand.Read(f[:32])                                              // it never fails
	binary.BigEndian.PutUint64(f[32:40], uint64(now.Unix()))              //nolint:gosec // the clock is past 1970
	binary.BigEndian.PutUint32(f[40:44], uint32(max(0, age/time.Second))) //nolint:gosec // an age is less than a century
	return f
}

func parseFlow(text string) (f flow, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != len(f) {
		return f, false
	}
	return flow(b), true
}

func (f *flow) text() string { return base64.RawURLEncoding.EncodeToString(f[:]) }

func (f *flow) began() time.Time {
	return time.Unix(int64(binary.BigEndian.Uint64(f[32:40])), 0) //nolint:gosec // a wrong one is out of every range
}

func (f *flow) age() time.Duration {
	return time.Duration(binary.BigEndian.Uint32(f[40:44])) * time.Second
}

// live says whether the flow has begun and is not over.
func (f *flow) live(now time.Time) bool {
	return !now.Before(f.began().Add(-leeway)) && now.Before(f.began().Add(FlowLife))
}

// derive makes the flow's secret for one use.
func (f *flow) derive(use string, c *Config) string {
	h := hmac.New(sha256.New, f[:32])
	for _, part := range []string{use, string(f[32:]), c.Issuer, c.ClientID, c.RedirectURL} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part)))) //nolint:gosec // texts of a configuration
		h.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func (f *flow) state(c *Config) string    { return f.derive("state", c) }
func (f *flow) nonce(c *Config) string    { return f.derive("nonce", c) }
func (f *flow) verifier(c *Config) string { return f.derive("verifier", c) }

// Asking says what is asked of the provider beyond a sign-in. The zero Asking is nothing.
type Asking struct {
	// Prompt is that of OpenID Connect: login, to ask for the password again, or
	// select_account.
	Prompt string
	// MaxAge is how long ago the person may have signed in at the provider, in whole
	// seconds; 0: at any time. Finish refuses an ID token that does not say so.
	MaxAge time.Duration
}

// Begin begins a sign-in: it gives the address to send the browser to, and the flow, which
// the caller keeps in that browser until Finish. The error is ErrUnavailable, or that of
// the context.
func (p *Provider) Begin(ctx context.Context, a Asking) (address, kept string, err error) {
	does, err := p.published(ctx)
	if err != nil {
		return "", "", err
	}
	f := newFlow(p.cfg.Now(), a.MaxAge)
	options := []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("nonce", f.nonce(&p.cfg)), oauth2.S256ChallengeOption(f.verifier(&p.cfg)),
	}
	if a.Prompt != "" {
		options = append(options, oauth2.SetAuthURLParam("prompt", a.Prompt))
	}
	if f.age() > 0 {
		options = append(options, oauth2.SetAuthURLParam("max_age", strconv.Itoa(int(f.age()/time.Second))))
	}
	return does.oauth.AuthCodeURL(f.state(&p.cfg), options...), f.text(), nil
}

// An answer is the query with which a browser comes back.
type answer struct{ code, state, iss, err string }

// parseAnswer reads it. A parameter that is given twice is none: readers disagree on
// which counts.
func parseAnswer(q url.Values) (a answer, ok bool) {
	for name, into := range map[string]*string{"code": &a.code, "state": &a.state, "iss": &a.iss, "error": &a.err} {
		switch list := q[name]; {
		case len(list) > 1 || len(list) == 1 && len(list[0]) > maxText:
			return answer{}, false
		case len(list) == 1:
			*into = list[0]
		}
	}
	return a, true
}
