package vault

import "time"

// A Recipient is told of rectification, erasure and restriction (GDPR Art. 19).
type Recipient struct {
	// Name is the recipient's, as the catalog or the contract calls it. Required.
	Name string
}

// Told is how a recipient was told of a request.
type Told struct {
	Recipient string    `json:"recipient"`
	At        time.Time `json:"at,omitzero"` // zero: not yet
}
