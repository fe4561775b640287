package api

import "time"

// A Notices answers GET /v1/notices: what people were told, newest first.
type Notices struct {
	Notices []NoticeRef `json:"notices"`
	Before  int64       `json:"before,omitempty" doc:"Where the next page begins; absent: there is none"`
}

// A NoticeRef is one published version of what people are told.
type NoticeRef struct {
	Version    int64     `json:"version" minimum:"1"`
	Published  time.Time `json:"published"`
	ApprovedBy string    `json:"approved_by,omitempty" doc:"Who approved it, as its author states"`
	ApprovedOn string    `json:"approved_on,omitempty"`
	Changes    int       `json:"changes" doc:"How many things changed against the version before"`
	AskAgain   []string  `json:"ask_again" doc:"Purposes for which people had to be asked again"`
}

// A Notice answers GET /v1/notices/{version}.
type Notice struct {
	NoticeRef
	Catalog Catalog      `json:"catalog"`
	Texts   []NoticeText `json:"texts" doc:"What people are told, purpose by purpose and language by language"`
}

// A NoticeText is what people are told about one purpose, as the hash in a receipt covers it.
type NoticeText struct {
	Purpose  string `json:"purpose"`
	Language string `json:"language"`
	Text     string `json:"text"`
	Hash     string `json:"hash" doc:"sha256: and the hexadecimal SHA-256 of the text, as in receipts"`
}

// A NoticeDiff answers GET /v1/notices/diff.
type NoticeDiff struct {
	From     int64    `json:"from"`
	To       int64    `json:"to"`
	Changes  []Change `json:"changes"`
	AskAgain []string `json:"ask_again" doc:"Purposes for which those who were told the first have to be asked again"`
}

// A GPC answers GET /.well-known/gpc.json, as the specification of Global Privacy
// Control has it.
type GPC struct {
	GPC        bool   `json:"gpc"`
	LastUpdate string `json:"lastUpdate,omitempty" doc:"When the newest notice was published"`
}
