package api

import (
	"encoding/json"
	"time"
)

// A Reason is the body of the routes that ask why: erasure, hold, restriction. It
// may be left out. The words of a hold or restriction are sealed under the
// person's own key, and die with it; those of an erasure are checked and not kept.
type Reason struct {
	Reason string `json:"reason,omitempty" maxLength:"4096"`
}

// A Certificate is the signed statement that a person was erased. It is answered
// and kept byte for byte; package audit/evidence says what stands in it.
type Certificate = json.RawMessage

// A Receipt is the signed record of one consent decision (ISO/IEC TS 27560).
type Receipt = json.RawMessage

// A Generation answers a re-enrolment: the person's new life.
type Generation struct {
	Generation uint32 `json:"generation" minimum:"1"`
}

// Consent decisions.
const (
	Granted   = "granted"
	Refused   = "refused"
	Withdrawn = "withdrawn"
	Objected  = "objected"
	Overruled = "overruled"
)

// A Decision is the body of PUT .../consents/{purpose}: what the person decided.
type Decision struct {
	Decision string          `json:"decision" enum:"granted,refused,withdrawn,objected,overruled" doc:"objected closes the purpose whatever it rests on; overruled is the controller's answer to that"`
	Notice   string          `json:"notice,omitempty" doc:"Version of the notice that was shown; default: the current one"`
	Language string          `json:"language,omitempty" doc:"That the notice was shown in, as in ISO 639; default: the catalog's own"`
	Method   string          `json:"method,omitempty" enum:"portal,form,api,import,gpc" doc:"How it was given; default: api. gpc: the browser sent Sec-GPC: 1"`
	Expires  time.Time       `json:"expires,omitzero" doc:"When the consent ends by itself; default, and at most: as the purpose says"`
	Explicit bool            `json:"explicit,omitempty" doc:"The person agreed in so many words; required where special categories of data are used (GDPR Art. 9)"`
	Age      int             `json:"age,omitempty" minimum:"0" maximum:"150" doc:"As the person says; this or guardian is required where the purpose has a min_age"`
	Guardian bool            `json:"guardian,omitempty" doc:"Whoever has parental responsibility agreed (GDPR Art. 8)"`
	Evidence json.RawMessage `json:"evidence,omitempty" doc:"Any JSON up to 16 KiB, kept sealed; not with withdrawn or objected"`
}

// A Consents answers GET .../consents: one entry for each purpose of the catalog.
type Consents struct {
	Consents []Consent `json:"consents"`
}

// A Consent is the state of a person's consent for one purpose.
type Consent struct {
	Purpose  string    `json:"purpose"`
	State    string    `json:"state" enum:"none,granted,refused,withdrawn,expired,outdated,objected" doc:"What it permits now; outdated: it was given to other terms"`
	Decision string    `json:"decision,omitempty" doc:"The last decision; absent when there was none"`
	Notice   string    `json:"notice,omitempty"`
	Method   string    `json:"method,omitempty"`
	At       time.Time `json:"at,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`
	AskFrom  time.Time `json:"ask_from,omitzero" doc:"From when on the person may be asked again, after a no; they may change their mind at any time"`
	Receipt  Receipt   `json:"receipt,omitempty"`
}

// A Decisions answers GET .../decisions: all that the person decided, oldest first.
type Decisions struct {
	Decisions []Consent `json:"decisions"`
}

// An Export is everything that is held on a person (GDPR Art. 15 and 20). Values
// stand in it only on the person's own token; an officer gets the manifest.
type Export struct {
	Subject        string         `json:"subject"`
	Generation     uint32         `json:"generation" minimum:"1"`
	Created        time.Time      `json:"created"`
	Restricted     bool           `json:"restricted"`
	Held           bool           `json:"held"`
	CatalogVersion int64          `json:"catalog_version"`
	Purposes       []Purpose      `json:"purposes" doc:"Why data is kept, for whom and how long"`
	Consents       []Consent      `json:"consents"`
	Records        []ExportRecord `json:"records"`
	Tokens         []ExportTokens `json:"tokens,omitempty" doc:"Tokens that applications hold in place of values"`
}

// An ExportTokens says how many tokens stand for the person's values of a field.
type ExportTokens struct {
	Collection string     `json:"collection"`
	Field      string     `json:"field"`
	Purpose    string     `json:"purpose"`
	Kind       string     `json:"kind" enum:"random,deterministic,format"`
	Count      int        `json:"count" minimum:"1"`
	Expires    *time.Time `json:"expires,omitempty" doc:"When the last of them expires; absent: one never does"`
}

// An ExportRecord is one record of an export.
type ExportRecord struct {
	Collection string        `json:"collection"`
	Record     string        `json:"record"`
	Revision   uint64        `json:"revision" minimum:"1"`
	Fields     []ExportField `json:"fields"`
}

// An ExportField is one stored field of an export.
type ExportField struct {
	Name          string          `json:"name"`
	Title         string          `json:"title"`
	Type          string          `json:"type"`
	Purposes      []string        `json:"purposes" doc:"What it may be read for"`
	RetentionDays int             `json:"retention_days,omitempty" doc:"How long it is kept after it was written; absent: no limit of its own"`
	Written       time.Time       `json:"written"`
	View          string          `json:"view,omitempty" enum:"plain,masked,hidden" doc:"Absent in a manifest"`
	Value         json.RawMessage `json:"value,omitempty"`
	Reason        string          `json:"reason,omitempty" enum:"policy,purpose,objection,consent,restricted,expired"`
}
