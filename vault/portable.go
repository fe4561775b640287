package vault

import (
	"context"
	"fmt"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/crypto/field"
)

// Decrypt opens ciphertexts that the application kept: same keys, same policy,
// same audit and same erasure as Reveal. A ciphertext of an earlier life, or of a
// group that was erased, is ErrGone to a caller who may know of the person. There
// are at most MaxItems items; answers stand in their order and are the caller's to
// wipe. The error is for the call as a whole, as in [Vault.Reveal].
func (v *Vault) Decrypt(ctx context.Context, c accessctl.Caller, items []Ciphertext) ([]Decrypted, error) {
	if len(items) > MaxItems {
		return nil, ErrTooLarge
	}
	revealed, err := v.read(ctx, c, "decrypt", len(items), func(r *reading) {
		for i := range items {
			w, err := r.wantPortable(&items[i])
			if err != nil {
				r.out[i].Err = err
				continue
			}
			w.at = i
			r.wants = append(r.wants, w)
		}
	})
	if err != nil {
		return nil, err
	}
	out := make([]Decrypted, len(items))
	for i := range revealed {
		out[i].Err = revealed[i].Err
		if len(revealed[i].Fields) == 1 {
			out[i].Answer = revealed[i].Fields[0]
		} else if out[i].Err == nil {
			out[i].Err = ErrGone
		}
	}
	return out, nil
}

func (r *reading) wantPortable(it *Ciphertext) (want, error) {
	if err := checkID("subject", it.Subject); err != nil {
		return want{}, err
	}
	collection, name, err := splitField(it.Field)
	if err != nil {
		return want{}, err
	}
	coll, ok := r.s.catalog.Collection(collection)
	if !ok {
		return want{}, invalid("field", "is not in the catalog")
	}
	p, err := field.ParsePortable(it.Ciphertext)
	if err != nil {
		return want{}, invalid("ciphertext", "must be what encrypt returned, whole")
	}
	w := want{
		subject: it.Subject, own: own(r.c, it.Subject), lookup: r.t.hash(it.Subject),
		coll: coll, portable: &p,
	}
	if err := r.wantFields(&w, []string{name}); err != nil || w.all {
		return want{}, invalid("field", "is not in the catalog")
	}
	if p.Collection != coll.ID || p.Field != w.fields[0].ID || p.Group != w.fields[0].GroupID {
		return want{}, invalid("ciphertext", "is of another field")
	}
	return w, nil
}

// portableSealed checks that the ciphertext is of the person's present life and
// of the group's present epoch.
func portableSealed(w *want, l *LoadedItem) ([]field.Sealed, string) {
	p := w.portable
	k := keyOf(l.Keys, p.Group)
	switch {
	case p.Generation != l.Subject.Generation:
		return nil, codeGone
	case k == nil || k.Wrapped == nil || k.Epoch != p.Epoch:
		return nil, codeGone
	}
	return []field.Sealed{{Field: p.Field, Group: p.Group, Epoch: p.Epoch, Ciphertext: field.Split(p.Sealed)}}, ""
}

// Encrypt seals values for an application that keeps the ciphertext. The first
// one of an unknown person makes the person, like a first write. It needs the action
// write. There are at most MaxItems items, and answers stand in their order; sealing
// the same value again gives another ciphertext. Nothing is stored but the event, so
// a value that nobody keeps is lost.
func (v *Vault) Encrypt(ctx context.Context, c accessctl.Caller, items []Plaintext) ([]Encrypted, error) {
	if len(items) > MaxItems {
		return nil, ErrTooLarge
	}
	w, err := v.write(ctx, c, "encrypt", len(items), func(w *writing) {
		for i := range items {
			w.addPlaintext(i, &items[i])
		}
	})
	return w.encrypted(err)
}

// Reencrypt moves ciphertexts to the person's current key, without showing them:
// it needs the action write, and what it opens stays inside. One of an earlier life,
// or of a group that was erased, is ErrGone. Items and answers are as in
// [Vault.Encrypt].
func (v *Vault) Reencrypt(ctx context.Context, c accessctl.Caller, items []Ciphertext) ([]Encrypted, error) {
	if len(items) > MaxItems {
		return nil, ErrTooLarge
	}
	w, err := v.write(ctx, c, "reencrypt", len(items), func(w *writing) {
		for i := range items {
			w.addCiphertext(i, &items[i])
		}
	})
	return w.encrypted(err)
}

func (w *writing) encrypted(err error) ([]Encrypted, error) {
	if err != nil {
		return nil, err
	}
	out := make([]Encrypted, len(w.items))
	for i := range w.items {
		out[i] = Encrypted{Ciphertext: w.items[i].text, Err: w.items[i].err}
	}
	return out, nil
}

// sealPortable seals or re-seals the item's value under its person's key.
func (p *writePerson) sealPortable(w *writing, it *writeItem) error {
	f := it.fields[0]
	k := p.key(f.field.GroupID)
	place := field.Place{
		Tenant: w.t.row.Name, UID: p.subject.UID, Group: k.id.Group, Epoch: k.id.Epoch,
		Collection: it.coll.ID, Field: f.field.ID,
	}
	value := f.value
	if it.cipher != nil {
		if it.cipher.Generation != p.subject.Generation || it.cipher.Epoch != k.id.Epoch {
			it.err = ErrGone
			return nil
		}
		var err error
		if value, err = k.opened.OpenPortable(place, *it.cipher); err != nil {
			it.err = invalid("ciphertext", "does not open: it was changed, or is another person's or field's")
			return nil
		}
		defer value.Wipe()
	}
	text, err := k.opened.SealPortable(place, p.subject.Generation, value)
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	it.text = text
	return nil
}
