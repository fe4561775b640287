package api

import "time"

// A Filing is the body of POST .../requests.
type Filing struct {
	Kind     string    `json:"kind" enum:"access,portability,rectification,erasure,restriction,objection,opt_out,question"`
	Purpose  string    `json:"purpose,omitempty" doc:"What an objection is to; requests of other kinds have none"`
	Text     string    `json:"text,omitempty" maxLength:"16384" doc:"What the person writes; kept sealed"`
	Received time.Time `json:"received,omitzero" doc:"When a letter came in; absent: now"`
}

// A RequestStep is the body of PATCH /v1/requests/{id}.
type RequestStep struct {
	Step   string `json:"step" enum:"acknowledge,ask_identity,confirm_identity,extend,complete,refuse,cancel"`
	Reason string `json:"reason,omitempty" doc:"Required to extend and to refuse; to complete, why a part was not done"`
	Told   bool   `json:"told,omitempty" doc:"That the person is told, with the reason, and of a refusal how to complain; required to extend and to refuse"`
	Answer string `json:"answer,omitempty" maxLength:"16384" doc:"What the person is told; kept sealed, for them to read"`
}

// A Request is a person's request.
type Request struct {
	ID        string `json:"id" format:"uuid"`
	Kind      string `json:"kind" enum:"access,portability,rectification,erasure,restriction,objection,opt_out,question"`
	Regime    string `json:"regime" enum:"gdpr,ccpa"`
	State     string `json:"state" enum:"received,identity,open,extended,done,refused,cancelled"`
	Marketing bool   `json:"marketing,omitempty" doc:"The objection is to direct marketing, and absolute"`
	Purpose   string `json:"purpose,omitempty" doc:"What an objection is to"`

	Filed             time.Time `json:"filed" doc:"When it came in: what the clocks run from"`
	Acknowledged      time.Time `json:"acknowledged,omitzero"`
	IdentityAsked     time.Time `json:"identity_asked,omitzero"`
	IdentityConfirmed time.Time `json:"identity_confirmed,omitzero"`
	Due               time.Time `json:"due" doc:"The instant at which the answer is late, extensions apart"`
	ExtendedTo        time.Time `json:"extended_to,omitzero" doc:"Takes the place of due"`
	ExtensionReason   string    `json:"extension_reason,omitempty"`
	Ended             time.Time `json:"ended,omitzero"`
	Reason            string    `json:"reason,omitempty" doc:"Why it was refused or, of one that is done, why a part was not"`

	Standing RequestStanding   `json:"standing"`
	Possible []string          `json:"possible" doc:"The steps that may be taken now"`
	Steps    []RequestHappened `json:"steps" doc:"The steps that were taken, in order"`
	Erased   bool              `json:"erased,omitempty" doc:"The person was erased since: only the log is left"`
	Told     []RequestTold     `json:"told,omitempty" doc:"Which recipients were told of it (GDPR Art. 19)"`

	Subject string `json:"subject,omitempty" doc:"Whose it is; not in a list"`
	Text    string `json:"text,omitempty" doc:"What the person wrote; not in a list"`
}

// A RequestStanding is how a request stands against its clocks, now.
type RequestStanding struct {
	Task     string    `json:"task" enum:"nothing,await_proof,acknowledge,answer" doc:"What is owed to the person next"`
	By       time.Time `json:"by,omitzero" doc:"The instant at which it is late"`
	Last     string    `json:"last,omitempty" format:"date" doc:"The last day on which it is not"`
	DaysLeft int       `json:"days_left" doc:"From today to that day; less than 0 when late"`
	Overdue  bool      `json:"overdue"`
}

// A RequestHappened is a step that a request took.
type RequestHappened struct {
	Step   string    `json:"step" enum:"file,acknowledge,ask_identity,confirm_identity,extend,complete,refuse,cancel"`
	At     time.Time `json:"at"`
	Event  string    `json:"event" format:"uuid" doc:"Of the audit log"`
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by,omitempty" doc:"The actor, as the audit log names actors"`
	Answer string    `json:"answer,omitempty" doc:"What the person was told; not in a list"`
}

// A RequestTold is how a recipient was told of a request.
type RequestTold struct {
	Recipient string    `json:"recipient"`
	At        time.Time `json:"at,omitzero" doc:"Absent: not yet"`
}

// A Requests is a page of requests.
type Requests struct {
	Requests []Request `json:"requests"`
	Cursor   string    `json:"cursor,omitempty" doc:"Of the next page; absent at the end"`
}
