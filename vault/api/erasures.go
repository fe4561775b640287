package api

import (
	"encoding/json"
	"time"
)

// An Erasing is the body of POST .../erasure. It may be left out: then the whole
// person is erased.
type Erasing struct {
	Reason string   `json:"reason,omitempty" maxLength:"4096" doc:"Checked and not kept"`
	Groups []string `json:"groups,omitempty" doc:"Key groups to erase while the person lives on; absent: the whole person"`
}

// An ErasingList is the body of POST /v1/erasures.
type ErasingList struct {
	Subjects []string `json:"subjects" doc:"At most 1000"`
	Reason   string   `json:"reason,omitempty" maxLength:"4096" doc:"Checked and not kept"`
	Groups   []string `json:"groups,omitempty" doc:"Key groups to erase of each; absent: the whole persons"`
}

// An ErasedList answers POST /v1/erasures: one result a subject, in the order of
// their names.
type ErasedList struct {
	Results []ErasedResult `json:"results"`
}

// An ErasedResult says how the erasure of one person went.
type ErasedResult struct {
	Outcome
	Subject     string          `json:"subject"`
	Certificate json.RawMessage `json:"certificate,omitempty"`
}

// An Approval is something that waits, or waited, for a second person. It is what
// an erasure beyond the breaker answers, with 202: once another person approved it,
// the same request does what was asked.
type Approval struct {
	ID      string    `json:"id" format:"uuid"`
	Kind    string    `json:"kind" enum:"erasure,deletion,reading"`
	State   string    `json:"state" enum:"pending,approved,done,refused,expired"`
	Count   int       `json:"count,omitempty" doc:"How many people or records it concerns"`
	By      string    `json:"by,omitempty" doc:"Who asked"`
	Decider string    `json:"decider,omitempty" doc:"Who decided"`
	Why     string    `json:"why,omitempty" doc:"In words, where it has just been asked for"`
	Created time.Time `json:"created,omitzero"`
	Expires time.Time `json:"expires"`
	Decided time.Time `json:"decided,omitzero"`
}

// An Approvals answers GET /v1/approvals, newest first.
type Approvals struct {
	Approvals []Approval `json:"approvals"`
}

// An ApprovalDecision is the body of POST /v1/approvals/{id}.
type ApprovalDecision struct {
	Decision string `json:"decision" enum:"approved,refused"`
}

// A Horizon answers GET /v1/erasure-horizon: what erasures promise of backups.
type Horizon struct {
	// At is when somebody who is erased now is out of reach even with an old backup
	// and every right at the key store; absent: nothing is promised.
	At           time.Time     `json:"at,omitzero"`
	ErasedBefore time.Time     `json:"erased_before,omitzero" doc:"Who was erased before this is past the horizon now, as the keys stand; absent: not known"`
	Parts        []HorizonPart `json:"parts" doc:"What the promise rests on, and what is promised beside it"`
	Missing      []string      `json:"missing" doc:"What is not configured and stands in the way of a promise"`
}

// A HorizonPart is one promise.
type HorizonPart struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind" enum:"cryptographic,procedural"`
	Text string    `json:"text"`
}
