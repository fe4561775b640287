# What a Fieldvault node may do: use the keys that exist, and nothing else.
#
# `update` without `create` matters: with `create`, encrypting under a key that is
# missing would make it. A node cannot create, configure, rotate, trim, delete,
# export, back up or import a key, and sees nothing else of this Vault. It can use
# every tenant's key: a tenant is kept apart by Fieldvault, not by Vault.

path "transit/encrypt/fieldvault-*" {
  capabilities = ["update"]
}

path "transit/decrypt/fieldvault-*" {
  capabilities = ["update"]
}

path "transit/rewrap/fieldvault-*" {
  capabilities = ["update"]
}

# Whether a key exists, that it is derived, and its versions. No key material.
path "transit/keys/fieldvault-*" {
  capabilities = ["read"]
}

# Its own token; part of Vault's default policy, which a node does not need.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
