package main

import (
	"github.com/fieldvault/fieldvault/crypto/localkek"
	"github.com/fieldvault/fieldvault/crypto/transit"
	"github.com/fieldvault/fieldvault/vault"
)

// keeper is the key-encryption key as one that can be administered. Whether it
// lets this process do so is its own affair: Vault asks for the keeper's policy, a
// file for the right to write it. It is nil for a key of neither kind.
func keeper(k kek) vault.KeyAdmin {
	switch k := k.(type) {
	case *transit.KEK:
		return vault.NewKeyAdmin(k)
	case *localkek.KEK:
		return vault.NewKeyAdmin(k)
	}
	return nil
}
