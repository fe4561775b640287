package api

import "time"

// A UsageRow says what one caller saw of one field under one purpose.
type UsageRow struct {
	Purpose string    `json:"purpose,omitempty" doc:"Absent: none was claimed"`
	Field   string    `json:"field,omitempty" doc:"collection.field; numbers where the catalog has no name for it; absent: no field, but the person as such"`
	Caller  string    `json:"caller" doc:"Who read, as events name them; self: people their own data; others: callers beyond the first 20,000"`
	How     string    `json:"how" enum:"plain,masked,found,records,manifest,decisions,counted,pseudonyms" doc:"What was shown; found: searched by its value; records, manifest, decisions: no values; counted, pseudonyms: nothing was shown, but the field was used in a statistic, or the person got a pseudonym"`
	Events  int64     `json:"events" doc:"Requests and people: a request about two people counts twice"`
	Values  int64     `json:"values"`
	People  int64     `json:"people" doc:"How many different people"`
	About   bool      `json:"people_about,omitempty" doc:"true: people is an estimate, within a few in a hundred"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
}

// A UsageWindow says what a report was made from.
type UsageWindow struct {
	From     time.Time  `json:"from"`
	To       time.Time  `json:"to"`
	Events   int64      `json:"events" doc:"Events of the window that were looked at"`
	First    *time.Time `json:"first_event,omitempty" doc:"The earliest of them: if the log begins later than the window, what was used before is not known"`
	Verified bool       `json:"verified" doc:"They are those of the signed log"`
}

// A PurposeUsage answers GET /v1/purposes/{purpose}/usage.
type PurposeUsage struct {
	Purpose string `json:"purpose"`
	UsageWindow
	Rows []UsageRow `json:"rows" doc:"By field, caller and how"`
}

// An UnusedField is a field that nobody read.
type UnusedField struct {
	Field          string   `json:"field" doc:"collection.field"`
	Title          string   `json:"title"`
	Classification string   `json:"classification"`
	Purposes       []string `json:"purposes"`
}

// A PurposeRef names a purpose of the catalog.
type PurposeRef struct {
	Purpose  string `json:"purpose"`
	Title    string `json:"title"`
	ReviewBy string `json:"review_by,omitempty" format:"date"`
}

// An UnreadFor is a field that was not read for a purpose that it lists.
type UnreadFor struct {
	Field   string `json:"field" doc:"collection.field"`
	Purpose string `json:"purpose"`
}

// A Minimisation answers GET /v1/minimisation.
type Minimisation struct {
	UsageWindow
	Fields   []UnusedField `json:"unused_fields" doc:"Nobody read them, but for people who saw their own"`
	Purposes []PurposeRef  `json:"unused_purposes" doc:"Nothing was read under them"`
	Unread   []UnreadFor   `json:"unread_for" doc:"Field and purpose are both in use, but not together"`
	Review   []PurposeRef  `json:"review_overdue" doc:"Purposes past their review date"`
}
