package api

import "time"

// A Catalog says what is collected, and why: public.
type Catalog struct {
	Version     int64        `json:"version"`
	Title       string       `json:"title"`
	Language    string       `json:"language" doc:"Of all texts that are not translations"`
	Controller  *Controller  `json:"controller,omitempty"`
	Purposes    []Purpose    `json:"purposes"`
	Collections []Collection `json:"collections"`
}

// A Controller is who answers for the processing.
type Controller struct {
	Name    string `json:"name"`
	Contact string `json:"contact"`
}

// A Purpose is why data is read, in words for the person.
type Purpose struct {
	ID                 string   `json:"id"`
	Title              string   `json:"title"`
	Text               string   `json:"text"`
	Benefit            string   `json:"benefit" doc:"What the person gets from it"`
	Consequence        string   `json:"consequence,omitempty" doc:"What happens when the person says no"`
	Basis              string   `json:"basis" doc:"Legal basis, GDPR Art. 6(1)"`
	Recipients         []string `json:"recipients"`
	RetentionDays      int      `json:"retention_days,omitempty" doc:"How long a value may be read for it; absent: no limit"`
	DespiteRestriction bool     `json:"despite_restriction,omitempty"`
	Version            int      `json:"version"`
	ReviewBy           string   `json:"review_by,omitempty"`
	ExpiresDays        int      `json:"expires_days,omitempty" doc:"How long a consent holds; absent: until it is withdrawn"`
	DirectMarketing    bool     `json:"direct_marketing,omitempty" doc:"An objection ends it, whatever its basis (GDPR Art. 21(2))"`
	Sells              bool     `json:"sells,omitempty" doc:"Data are sold or shared: people, and their browsers by Sec-GPC, may opt out"`
	MinAge             int      `json:"min_age,omitempty" doc:"From which age people may consent alone (GDPR Art. 8)"`
	Since              int64    `json:"since" doc:"The version of the notice from which on the terms are these: a consent that was given on an older one opens nothing"`

	Translations map[string]PurposeWords `json:"translations,omitempty" doc:"By language, as in ISO 639"`
}

// PurposeWords is what people are told about a purpose, in another language.
type PurposeWords struct {
	Title       string `json:"title"`
	Text        string `json:"text"`
	Benefit     string `json:"benefit"`
	Consequence string `json:"consequence,omitempty"`
}

// A Collection is a kind of record.
type Collection struct {
	Name   string            `json:"name"`
	Title  string            `json:"title"`
	Titles map[string]string `json:"titles,omitempty" doc:"Translations, by language"`
	Fields []CollectionField `json:"fields"`
}

// A CollectionField is one personal datum of a collection.
type CollectionField struct {
	Name  string `json:"name"`
	Title string `json:"title"`

	Titles         map[string]string `json:"titles,omitempty" doc:"Translations, by language"`
	Type           string            `json:"type"`
	Classification string            `json:"classification"`
	Purposes       []string          `json:"purposes"`
	Group          string            `json:"group" doc:"The key group that it lives and dies with"`
	Mask           string            `json:"mask" doc:"What is shown of it where it is shown masked"`
	Searchable     bool              `json:"searchable"`
	Index          *FieldIndex       `json:"index,omitempty" doc:"How it can be searched; absent: it cannot be"`
	RetentionDays  int               `json:"retention_days,omitempty" doc:"How long it is kept after it was written; absent: no limit of its own"`
	Expects        []string          `json:"expects,omitempty" doc:"Kinds of personal data that a text is meant to hold, or any alone"`
}

// A CatalogApplied answers PUT /v1/catalog.
type CatalogApplied struct {
	Version int64    `json:"version" doc:"The version in force"`
	DryRun  bool     `json:"dry_run"`
	Changes []Change `json:"changes"`
	// AskAgain are the purposes for which people have to be asked again.
	AskAgain []string `json:"ask_again" doc:"Purposes for which people have to be asked again: until then their consent opens nothing"`
}

