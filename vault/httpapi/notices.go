package httpapi

import (
	"net/http"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

func noticeRoutes() []route {
	tenant := parameter{"tenant", "Default: the configured one", false}
	return []route{
		{
			method: http.MethodGet, path: "/v1/notices", id: "notices", tag: "Settings", summary: "What people were told, version by version",
			detail: "Public. Newest first; versions that change nothing for people are left out.", public: true,
			query: []parameter{tenant, {"before", "Versions below this one", false}},
			serve: (*exchange).notices, out: []result{{200, "A page", api.Notices{}, ""}},
		},
		{
			method: http.MethodGet, path: "/v1/notices/diff", id: "noticeDiff", tag: "Settings", summary: "What changed between two notices, in words",
			detail: "Public.", public: true,
			query: []parameter{tenant, {"from", "A version", true}, {"to", "A version", true}},
			serve: (*exchange).noticeDiff, out: []result{{200, "The changes, and who has to be asked again", api.NoticeDiff{}, ""}},
		},
		{
			method: http.MethodGet, path: "/v1/notices/{version}", id: "notice", tag: "Settings", summary: "What people were told by one version",
			detail: "Public. With the text that the hash in a receipt covers, purpose by purpose and language by language.", public: true,
			query: []parameter{tenant}, serve: (*exchange).notice, out: []result{{200, "The notice", api.Notice{}, ""}},
		},
		{
			method: http.MethodGet, path: "/.well-known/gpc.json", id: "gpc", tag: "Service", summary: "That Global Privacy Control is honoured",
			detail: "Public. A browser that sends Sec-GPC: 1 opts out of every purpose for which data are sold or shared.", public: true,
			serve: (*exchange).gpc, out: []result{{200, "The statement", api.GPC{}, ""}},
		},
	}
}

// publicTenant is the tenant that a public route speaks of.
func (x *exchange) publicTenant() string {
	if x.query.Has("tenant") {
		return x.query.Get("tenant")
	}
	return x.cfg.DefaultTenant
}

// public is an answer that anybody may keep.
func public(v any) (answer, error) {
	a, err := encoded(http.StatusOK, v)
	a.cacheable = true
	return a, err
}

func (x *exchange) notices() (answer, error) {
	before, err := x.natural("before", 0)
	if err != nil {
		return answer{}, err
	}
	list, next, err := x.vault.Notices(x.r.Context(), x.publicTenant(), before)
	if err != nil {
		return answer{}, err
	}
	out := api.Notices{Notices: make([]api.NoticeRef, len(list)), Before: next}
	for i := range list {
		out.Notices[i] = noticeRefOf(&list[i])
	}
	return public(out)
}

func noticeRefOf(n *vault.Notice) api.NoticeRef {
	ref := api.NoticeRef{
		Version: n.Catalog.Version, Published: n.Published, Changes: len(n.Changes), AskAgain: listOf(n.AskAgain),
	}
	if a := n.Catalog.Approval; a != nil {
		ref.ApprovedBy, ref.ApprovedOn = a.By, a.On
	}
	return ref
}

func (x *exchange) notice() (answer, error) {
	version, err := wholeNumber("version", x.params["version"])
	if err != nil {
		return answer{}, err
	}
	n, err := x.vault.Notice(x.r.Context(), x.publicTenant(), version)
	if err != nil {
		return answer{}, err
	}
	out := api.Notice{NoticeRef: noticeRefOf(&n), Catalog: catalogOf(n.Catalog), Texts: []api.NoticeText{}}
	for _, t := range n.Texts() {
		out.Texts = append(out.Texts, api.NoticeText(t))
	}
	return public(out)
}

func (x *exchange) noticeDiff() (answer, error) {
	for _, name := range []string{"from", "to"} {
		if !x.query.Has(name) {
			return answer{}, invalid(name, "is required: the version of a notice")
		}
	}
	from, err := x.natural("from", 0)
	if err != nil {
		return answer{}, err
	}
	to, err := x.natural("to", 0)
	if err != nil {
		return answer{}, err
	}
	changes, ask, err := x.vault.NoticeDiff(x.r.Context(), x.publicTenant(), from, to)
	if err != nil {
		return answer{}, err
	}
	return public(api.NoticeDiff{From: from, To: to, Changes: changesOf(changes), AskAgain: listOf(ask)})
}

func changesOf(list []catalog.Change) []api.Change {
	out := make([]api.Change, len(list))
	for i, c := range list {
		out[i] = api.Change{Path: c.Path, Text: c.Text, Widens: c.Widens, Material: listOf(c.Purposes)}
	}
	return out
}

func (x *exchange) gpc() (answer, error) {
	list, _, err := x.vault.Notices(x.r.Context(), x.cfg.DefaultTenant, 0)
	if err != nil {
		return answer{}, err
	}
	out := api.GPC{GPC: true}
	if len(list) > 0 {
		out.LastUpdate = list[0].Published.Format("2006-01-02")
	}
	return public(out)
}
