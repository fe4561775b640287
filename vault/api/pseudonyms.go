package api

// A PseudonymRequest is the body of POST /v1/pseudonyms: people who get the names under
// which a recipient knows them, for the purpose of the header.
type PseudonymRequest struct {
	Purpose   string   `json:"purpose,omitempty" doc:"If given, that of the header Fieldvault-Purpose"`
	Recipient string   `json:"recipient" doc:"One that the purpose lists in the catalog, as it is written there"`
	Subjects  []string `json:"subjects" maxItems:"1000"`
}

// A PseudonymAnswer answers POST /v1/pseudonyms, one result a subject and in order.
type PseudonymAnswer struct {
	Results []PseudonymResult `json:"results"`
}

// A PseudonymResult is one pseudonym. Code not_found: there is no such person, or the
// purpose does not hold for them now; which of these is not said.
type PseudonymResult struct {
	Outcome
	Pseudonym string `json:"pseudonym,omitempty" doc:"fp1: and base64url, 52 bytes; the same each time while the person lives"`
}

// A ResolveRequest is the body of POST /v1/pseudonyms/resolve.
type ResolveRequest struct {
	Purpose    string   `json:"purpose,omitempty" doc:"If given, that of the header Fieldvault-Purpose"`
	Recipient  string   `json:"recipient" doc:"The one for whom the pseudonyms were made"`
	Pseudonyms []string `json:"pseudonyms" maxItems:"1000"`
}

// A ResolveAnswer answers POST /v1/pseudonyms/resolve, one result a pseudonym and in order.
type ResolveAnswer struct {
	Results []ResolveResult `json:"results"`
}

// A ResolveResult is the person behind one pseudonym. Code not_found for one of an
// erased person, of another purpose, recipient or tenant, of a person for whom the
// purpose does not hold now, and for what is none.
type ResolveResult struct {
	Outcome
	Subject string `json:"subject,omitempty"`
}
