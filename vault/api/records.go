package api

import "encoding/json"

// Views of a field.
const (
	ViewPlain  = "plain"
	ViewMasked = "masked"
	ViewHidden = "hidden"
)

// AllFields is what to ask for, alone, to get all fields that are stored; it needs
// the action export.
const AllFields = "*"

// A Write is the body of PUT and PATCH of a record: values by field name. PUT
// replaces the record; PATCH merges, and null removes a field. A field that the
// catalog does not know, or of the wrong type, is [Invalid].
type Write struct {
	Fields map[string]json.RawMessage `json:"fields" doc:"Values by field name, each a JSON value of the field's type"`
}

// A Written answers a write. The revision is the ETag too.
type Written struct {
	Revision uint64 `json:"revision" minimum:"1" doc:"Rises with every write of the record, over its deletion too"`

	Warnings []TextWarning `json:"warnings,omitempty" doc:"Texts that hold personal data which the catalog does not announce. They were stored"`
}

// A TextWarning says that a text holds personal data of kinds that the catalog does not
// announce: never what, nor where. Not every datum is found, and not all that is found is
// one.
type TextWarning struct {
	Field string   `json:"field" doc:"collection.field, of type text"`
	Kinds []string `json:"kinds" minItems:"1" enum:"e-mail,IBAN,card,national id,phone,IP address,date of birth,name"`
}

// TextKinds lists the kinds of personal data that are found in texts. A masked text has
// one of them in brackets, such as [phone], where a value of it stood.
func TextKinds() []string {
	return []string{"e-mail", "IBAN", "card", "national id", "phone", "IP address", "date of birth", "name"}
}

// A Record is what a caller may see of one record.
type Record struct {
	Subject    string           `json:"subject"`
	Collection string           `json:"collection"`
	Record     string           `json:"record"`
	Revision   uint64           `json:"revision" minimum:"1"`
	Fields     map[string]Field `json:"fields" doc:"By field name. Hidden fields appear whether stored or not; others are left out when not stored"`
}

// A Field is what a caller gets of one field.
type Field struct {
	View   string          `json:"view" enum:"plain,masked,hidden" doc:"The value itself, a text that stands for it, or nothing"`
	Value  json.RawMessage `json:"value,omitempty" doc:"The value, or with view masked a string; absent when hidden"`
	Reason string          `json:"reason,omitempty" enum:"policy,purpose,objection,consent,restricted,expired" doc:"Why it is hidden"`
}

// A References is one page of a person's records.
type References struct {
	Records []Reference `json:"records"`
	Cursor  string      `json:"cursor,omitempty" doc:"Where the next page begins; absent at the end. Valid for an hour, for the same caller, purpose and filter"`
}

// A Reference names a record, without its values.
type Reference struct {
	Collection string `json:"collection"`
	Record     string `json:"record"`
	Revision   uint64 `json:"revision" minimum:"1"`
}

// An Outcome is how one item of a batch went.
type Outcome struct {
	Status int          `json:"status" minimum:"200" maximum:"599" doc:"The HTTP status that the item would have had alone"`
	Code   Code         `json:"code,omitempty" doc:"What went wrong; absent when nothing did"`
	Errors []FieldIssue `json:"errors,omitempty" doc:"Which parts of the item are wrong"`
}

// OK reports whether the item succeeded.
func (o Outcome) OK() bool { return o.Status >= 200 && o.Status < 300 }

// A BatchWrite is the body of POST /v1/records: up to [MaxItems] PUTs in one
// transaction. An item that is refused does not stop the others.
type BatchWrite struct {
	Items []WriteItem `json:"items" maxItems:"1000"`
}

// A WriteItem is one PUT of a batch.
type WriteItem struct {
	Subject    string                     `json:"subject"`
	Collection string                     `json:"collection"`
	Record     string                     `json:"record"`
	Fields     map[string]json.RawMessage `json:"fields"`
}

// A BatchWritten answers a BatchWrite, one result an item and in order.
type BatchWritten struct {
	Results []WriteResult `json:"results"`
}

// A WriteResult answers a WriteItem: status 201 for a new record, else 200.
type WriteResult struct {
	Outcome
	Revision uint64        `json:"revision,omitempty"`
	Warnings []TextWarning `json:"warnings,omitempty" doc:"As in the answer to a PUT"`
}

// A RevealRequest is the body of POST /v1/reveal: up to [MaxItems] records.
type RevealRequest struct {
	Items []RevealItem `json:"items" maxItems:"1000"`
}

// A RevealItem asks for fields of one record.
type RevealItem struct {
	Subject    string   `json:"subject"`
	Collection string   `json:"collection"`
	Record     string   `json:"record"`
	Fields     []string `json:"fields" doc:"Names of fields; the one name * asks for all that are stored and needs the action export"`
}

// A RevealAnswer answers a RevealRequest, one result an item and in order.
type RevealAnswer struct {
	Results []RevealResult `json:"results"`
}

// A RevealResult answers a RevealItem. Only with status 200 it has the record.
type RevealResult struct {
	Outcome
	Subject    string           `json:"subject,omitempty"`
	Collection string           `json:"collection,omitempty"`
	Record     string           `json:"record,omitempty"`
	Revision   uint64           `json:"revision,omitempty"`
	Fields     map[string]Field `json:"fields,omitempty"`
}

// A SearchRequest is the body of POST /v1/search: the records whose field equals, begins
// with or contains a value, or is in a range, all normalised as the field's type says. It
// has one of Equals, Prefix and Contains, or From, To or both. All but Equals need an index
// that the catalog declares, and the right to see the field in plain.
type SearchRequest struct {
	Collection string          `json:"collection"`
	Field      string          `json:"field" doc:"A field with an index"`
	Equals     json.RawMessage `json:"equals,omitempty" doc:"A value of the field's type: it is the same"`
	Prefix     json.RawMessage `json:"prefix,omitempty" doc:"A string: the value begins with it"`
	Contains   json.RawMessage `json:"contains,omitempty" doc:"A string: it stands in the value"`
	From       json.RawMessage `json:"from,omitempty" doc:"A value of the field's type: the least"`
	To         json.RawMessage `json:"to,omitempty" doc:"A value of the field's type: the greatest"`
	Cursor     string          `json:"cursor,omitempty" doc:"From the page before"`
	Limit      int             `json:"limit,omitempty" minimum:"0" maximum:"1000" doc:"At most so many matches; 0 is 100"`
}

// A SearchAnswer is one page of matches. It may hold fewer than the limit and
// still have a cursor: what the caller may not see is left out.
type SearchAnswer struct {
	Matches []Match `json:"matches"`
	Cursor  string  `json:"cursor,omitempty" doc:"Where the next page begins; absent at the end"`
}

// A Match is a record whose field has such a value.
type Match struct {
	Subject string `json:"subject"`
	Record  string `json:"record"`
}
