package page_test

import (
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

const officer = "https://sso.example.org|dpo"

// peopleShots are the pages about people.
func peopleShots(c *catalog.Catalog, in page.Frame) []shot {
	search := page.ConsolePeople{MaySearch: true, Fields: []page.Choice{
		{Value: "customer.email", Title: "E-mail address"}, {Value: "customer.last_name", Title: "Last name"}, {Value: "customer.phone", Title: "Telephone"},
	}, Purposes: choices(c)[:1]}
	found, nobody, noValue, unknown, denied := search, search, search, search, search
	found.Searched, found.Found, found.More = true, []page.ConsoleFound{{"c-1", "/console/people/c-1"}, {"c-2", "/console/people/c-2"}}, true
	nobody.Searched = true
	noValue.Fault, unknown.Unknown, denied.Fault = page.SearchNoValue, true, page.SearchDenied
	return []shot{
		{"console-people", in, search},
		{"console-people-found", in, found},
		{"console-people-nobody", in, nobody},
		{"console-people-no-value", in, noValue},
		{"console-people-unknown", in, unknown},
		{"console-people-denied", in, denied},
		{"console-people-limit", in, page.ConsolePeople{Fault: page.SearchLimit}},
		{"console-people-not-ready", in, page.ConsolePeople{Fault: page.SearchNotReady}},
		{"console-person", in, person(c)},
		{"console-person-held", in, heldPerson()},
		{"console-person-new", in, page.ConsolePerson{Person: "c-3", Here: "/console/people/c-3", Purpose: choices(c), Read: true, MayConsents: true, MayRequests: true, MayHistory: true}},
		{"console-person-limit", in, page.ConsolePerson{Person: "c-3", Here: "/console/people/c-3", Purpose: choices(c), Read: true, Limit: true, MayPause: true, NoReason: true}},
		{"console-erase", in, page.ConsoleErase{Person: "c-2", Back: "/console/people/c-2", Here: "/console/people/c-2/erase"}},
		{"console-erase-wrong", in, page.ConsoleErase{Person: "c-2", Back: "/console/people/c-2", Here: "/console/people/c-2/erase", NoReason: true, NotSure: true, Reason: "Letter of 3 November"}},
		{"console-erase-held", in, page.ConsoleErase{Person: "c-2", Back: "/console/people/c-2", Held: true}},
		{"console-erased", in, page.ConsoleErased{Person: "c-2", Certificate: "/certificates/1", At: day(2026, time.November, 26)}},
		{"console-erased-waits", in, page.ConsoleErased{Person: "c-2", Waits: true}},
		{"console-approvals", in, approvals()},
		{"console-approvals-none", in, page.ConsoleApprovals{}},
	}
}

func person(c *catalog.Catalog) page.ConsolePerson {
	p := page.ConsolePerson{
		Person: "c-2", Here: "/console/people/c-2", Since: day(2025, time.March, 4), Purpose: choices(c), Read: true,
		Requests: openLines()[2:3], MayHold: true, MayPause: true, MayErase: true, MayConsents: true, MayRequests: true, MayHistory: true,
	}
	shown := []page.ShownField{
		{Title: "First name", Value: "Leonie"},
		{Title: "Last name", Value: "K*****", How: page.ShownMasked},
		{Title: "E-mail address", Value: "l***@surfeu.de", How: page.ShownMasked},
	}
	for _, why := range hiddenReasons() {
		shown = append(shown, page.ShownField{Title: "Telephone", How: page.ShownHidden, Why: why})
	}
	p.Records = []page.ShownRecord{{Title: c.Collections[0].Title, Fields: shown}, {Title: c.Collections[1].Title, Fields: shown[3:4]}}
	for _, s := range accessctl.Consents() {
		p.Consents = append(p.Consents, page.ConsoleConsent{Purpose: c.Purposes[2].Title, State: page.ConsentState(s.String()), At: day(2026, time.May, 3), Expires: day(2028, time.May, 3)})
	}
	p.Consents[0].At, p.Consents[0].Expires = time.Time{}, time.Time{}
	p.History = []page.ConsoleAccess{
		{At: day(2026, time.November, 26), Who: "Customer support", Purpose: c.Purposes[0].Title, Fields: []string{"E-mail address", "Telephone"}, How: page.ShownMasked},
		{At: day(2026, time.November, 25), Fields: []string{"First name", "Last name", "E-mail address"}, How: page.ShownPlain},
		{At: day(2026, time.November, 24), Who: "Marketing", Purpose: c.Purposes[2].Title, Fields: []string{"E-mail address"}, How: page.ShownHidden},
	}
	return p
}

// hiddenReasons are those of package accessctl.
func hiddenReasons() []page.HiddenReason {
	var all []page.HiddenReason
	for _, r := range []accessctl.Reason{
		accessctl.ReasonPolicy, accessctl.ReasonPurpose, accessctl.ReasonObjection, accessctl.ReasonConsent,
		accessctl.ReasonRestricted, accessctl.ReasonExpired,
	} {
		all = append(all, page.HiddenReason(r))
	}
	return all
}

func heldPerson() page.ConsolePerson {
	return page.ConsolePerson{
		Person: "c-2", Here: "/console/people/c-2", Held: true, Paused: true,
		MayHold: true, MayPause: true, MayErase: true, NoReason: true,
	}
}

func approvals() page.ConsoleApprovals {
	a := page.ConsoleApproval{
		ID: "1", What: page.ApproveErasure, Count: 1, By: "https://sso.example.org|support",
		Asked: day(2026, time.November, 25), Until: day(2026, time.December, 2),
	}
	own, reading, deletion, refused, late := a, a, a, a, a
	own.Own, own.By = true, officer
	reading.What, reading.Count = page.ApproveReading, 60
	deletion.What, deletion.Count, deletion.State, deletion.Decider, deletion.At = page.ApproveDeletion, 214, page.ApprovalDone, officer, day(2026, time.November, 20)
	agreed := deletion
	agreed.State, agreed.Count = page.ApprovalApproved, 1
	refused.State, refused.Decider, refused.At = page.ApprovalRefused, officer, day(2026, time.November, 19)
	late.State = page.ApprovalExpired
	return page.ConsoleApprovals{Waiting: []page.ConsoleApproval{a, reading, own}, Decided: []page.ConsoleApproval{agreed, deletion, refused, late}}
}
