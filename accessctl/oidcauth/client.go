package oidcauth

import (
	"errors"
	"fmt"
	"io"
	"net/http"
)

// safeClient returns a copy of the client that follows no redirect, which would take
// the code and the secret elsewhere, and reads no more than a bounded answer.
func safeClient(client *http.Client) *http.Client {
	safe := http.Client{}
	if client != nil {
		safe = *client
	}
	safe.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	safe.Jar = nil
	if safe.Timeout == 0 || safe.Timeout > askTime {
		safe.Timeout = askTime
	}
	under := safe.Transport
	if under == nil {
		under = http.DefaultTransport
	}
	safe.Transport = bounded{under}
	return &safe
}

// errTooLarge says that an answer is larger than any that is in order.
var errTooLarge = errors.New("the answer is too large")

// bounded is a transport whose answers end with an error past a bound.
type bounded struct{ under http.RoundTripper }

// RoundTrip sends a request, unless somebody between could read it.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if !address(r.URL.String()) {
		return nil, errors.New("the address is neither https nor on this machine")
	}
	resp, err := b.under.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("asking the provider: %w", err)
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxAnswer}
	return resp, nil
}

type boundedBody struct {
	io.ReadCloser
	left int
}

// Read fails once the bound is passed.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	if b.left -= n; b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
