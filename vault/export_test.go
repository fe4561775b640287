package vault

import "context"

// Follow takes in what is new in the ledger, as Run does once a second.
func (v *Vault) Follow(ctx context.Context) error { return v.follow(ctx) }
