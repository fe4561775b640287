package api

import "time"

// A PortalLinkRequest is the body of POST .../portal-links. It may be left out.
type PortalLinkRequest struct {
	Kind    string `json:"kind,omitempty" enum:"panel,form" doc:"panel: the person's control panel, the default; form: the consent form, to be held in a frame"`
	Browser string `json:"browser,omitempty" doc:"As the panel gave it to your sign-in page: the link is good in that browser alone"`
}

// A PortalLink is where to send the person's browser.
type PortalLink struct {
	URL     string    `json:"url"`
	Expires time.Time `json:"expires"`
}
