package api

import (
	"encoding/json"
	"time"
)

// A LogEvent is an event of the audit log.
type LogEvent struct {
	Index int64 `json:"index" doc:"Its place in the log, from 0"`
	// Event is the leaf, as audit/FORMAT.md describes it.
	Event   json.RawMessage `json:"event,omitempty" doc:"The event, byte for byte as it was hashed; absent: pruned by age, or altered"`
	Altered bool            `json:"altered,omitempty" doc:"What the store has as the event is not what the log's tree has, or is gone and was not pruned: run fieldvault audit verify"`
}

// A LogEvents answers GET /v1/audit/entries.
type LogEvents struct {
	Events []LogEvent `json:"events" doc:"By index"`
	Next   int64      `json:"next,omitempty" doc:"from_index of the next page; absent: that was all"`
}

// A LogProof answers GET /v1/audit/proof.
type LogProof struct {
	Index      int64    `json:"index"`
	Hashes     []string `json:"hashes" doc:"RFC 9162 inclusion proof: base64 of 32 bytes each"`
	Checkpoint string   `json:"checkpoint" doc:"The signed checkpoint that the proof leads to"`
}

// A LogConsistency answers GET /v1/audit/consistency.
type LogConsistency struct {
	From       int64    `json:"from"`
	Hashes     []string `json:"hashes" doc:"RFC 9162 consistency proof: base64 of 32 bytes each"`
	Checkpoint string   `json:"checkpoint" doc:"The signed checkpoint that the proof leads to"`
}

// An Access is one entry of a person's access history, in words for the person.
type Access struct {
	Index       int64         `json:"index" doc:"Its place in the audit log"`
	Event       string        `json:"event" format:"uuid"`
	At          time.Time     `json:"at"`
	Who         string        `json:"who" doc:"Who asked, as they signed in; or: you"`
	What        string        `json:"what" doc:"What was done, in plain words that follow: Your data"`
	Action      string        `json:"action"`
	Recipient   string        `json:"recipient,omitempty" doc:"Who was told whom a request was about"`
	Purpose     string        `json:"purpose,omitempty"`
	PurposeText string        `json:"purpose_text,omitempty" doc:"What that purpose is, in plain words"`
	Outcome     string        `json:"outcome" enum:"allowed,denied,failed"`
	Fields      []AccessField `json:"fields"`
}

// An AccessField is a field that was asked for.
type AccessField struct {
	Field  string `json:"field" doc:"collection.field; numbers where the catalog has no name for it any more"`
	View   string `json:"view" enum:"plain,masked,hidden,found" doc:"What was shown of it; found: searched by its value"`
	Values int64  `json:"values" doc:"In how many records"`
}

// An AccessHistory answers GET /v1/subjects/{subject}/access-history.
type AccessHistory struct {
	Subject string   `json:"subject"`
	Entries []Access `json:"entries" doc:"Oldest first"`
	Next    int64    `json:"next,omitempty" doc:"from_index of the next page; absent: that was all"`
}
