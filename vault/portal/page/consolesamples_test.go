package page_test

import (
	"slices"
	"time"

	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// consoleShots are the pages of the console, in each of their states.
func consoleShots(c *catalog.Catalog) []shot {
	out := page.Frame{Controller: c.Controller.Name, Contact: c.Controller.Contact, Here: "/console"}
	in := out
	in.SignedIn, in.Operator = true, officer
	in.May = page.ConsoleMay{Requests: true, People: true, Approvals: true, Reports: true, Statistics: true, Catalog: true, Explain: true, Keys: true, Audit: true}
	few, flash := in, in
	few.May = page.ConsoleMay{Requests: true}
	flash.Flash = page.Flash{Kind: page.FlashStepped}
	return slices.Concat([]shot{
		{"console-signin", out, page.ConsoleSignIn{Provider: "/console/sign-in/go", Token: true}},
		{"console-signin-token", out, page.ConsoleSignIn{Token: true}},
		{"console-signin-bad", out, page.ConsoleSignIn{Provider: "/console/sign-in/go", Token: true, BadToken: true}},
		{"console-signin-no-keys", out, page.ConsoleSignIn{Provider: "/console/sign-in/go", Token: true, NoKeys: true}},
		{"console-signin-closed", out, page.ConsoleSignIn{}},
		{"console-problem-no-session", out, page.Problem{Kind: page.ProblemNoSession, Console: true}},
		{"console-problem-forbidden", in, page.Problem{Kind: page.ProblemForbidden}},
		{"console-problem-fault", in, page.Problem{Console: true, Reference: "7f3a91"}},
		{"console-today", in, today(c)},
		{"console-today-empty", few, page.ConsoleToday{Requests: true, Approvals: true, Jobs: true, Log: checkpoint(true)}},
		{"console-today-changed", in, page.ConsoleToday{Requests: true, Open: 1, Log: checkpoint(false)}},
		{"console-today-alarm", in, page.ConsoleToday{Requests: true, Log: checkpoint(false)}},
		{"console-today-review", in, page.ConsoleToday{Review: []string{c.Purposes[2].Title}}},
		{"console-today-new", in, page.ConsoleToday{Log: &page.ConsoleCheckpoint{}}},
	}, requestShots(c, in, flash), peopleShots(c, in), serviceShots(c, in), statisticsShots(c, in))
}

func checkpoint(good bool) *page.ConsoleCheckpoint {
	return &page.ConsoleCheckpoint{Events: 12480, Signed: day(2026, time.November, 26), Verified: good}
}

func today(c *catalog.Catalog) page.ConsoleToday {
	return page.ConsoleToday{
		Requests: true, Late: 1, Soon: 2, Open: 7, Approvals: true, Waiting: 2, Jobs: true, Running: 1, Failed: 1,
		Log: checkpoint(true), Review: []string{c.Purposes[2].Title, c.Purposes[3].Title},
	}
}

func requestShots(c *catalog.Catalog, in, flash page.Frame) []shot {
	closed := []page.ConsoleRequestLine{
		consoleLine("5", page.KindErasure, page.RequestAnswered, page.ClockStopped, 0),
		consoleLine("6", page.KindPortability, page.RequestRefused, page.ClockStopped, 0),
		consoleLine("7", page.KindQuestion, page.RequestCancelled, page.ClockStopped, 0),
	}
	closed[0].Erased = true
	filing := page.ConsoleFile{Kinds: page.RequestKinds(), Today: "2026-11-26", Received: "2026-11-26", Purposes: choices(c)}
	wrong := filing
	wrong.Unknown, wrong.NoKind, wrong.NoText, wrong.BadDay, wrong.Person = true, true, true, true, "c-9999"
	return []shot{
		{"console-requests", flash, page.ConsoleRequests{Show: page.ShowOpen, MayFile: true, More: "/console/requests?cursor=1", List: openLines()}},
		{"console-requests-closed", in, page.ConsoleRequests{Show: page.ShowClosed, List: closed}},
		{"console-requests-none", in, page.ConsoleRequests{MayFile: true}},
		{"console-requests-none-late", in, page.ConsoleRequests{Show: page.ShowLate}},
		{"console-requests-none-closed", in, page.ConsoleRequests{Show: page.ShowClosed}},
		{"console-request", in, consoleRequest(c)},
		{"console-request-new", in, freshRequest()},
		{"console-request-wrong", in, wrongRequest(c)},
		{"console-request-slow", in, slowRequest(c)},
		{"console-request-ended", in, endedRequest()},
		{"console-file", in, filing},
		{"console-file-wrong", in, wrong},
	}
}

func consoleLine(id string, k page.RequestKind, s page.RequestState, clock page.RequestClock, left int) page.ConsoleRequestLine {
	return page.ConsoleRequestLine{
		RequestLine: page.RequestLine{ID: id, Kind: k, State: s, Filed: day(2026, time.November, 3)},
		Clock:       clock, Left: left, Short: "7F3" + id,
	}
}

func openLines() []page.ConsoleRequestLine {
	return []page.ConsoleRequestLine{
		consoleLine("1", page.KindAccess, page.RequestWorking, page.ClockLate, 2),
		consoleLine("2", page.KindErasure, page.RequestReceived, page.ClockLate, 0),
		consoleLine("3", page.KindObjection, page.RequestWorking, page.ClockSoon, 0),
		consoleLine("4", page.KindRectification, page.RequestExtended, page.ClockSoon, 3),
		consoleLine("5", page.KindOptOut, page.RequestReceived, page.ClockRuns, 15),
		consoleLine("6", page.KindRestriction, page.RequestReceived, page.ClockRuns, 28),
		consoleLine("8", page.KindPortability, page.RequestChecking, page.ClockPaused, 0),
		consoleLine("9", page.KindQuestion, page.RequestReceived, page.ClockRuns, 29),
	}
}

func consoleRequest(c *catalog.Catalog) page.ConsoleRequest {
	r := page.ConsoleRequest{
		ConsoleRequestLine: consoleLine("3", page.KindObjection, page.RequestWorking, page.ClockSoon, 3),
		Person:             "c-2", PersonLink: "/console/people/c-2", Purpose: c.Purposes[2].Title,
		Text: "Please do not send me any more mail about music.\nI did not ask for it.",
		Steps: []page.ConsoleRequestStep{
			{At: day(2026, time.November, 3), What: page.DoFile},
			{At: day(2026, time.November, 4), What: page.DoAcknowledge, By: officer},
			{At: day(2026, time.November, 4), What: page.DoAskIdentity, By: officer},
			{At: day(2026, time.November, 9), What: page.DoConfirm, By: officer},
		},
		Told:    []page.ConsoleTold{{Recipient: "Marketing", At: day(2026, time.November, 10)}, {Recipient: "Analysts"}},
		Next:    []page.ConsoleStep{page.DoComplete, page.DoRefuse, page.DoExtend, page.DoCancel},
		Reasons: []page.RequestReason{"manifestly_unfounded", "excessive", "compelling_grounds", "conditions_not_met"}, Extensions: []page.RequestReason{"complexity", "number_of_requests"},
	}
	r.Due = day(2026, time.December, 3)
	return r
}

func freshRequest() page.ConsoleRequest {
	return page.ConsoleRequest{
		ConsoleRequestLine: consoleLine("1", page.KindAccess, page.RequestReceived, page.ClockRuns, 29), Person: "c-1",
		Steps:   []page.ConsoleRequestStep{{At: day(2026, time.November, 3), What: page.DoFile}},
		Next:    []page.ConsoleStep{page.DoAcknowledge, page.DoAskIdentity, page.DoConfirm, page.DoComplete, page.DoRefuse},
		Reasons: []page.RequestReason{"no_data"},
	}
}

// wrongRequest came back without an answer, slowRequest without a reason.
func wrongRequest(c *catalog.Catalog) page.ConsoleRequest {
	r := consoleRequest(c)
	r.Wrong = page.StepNoAnswer
	return r
}

func slowRequest(c *catalog.Catalog) page.ConsoleRequest {
	r := consoleRequest(c)
	r.Wrong, r.Drafted, r.Tried = page.StepNoReason, "We look at each list of ours.", page.DoRefuse
	return r
}

func endedRequest() page.ConsoleRequest {
	r := page.ConsoleRequest{
		ConsoleRequestLine: consoleLine("5", page.KindErasure, page.RequestRefused, page.ClockStopped, 0),
		Answer:             "Tax law tells us to keep your invoices.", Bundle: "/console/requests/5/bundle.zip", Wrong: page.StepNotNow,
	}
	r.Erased = true
	for _, reason := range allReasons() {
		r.Steps = append(r.Steps, page.ConsoleRequestStep{At: day(2026, time.November, 20), What: page.DoRefuse, By: officer, Reason: reason})
	}
	r.Steps = append(r.Steps,
		page.ConsoleRequestStep{At: day(2026, time.November, 21), What: page.DoExtend, By: officer, Reason: "complexity"},
		page.ConsoleRequestStep{At: day(2026, time.November, 22), What: page.DoComplete}, page.ConsoleRequestStep{At: day(2026, time.November, 23), What: page.DoCancel})
	return r
}

// choices are the purposes of the catalog to choose from.
func choices(c *catalog.Catalog) (list []page.Choice) {
	for _, p := range c.Purposes {
		list = append(list, page.Choice{Value: p.ID, Title: p.Title})
	}
	return list
}
