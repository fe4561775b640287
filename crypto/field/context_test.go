package field_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/crypto/field"
)

// TestContextsAreInjective: two data keys, two secrets, or one of each, never
// have the same wrap context, whatever their names are.
func TestContextsAreInjective(t *testing.T) {
	type identity struct {
		tenant, label string
		uid           [16]byte
		group, epoch  uint32
	}
	seen := map[string]identity{}
	name := rapid.StringMatching(`[a\x00\x01\x04]{0,3}`)
	rapid.Check(t, func(t *rapid.T) {
		id := identity{tenant: name.Draw(t, "tenant")}
		var context []byte
		if rapid.Bool().Draw(t, "secret") {
			id.label = "l" + name.Draw(t, "label")
			context = field.SecretContext(id.tenant, id.label)
		} else {
			id.uid[15] = rapid.ByteRange(0, 2).Draw(t, "uid")
			id.group, id.epoch = rapid.Uint32Range(0, 2).Draw(t, "group"), rapid.Uint32Range(0, 2).Draw(t, "epoch")
			context = field.KeyContext(id.tenant, id.uid, id.group, id.epoch)
		}
		if other, ok := seen[string(context)]; ok && other != id {
			t.Fatalf("%+v and %+v have the same context", id, other)
		}
		seen[string(context)] = id
	})
}
