package pgstore

import "github.com/fieldvault/fieldvault/vault"

// Lists reads the same bytes as keys and as consents.
func Lists(list []byte) (keys []vault.DataKey, all []vault.Consent, asKeys, asConsents error) {
	keys, asKeys = dataKeys(list)
	all, asConsents = consents(list)
	return keys, all, asKeys, asConsents
}
