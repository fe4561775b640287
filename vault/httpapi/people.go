package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
)

func peopleRoutes() []route {
	const hold, restriction, honey = "/v1/subjects/{subject}/hold", "/v1/subjects/{subject}/restriction", "/v1/subjects/{subject}/honey"
	done := []result{{status: 204, words: "Done"}}
	return []route{
		{
			method: http.MethodPost, path: "/v1/subjects/{subject}/reenrolment", id: "reenrol", tag: "People",
			summary: "Let an erased person come back", detail: "Opens a new generation. Nothing of the earlier ones comes back.",
			serve: (*exchange).reenrol, out: []result{{200, "The new generation", api.Generation{}, ""}},
		},
		{
			method: http.MethodPut, path: hold, id: "hold", tag: "People", summary: "Put a person under legal hold",
			detail: "Refuses everything that destroys ciphertext: erasure, deletion, overwriting.",
			in:     api.Reason{}, optional: true, serve: (*exchange).hold, out: done,
		},
		{
			method: http.MethodDelete, path: hold, id: "release", tag: "People", summary: "Lift a legal hold",
			serve: (*exchange).release, out: done,
		},
		{
			method: http.MethodPut, path: restriction, id: "restrict", tag: "People", summary: "Restrict processing to storage (GDPR Art. 18)",
			detail: "Only purposes that the catalog marks despite_restriction open anything.",
			in:     api.Reason{}, optional: true, serve: (*exchange).restrict, out: done,
		},
		{
			method: http.MethodDelete, path: restriction, id: "unrestrict", tag: "People", summary: "Lift a restriction",
			serve: (*exchange).unrestrict, out: done,
		},
		{
			method: http.MethodPut, path: honey, id: "layBait", tag: "People", summary: "Make a made-up person bait",
			detail: "Whoever is shown anything of them raises an alarm. No answer tells that they are bait.",
			serve:  (*exchange).layBait, out: done,
		},
		{
			method: http.MethodDelete, path: honey, id: "takeBait", tag: "People", summary: "End that a person is bait",
			serve: (*exchange).takeBait, out: done,
		},
		{
			method: http.MethodPost, path: "/v1/subjects/{subject}/portal-links", id: "portalLink", tag: "People", summary: "Let a person into their control panel",
			detail: "A link that is good once, for a quarter of an hour; with browser, in that browser alone. Send the person's browser there; never show it to anybody else.",
			in:     api.PortalLinkRequest{}, optional: true, serve: (*exchange).portalLink, out: []result{{200, "The link", api.PortalLink{}, ""}},
		},
		{
			method: http.MethodGet, path: "/v1/subjects/{subject}/export", id: "export", tag: "People", summary: "Everything that is held on a person",
			detail: "With values on the person's own token; to an officer the manifest. As CSV with Accept: text/csv.",
			serve:  (*exchange).export, purpose: optional,
			out: []result{{200, "The export, or the manifest", api.Export{}, ""}, {200, "", nil, mediaCSV}},
		},
	}
}

func (x *exchange) portalLink() (answer, error) {
	var in api.PortalLinkRequest
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	kind, path := vault.TicketLink, "/me/sign-in"
	switch in.Kind {
	case "", "panel":
	case "form":
		kind, path = vault.TicketForm, "/consent"
	default:
		return answer{}, invalid("kind", "must be panel or form")
	}
	ticket, expires, err := x.vault.IssueTicket(x.r.Context(), x.caller, x.params["subject"], kind, in.Browser)
	if err != nil {
		return answer{}, err
	}
	q := url.Values{"token": {ticket}}
	return encoded(http.StatusOK, api.PortalLink{URL: x.cfg.PortalURL + path + "?" + q.Encode(), Expires: expires})
}

func (x *exchange) reason() (string, error) {
	var in api.Reason
	err := x.decode(&in)
	return in.Reason, err
}

// signed answers a signed document byte for byte.
func signed(doc json.RawMessage, err error) (answer, error) {
	return answer{status: http.StatusOK, media: mediaJSON, body: doc}, err
}

func (x *exchange) reenrol() (answer, error) {
	g, err := x.vault.Reenrol(x.r.Context(), x.caller, x.params["subject"])
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, api.Generation{Generation: g})
}

func (x *exchange) hold() (answer, error)     { return x.flagPerson(x.vault.SetHold, true) }
func (x *exchange) release() (answer, error)  { return x.flagPerson(x.vault.SetHold, false) }
func (x *exchange) restrict() (answer, error) { return x.flagPerson(x.vault.SetRestriction, true) }

func (x *exchange) unrestrict() (answer, error) {
	return x.flagPerson(x.vault.SetRestriction, false)
}

func (x *exchange) layBait() (answer, error) {
	return nothing(x.vault.SetHoney(x.r.Context(), x.caller, x.params["subject"], true))
}

func (x *exchange) takeBait() (answer, error) {
	return nothing(x.vault.SetHoney(x.r.Context(), x.caller, x.params["subject"], false))
}

func (x *exchange) flagPerson(set func(context.Context, accessctl.Caller, string, bool, string) error, on bool) (answer, error) {
	why := ""
	if on {
		var err error
		if why, err = x.reason(); err != nil {
			return answer{}, err
		}
	}
	return nothing(set(x.r.Context(), x.caller, x.params["subject"], on, why))
}
