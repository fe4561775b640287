package oidcauth

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
)

// Finish ends a sign-in: kept is the flow that Begin gave to this browser, query what the
// browser came back with. It answers whom the provider vouches for; Principal.Expires is
// the end of its ID token. The caller drops the flow, whatever the answer. The error is
// ErrRefused, ErrNotSignedIn or ErrUnavailable.
func (p *Provider) Finish(ctx context.Context, kept string, query url.Values) (accessctl.Principal, error) {
	f, ok := parseFlow(kept)
	if !ok || !f.live(p.cfg.Now()) {
		return p.strange(ctx, "flow")
	}
	a, ok := parseAnswer(query)
	if !ok || !same(a.state, f.state(&p.cfg)) {
		return p.strange(ctx, "state")
	}
	does, err := p.published(ctx)
	if err != nil {
		return accessctl.Principal{}, ErrUnavailable
	}
	switch {
	case a.iss != p.cfg.Issuer && (query.Has("iss") || does.namesISS):
		return p.refuse(ctx, "iss of the answer")
	case query.Has("error"):
		return p.notSignedIn(ctx, a.err)
	case a.code == "":
		return p.refuse(ctx, "code")
	}
	token, err := does.oauth.Exchange(oidc.ClientContext(ctx, p.cfg.HTTPClient), a.code, oauth2.VerifierOption(f.verifier(&p.cfg)))
	if err != nil {
		return p.notExchanged(ctx, err)
	}
	return p.principal(ctx, does, &f, token)
}

// refuse answers ErrRefused, and tells the logger which rule was broken.
func (p *Provider) refuse(ctx context.Context, rule string) (accessctl.Principal, error) {
	p.cfg.Logger.InfoContext(ctx, "sign-in refused", "rule", rule)
	return accessctl.Principal{}, ErrRefused
}

// strange is refuse for what is no answer to a sign-in of this browser. Anybody can send
// such requests, so they fill no log unless it is asked for.
func (p *Provider) strange(ctx context.Context, rule string) (accessctl.Principal, error) {
	p.cfg.Logger.DebugContext(ctx, "sign-in refused", "rule", rule)
	return accessctl.Principal{}, ErrRefused
}

// missing answers ErrUnavailable, and tells the logger what could not be had.
func (p *Provider) missing(ctx context.Context, what string) (accessctl.Principal, error) {
	p.cfg.Logger.WarnContext(ctx, "the sign-in provider is not available", "missing", what)
	return accessctl.Principal{}, ErrUnavailable
}

// notSignedIn answers for the error that the provider sent the browser back with. Only a
// code of the standard is logged.
func (p *Provider) notSignedIn(ctx context.Context, code string) (accessctl.Principal, error) {
	switch code {
	case "temporarily_unavailable", "server_error":
		return p.missing(ctx, code)
	case "access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required",
		"invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope":
	default:
		code = "another error"
	}
	p.cfg.Logger.InfoContext(ctx, "the provider signed nobody in", "code", code)
	return accessctl.Principal{}, ErrNotSignedIn
}

// notExchanged answers for a code that the provider gave no token for. What it sent is not
// logged: it may hold the code.
func (p *Provider) notExchanged(ctx context.Context, err error) (accessctl.Principal, error) {
	var said *oauth2.RetrieveError
	if !errors.As(err, &said) || said.Response == nil {
		return p.missing(ctx, "token endpoint")
	}
	switch status := said.Response.StatusCode; {
	case said.ErrorCode == "invalid_client" || status == http.StatusUnauthorized:
		return p.missing(ctx, "the provider's trust in this client: check the client's id and secret")
	case said.ErrorCode == "" && status < 300, status == http.StatusTooManyRequests, status >= 500:
		return p.missing(ctx, "token endpoint")
	}
	return p.refuse(ctx, "code")
}

// principal is whom the ID token speaks for, if all of it holds.
func (p *Provider) principal(ctx context.Context, does *published, f *flow, token *oauth2.Token) (accessctl.Principal, error) {
	text, _ := token.Extra("id_token").(string)
	if text == "" || len(text) > maxToken {
		return p.refuse(ctx, "ID token")
	}
	keys := &keyWatch{KeySet: does.keys}
	verifier := oidc.NewVerifier(p.cfg.Issuer, keys, &oidc.Config{
		ClientID: p.cfg.ClientID, SupportedSigningAlgs: p.cfg.Algorithms, Now: func() time.Time { return p.cfg.Now().Add(-leeway) },
	})
	id, err := verifier.Verify(ctx, text)
	switch {
	case keys.missing:
		return p.missing(ctx, "keys")
	case err != nil:
		return p.refuse(ctx, "signature, issuer, audience or time")
	case !same(id.Nonce, f.nonce(&p.cfg)):
		return p.refuse(ctx, "nonce")
	case id.AccessTokenHash != "" && id.VerifyAccessToken(token.AccessToken) != nil:
		return p.refuse(ctx, "at_hash")
	case id.IssuedAt.Before(f.began().Add(-backdated)):
		return p.refuse(ctx, "iat")
	}
	var payload json.RawMessage
	var more struct {
		Party    *string  `json:"azp"`
		SignedIn *float64 `json:"auth_time"`
	}
	if id.Claims(&payload) != nil || id.Claims(&more) != nil {
		return p.refuse(ctx, "payload")
	}
	if more.Party != nil && *more.Party != p.cfg.ClientID {
		return p.refuse(ctx, "azp")
	}
	if age := f.age(); age > 0 && (more.SignedIn == nil || p.cfg.Now().Sub(time.Unix(int64(*more.SignedIn), 0)) > age+leeway) {
		return p.refuse(ctx, "auth_time")
	}
	who, err := jwtauth.PrincipalOf(payload, p.reading(), p.cfg.Now())
	if err != nil {
		return p.refuse(ctx, err.Error()) // it names a rule and no value
	}
	return who, nil
}

// reading is what the claims must say.
func (p *Provider) reading() jwtauth.Reading {
	return jwtauth.Reading{
		Issuer: p.cfg.Issuer, Audience: p.cfg.ClientID, Tenants: p.cfg.Tenants, MaxLifetime: longestLife, Leeway: leeway,
		TenantClaim: p.cfg.TenantClaim, RolesClaim: p.cfg.RolesClaim, SubjectClaim: p.cfg.SubjectClaim,
	}
}

// keyWatch notes whether the keys could not be had: the verifier's error does not say.
type keyWatch struct {
	oidc.KeySet
	missing bool
}

// VerifySignature is that of the key set. Of its errors only those wrap another that came
// with a failed fetch.
func (k *keyWatch) VerifySignature(ctx context.Context, text string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, text)
	k.missing = errors.Unwrap(err) != nil
	return payload, err
}

// same compares without telling where two texts differ. An empty text is like no other.
func same(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
