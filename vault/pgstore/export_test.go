package pgstore

import "github.com/fieldvault/fieldvault/vault"

// Consents reads a list of rows as consents.
func Consents(list []byte) ([]vault.Consent, error) { return consents(list) }