// A Change is one difference between two catalogs, in words.
type Change struct {
	Path   string `json:"path"`
	Text   string `json:"text"`
	Widens bool   `json:"widens" doc:"People's data are used for more, by more, for longer or on another basis than they were told"`
	// Material are the purposes about which people were told something else.
	Material []string `json:"material" doc:"Purposes about which people were told something else before"`
}

// A Policy answers GET /v1/policy.
type Policy struct {
	Version int64     `json:"version"`
	Policy  string    `json:"policy" doc:"Cedar text, as it was applied"`
	By      string    `json:"by"`
	Created time.Time `json:"created"`
}

// A PolicyApplied answers PUT /v1/policy.
type PolicyApplied struct {
	Version  int64     `json:"version" doc:"The version in force"`
	DryRun   bool      `json:"dry_run"`
	Findings []Finding `json:"findings"`
}

// A Finding is something to look at in a policy. Errors refuse it.
type Finding struct {
	Severity string `json:"severity" enum:"error,warning"`
	Policy   string `json:"policy" doc:"Id of the policy"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Problem  string `json:"problem"`
}

// An ExplainRequest is the body of POST /v1/policy/explain: what would a caller
// with these roles see of the field, in this state? It names no person.
type ExplainRequest struct {
	Roles      []string     `json:"roles"`
	Purpose    string       `json:"purpose,omitempty"`
	Collection string       `json:"collection"`
	Field      string       `json:"field"`
	State      ExplainState `json:"state,omitzero"`
}

// An ExplainState is the state of the person and the value that is assumed.
type ExplainState struct {
	Consent    string `json:"consent,omitempty" enum:"none,granted,refused,withdrawn,expired,outdated,objected" doc:"Default: none"`
	Restricted bool   `json:"restricted,omitempty"`
	Expired    bool   `json:"expired,omitempty"`
	Own        bool   `json:"own,omitempty" doc:"The caller is the person"`
}

// An Explanation says how a decision comes about.
type Explanation struct {
	View        string       `json:"view" enum:"plain,masked,hidden"`
	Reason      string       `json:"reason,omitempty" enum:"policy,purpose,objection,consent,restricted,expired"`
	Rule        string       `json:"rule,omitempty" doc:"The embedded rule that decided, which no policy can override"`
	Policies    []string     `json:"policies" doc:"Ids of the policies that determined it"`
	Actual      []PolicyStep `json:"actual" doc:"What the policies say in this state"`
	Ideal       []PolicyStep `json:"ideal" doc:"What they say with consent, unrestricted, unexpired and the purpose listed"`
	Diagnostics []Diagnostic `json:"diagnostics" doc:"Policies that could not be evaluated, which denies"`
	Text        string       `json:"text" doc:"The same in sentences, one a line"`
}

// A PolicyStep is the policies' answer for one action.
type PolicyStep struct {
	Action    string      `json:"action"`
	Permitted bool        `json:"permitted"`
	Policies  []PolicyRef `json:"policies"`
}

// A PolicyRef names a policy and where it stands in the text.
type PolicyRef struct {
	ID     string `json:"id"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// A Diagnostic is a policy whose evaluation fails.
type Diagnostic struct {
	Policy  PolicyRef `json:"policy"`
	Problem string    `json:"problem"`
}

// A VerifierKeys answers GET /v1/audit/key: the public keys that certificates,
// receipts and checkpoints verify with.
type VerifierKeys struct {
	Keys []VerifierKey `json:"keys"`
}

// A VerifierKey is one public key.
type VerifierKey struct {
	ID  string `json:"id" doc:"First 8 bytes of the key's SHA-256, in hexadecimal"`
	Key string `json:"key" doc:"ed25519: and the key in base64"`
}

// A Health answers GET /healthz and /readyz: 200 if all is well, else 503.
type Health struct {
	Status string  `json:"status" enum:"ok,failing"`
	Checks []Check `json:"checks,omitempty"`
}

// A Check is one part that the service needs.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Note string `json:"note,omitempty" doc:"What to do, when it is not ok"`
}
