# What the keeper of keys may do: make tenants' keys, rotate them, set their
# minimum versions and trim them. It opens nothing: there is no decrypt and no
# rewrap here. Only `fieldvault migrate` and `fieldvault tenant create` log in with
# it, and what rotates keys.
#
# The paths name each thing that may be done to a key (`+` is one segment), so that
# `import`, `delete` and what later versions of Vault add below a key stay denied.
# They take every key of the mount: give Fieldvault a Transit mount of its own.

# Keys neither exportable nor backed up in clear. (`required_parameters` would ask
# for `derived`, but would deny reading too; Fieldvault does not use a key that is
# not derived.)
path "transit/keys/+" {
  capabilities = ["create", "update", "read"]
  allowed_parameters = {
    "type"                   = ["aes256-gcm96"]
    "derived"                = [true]
    "exportable"             = [false]
    "allow_plaintext_backup" = [false]
  }
}

path "transit/keys/+/rotate" {
  capabilities = ["update"]
}

# Not `deletion_allowed`, `exportable`, `allow_plaintext_backup`, `auto_rotate_period`.
path "transit/keys/+/config" {
  capabilities = ["update"]
  allowed_parameters = {
    "min_decryption_version" = []
    "min_encryption_version" = []
  }
}

# This destroys key versions for ever.
path "transit/keys/+/trim" {
  capabilities = ["update"]
  allowed_parameters = {
    "min_available_version" = []
  }
}

# A new tenant's own secrets are wrapped by who creates it.
path "transit/encrypt/fieldvault-*" {
  capabilities = ["update"]
}

path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
