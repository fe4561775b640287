package page_test

import (
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// serviceShots are the pages about the service.
func serviceShots(c *catalog.Catalog, in page.Frame) []shot {
	return []shot{
		{"console-reports", in, reports(c)},
		{"console-reports-empty", in, emptyReports()},
		{"console-catalog", in, consoleCatalog(c)},
		{"console-catalog-empty", in, page.ConsoleCatalog{}},
		{"console-explain", in, explain(c)},
		{"console-explain-masked", in, explained(c, page.ConsoleAnswer{How: page.ShownMasked, Policies: []page.PolicyUsed{{ID: "support-masked", Line: policyLine("support-masked"), Permitted: true}}})},
		{"console-explain-hidden", in, explained(c, page.ConsoleAnswer{How: page.ShownHidden, Why: "consent", Rule: "the purpose rests on consent, and the person has not consented"})},
		{"console-explain-forbidden", in, explained(c, page.ConsoleAnswer{How: page.ShownHidden, Why: "policy", Policies: []page.PolicyUsed{{ID: "operators-read-nothing", Line: policyLine("operators-read-nothing")}}})},
		{"console-explain-none", in, explained(c, page.ConsoleAnswer{How: page.ShownHidden, Why: "policy"})},
		{"console-explain-wrong", in, page.ConsoleExplain{Roles: roles(), NoRole: true, Purposes: choices(c), Fields: fields(c), Consents: consents()}},
		{"console-keys", in, keys()},
		{"console-keys-none", in, page.ConsoleKeys{}},
		{"console-audit", in, auditLog(c)},
		{"console-audit-none", in, page.ConsoleAudit{Log: *checkpoint(true), Person: "c-2", Actor: officer, From: "2026-11-01", To: "2026-11-26"}},
		{"console-audit-wrong", in, page.ConsoleAudit{Log: *checkpoint(false), From: "2026-11-26", To: "2026-11-01", BadDay: true}},
		{"console-audit-empty", in, page.ConsoleAudit{}},
		{"console-event", in, event(c)},
		{"console-event-pruned", in, page.ConsoleEventPage{ConsoleEvent: page.ConsoleEvent{Index: 7, At: day(2023, time.May, 2), Pruned: true}, Proven: true, Hashes: 1, Log: *checkpoint(true)}},
		{"console-event-unproven", in, page.ConsoleEventPage{ConsoleEvent: event(c).ConsoleEvent}},
	}
}

func reports(c *catalog.Catalog) page.ConsoleReports {
	var days []time.Time
	for i := range 13 {
		days = append(days, day(2026, time.August, 31+7*i))
	}
	over := func(name, key string, values ...float64) page.ConsoleSeries {
		return page.ConsoleSeries{Name: name, Key: key, Values: values}
	}
	var purposes []string
	for _, p := range c.Purposes {
		purposes = append(purposes, p.Title)
	}
	return page.ConsoleReports{
		Days: 90, Windows: []int{7, 30, 90, 365}, Log: *checkpoint(true),
		Unused: []string{"Fax", "Company"}, Idle: purposes[3:], Review: purposes[2:3],
		Charts: []page.ConsoleChart{
			{Kind: page.ChartByPurpose, Labels: purposes, Series: []page.ConsoleSeries{over("", "", 412, 655, 210, 0)}},
			{
				Kind: page.ChartByField, Labels: []string{"First name", "Last name", "E-mail address", "Telephone", "Street and number", "City", "Total"},
				Series: []page.ConsoleSeries{over("", "", 312, 344, 290, 101, 77, 80, 73)},
			},
			{Kind: page.ChartByRole, Labels: []string{"app", "support", "billing", "marketing"}, Series: []page.ConsoleSeries{over("", "", 520, 402, 245, 110)}},
			{Kind: page.ChartDenials, Days: days, Series: []page.ConsoleSeries{over("", "", 1, 0, 2, 1, 0, 0, 3, 1, 12, 2, 0, 1, 1)}},
			{Kind: page.ChartErasures, Days: days, Series: []page.ConsoleSeries{over("", "console.series.people", 0, 1, 0, 0, 2, 1, 0, 0, 1, 3, 0, 1, 0)}},
			{Kind: page.ChartConsent, Days: days, Series: []page.ConsoleSeries{
				over(purposes[2], "", .61, .62, .6, .58, .59, .57, .55, .56, .54, .55, .52, .53, .51),
				over(purposes[3], "", .3, .31, .33, .32, .35, .36, .36, .38, .37, .4, .41, .41, .42),
			}},
			{Kind: page.ChartRequests, Days: days, Series: []page.ConsoleSeries{
				over("", "console.series.open", 2, 3, 3, 4, 2, 1, 3, 5, 6, 4, 4, 5, 6), over("", "console.series.late", 0, 0, 1, 0, 0, 0, 0, 1, 2, 1, 0, 0, 1),
			}},
		},
	}
}

// emptyReports has each chart without a value.
func emptyReports() page.ConsoleReports {
	r := page.ConsoleReports{Days: 7, Windows: []int{7, 30, 90, 365}, Log: *checkpoint(true)}
	for _, k := range []page.ConsoleChartKind{
		page.ChartByPurpose, page.ChartByField, page.ChartByRole, page.ChartDenials, page.ChartErasures, page.ChartConsent, page.ChartRequests,
	} {
		r.Charts = append(r.Charts, page.ConsoleChart{Kind: k, Days: []time.Time{day(2026, time.November, 20)}, Series: []page.ConsoleSeries{{Values: []float64{0}}}})
	}
	return r
}

func consoleCatalog(c *catalog.Catalog) page.ConsoleCatalog {
	m := page.ConsoleCatalog{Version: 3, At: day(2026, time.November, 2), MayAsk: true, Changes: []string{"“Telephone” is now also used for “Helping you”."}}
	for i, p := range c.Purposes {
		m.Purposes = append(m.Purposes, page.ConsolePurpose{Title: p.Title, Name: p.ID, Basis: page.Basis(p.Basis), Review: day(2027, time.June, 30), Late: i == 2, Fields: 18 - i})
	}
	for _, b := range []page.Basis{page.BasisLegalObligation, page.BasisVitalInterests, page.BasisPublicTask, page.BasisLegitimateInterests} {
		m.Purposes = append(m.Purposes, page.ConsolePurpose{Title: c.Purposes[1].Title, Name: c.Purposes[1].ID, Basis: b})
	}
	for _, col := range c.Collections {
		kept := page.ConsoleCollection{Title: col.Title}
		for i, f := range col.Fields {
			kept.Fields = append(kept.Fields, page.ConsoleField{
				Title: f.Title, Purposes: titles(c, f), Days: int(f.Retention), Special: i == 2, Indexed: f.Name == "email",
				Explain: page.PathConsoleExplain + "?field=" + col.Name + "." + f.Name,
			})
		}
		m.Kept = append(m.Kept, kept)
	}
	m.Kept[0].Fields[5].Purposes, m.Kept[0].Fields[5].Explain = nil, ""
	return m
}

func roles() []page.Choice {
	return []page.Choice{{Value: "app", Title: "app"}, {Value: "support", Title: "support", Chosen: true}, {Value: "billing", Title: "billing"}, {Value: "marketing", Title: "marketing"}, {Value: "dpo", Title: "dpo"}}
}

func fields(c *catalog.Catalog) (list []page.Choice) {
	for _, col := range c.Collections {
		for _, f := range col.Fields {
			list = append(list, page.Choice{Value: col.Name + "." + f.Name, Title: col.Title + ": " + f.Title})
		}
	}
	return list
}

func consents() (list []page.Choice) {
	for _, s := range accessctl.Consents() {
		list = append(list, page.Choice{Value: s.String(), Title: s.String()})
	}
	return list
}

func explain(c *catalog.Catalog) page.ConsoleExplain {
	e := page.ConsoleExplain{Roles: roles(), Purposes: choices(c), Fields: fields(c), Consents: consents(), Version: 2}
	for i, text := range strings.Split(strings.TrimSpace(string(sample.Policy())), "\n") {
		e.Policy = append(e.Policy, page.PolicyLine{Number: i + 1, Text: text})
	}
	return e
}

// policyLine is where a policy of the sample begins.
func policyLine(id string) int {
	before, _, _ := strings.Cut(string(sample.Policy()), `@id("`+id+`")`)
	return 1 + strings.Count(before, "\n")
}

func explained(c *catalog.Catalog, a page.ConsoleAnswer) page.ConsoleExplain {
	e := explain(c)
	e.Answer, e.Paused = &a, a.How == page.ShownHidden
	for _, p := range a.Policies {
		e.Policy[p.Line-1].Used = true
	}
	return e
}

func keys() page.ConsoleKeys {
	k := page.ConsoleKeys{MayAct: true, Busy: true, Keys: []page.ConsoleKey{
		{
			Name: "fieldvault-default", Latest: 4, Opens: 3, Exists: 2, Warning: "Version 4 has been used 4,100,000,000 times. Begin a new version soon.",
			Versions: []page.ConsoleVersion{{4, 1810, 31, 4100000000}, {3, 42, 0, 2218}, {2, 0, 0, 905}, {1, 0, 0, 77}},
		},
		{Name: "fieldvault-system", System: true, Latest: 1, Opens: 1, Exists: 1, Versions: []page.ConsoleVersion{{1, 0, 2, 14}}},
	}}
	for i, kind := range []page.JobKind{"rewrap", "reseal", "reindex", "retention", "key_rotation", "key_retirement", "key_trim", "something_new"} {
		k.Jobs = append(k.Jobs, page.ConsoleJob{
			Kind: kind, State: []page.JobState{page.JobRuns, page.JobWaits, page.JobDone, page.JobFailed}[i%4], Done: int64(240 * i), Total: int64(1852 * (i % 2)),
			Begun: day(2026, time.November, 25), Seen: day(2026, time.November, 26), By: officer,
		})
	}
	k.Jobs[3].Note = "The key store did not answer. It goes on by itself when it does."
	return k
}

func auditLog(c *catalog.Catalog) page.ConsoleAudit {
	a := page.ConsoleAudit{Log: *checkpoint(true), Next: "/console/audit?at=20"}
	for i, action := range append(accessctl.Actions(), "decrypt", "encrypt", "reencrypt", "fsck", "tenant_create", "something_new") {
		e := page.ConsoleEvent{
			Index: int64(12480 - i), At: day(2026, time.November, 26), Who: officer, Action: page.EventAction(action), Link: "/console/audit/12480",
			Outcome: []page.EventOutcome{page.EventAllowed, page.EventDenied, page.EventFailed}[i%3],
		}
		if action.OnField() {
			e.Purpose, e.Fields = c.Purposes[0].Title, []string{"E-mail address", "Telephone"}
		}
		a.List = append(a.List, e)
	}
	a.List[2].Pruned, a.List[4].Who = true, ""
	return a
}

func event(c *catalog.Catalog) page.ConsoleEventPage {
	return page.ConsoleEventPage{
		ConsoleEvent: page.ConsoleEvent{
			Index: 12480, At: day(2026, time.November, 26), Who: "https://sso.example.org|support", Action: "reveal", Outcome: page.EventAllowed,
			Purpose: c.Purposes[0].Title, Fields: []string{"E-mail address", "Telephone"},
		},
		Details: []page.Detail{
			{page.DetailRoles, "support"},
			{page.DetailPolicy, "2"},
			{page.DetailCatalog, "3"},
			{page.DetailSubject, "c-2"},
			{page.DetailCode, "policy"},
			{page.DetailRefers, "12477"},
			{page.DetailCount, "2"},
		},
		Proven: true, Log: *checkpoint(true), Hashes: 14,
	}
}
