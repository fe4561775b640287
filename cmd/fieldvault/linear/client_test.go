//go:build e2e

package linear_test

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/client"
)

const collection = "customer"

func ref(subject string, rec int) client.Ref {
	return client.Ref{Subject: subject, Collection: collection, Record: recordNames[rec]}
}

// refused is the answer that an error stands for: a code, or none where the
// service may or may not have done it.
func refused(err error) got {
	var e *client.Error
	if errors.Is(err, client.ErrAnswer) {
		return got{code: "not understood"}
	}
	if !errors.As(err, &e) || e.Code == api.Unavailable {
		return got{}
	}
	return got{code: string(e.Code)}
}

// answered is out, or what the error stands for.
func answered(out got, err error) got {
	if err != nil {
		return refused(err)
	}
	out.code = ok
	return out
}

// outcome is answered for an item of a batch.
func outcome(out got, o api.Outcome) got { return answered(out, client.ItemError(0, o)) }

// ask does an operation on one person. For a decryption, or one that is
// sealed again, k is the ciphertext; a successful encryption returns one.
func (d *doors) ask(ctx context.Context, subject string, in op, k kept) (got, kept) {
	switch in.kind {
	case put, patch, remove:
		return d.write(ctx, subject, in), kept{}
	case reveal:
		return d.read(ctx, subject, in), kept{}
	case search:
		return d.find(ctx, subject, in), kept{}
	case encrypt:
		return d.seal(ctx, subject, in)
	case reencrypt:
		out, err := d.app.Reencrypt(ctx, []api.DecryptItem{{Subject: subject, Field: collection + ".email", Ciphertext: k.text}})
		return sealed(in, out, err)
	case decrypt:
		out, err := d.app.Decrypt(ctx, []api.DecryptItem{{Subject: subject, Field: collection + ".email", Ciphertext: k.text}})
		if err != nil {
			return refused(err), kept{}
		}
		return outcome(got{email: view(api.Field{View: out[0].View, Value: out[0].Value, Reason: out[0].Reason})}, out[0].Outcome), kept{}
	case erase, eraseGroup:
		return d.end(ctx, subject, in), kept{}
	default:
		return d.decide(ctx, subject, in), kept{}
	}
}

// named are the fields that an operation names, as JSON has them.
func (o op) named() map[string]any {
	m := map[string]any{}
	if o.email != "" {
		m["email"] = o.email
	}
	if o.city != "" {
		m["city"] = o.city
	}
	if o.hobby != "" {
		m["hobby"] = o.hobby
	}
	return m
}

func (d *doors) write(ctx context.Context, subject string, in op) got {
	var opts []client.Option
	if in.ifMatch != 0 {
		opts = append(opts, client.IfMatch(in.ifMatch))
	}
	var w api.Written
	var err error
	switch in.kind {
	case put:
		w, err = d.app.Put(ctx, ref(subject, in.rec), in.named(), opts...)
	case patch:
		w, err = d.app.Patch(ctx, ref(subject, in.rec), in.named(), opts...)
	default:
		err = d.app.Delete(ctx, ref(subject, in.rec))
	}
	return answered(got{rev: w.Revision}, err)
}

// fieldsFor are the fields that are read for a purpose.
func fieldsFor(purpose string) []string {
	if purpose == marketing {
		return []string{"email", "hobby"}
	}
	return []string{"email", "city"}
}

func (d *doors) read(ctx context.Context, subject string, in op) got {
	c := d.app
	if in.purpose == marketing {
		c = d.marketing
	}
	r, err := c.Get(ctx, ref(subject, in.rec), fieldsFor(in.purpose)...)
	return answered(views(r.Revision, r.Fields), err)
}

func views(rev uint64, fields map[string]api.Field) got {
	return got{rev: rev, email: view(fields["email"]), city: view(fields["city"]), hobby: view(fields["hobby"])}
}

// view is a field in the words of the model.
func view(f api.Field) string {
	switch f.View {
	case "":
		return ""
	case api.ViewPlain:
		var text string
		if err := json.Unmarshal(f.Value, &text); err != nil {
			return "no text"
		}
		return shown(text)
	case api.ViewHidden:
		return hidden(f.Reason)
	}
	return f.View
}

// find searches for a value. Whoever else has it is a failure of its own.
func (d *doors) find(ctx context.Context, subject string, in op) got {
	value, err := json.Marshal(in.email)
	if err != nil {
		return got{code: "no JSON"}
	}
	out, err := d.app.Search(ctx, api.SearchRequest{Collection: collection, Field: "email", Equals: value})
	if err != nil {
		return refused(err)
	}
	for _, m := range out.Matches {
		if m.Subject != subject || m.Record != recordNames[in.rec] {
			return got{code: "a stranger"}
		}
	}
	return got{code: ok, found: len(out.Matches) > 0}
}

func (d *doors) seal(ctx context.Context, subject string, in op) (got, kept) {
	value, err := json.Marshal(in.email)
	if err != nil {
		return got{code: "no JSON"}, kept{}
	}
	out, err := d.app.Encrypt(ctx, []api.EncryptItem{{Subject: subject, Field: collection + ".email", Plaintext: value}})
	return sealed(in, out, err)
}

// sealed is the answer that holds a ciphertext of the operation's value.
func sealed(in op, out []api.EncryptResult, err error) (got, kept) {
	if err != nil {
		return refused(err), kept{}
	}
	if !out[0].OK() {
		return outcome(got{}, out[0].Outcome), kept{}
	}
	p, err := field.ParsePortable(out[0].Ciphertext)
	if err != nil {
		return got{code: "no ciphertext"}, kept{}
	}
	return got{code: ok, gen: p.Generation}, kept{text: out[0].Ciphertext, value: in.email, gen: p.Generation}
}

// end erases a person, or the group leisure of one.
func (d *doors) end(ctx context.Context, subject string, in op) got {
	var cert api.Certificate
	var err error
	if in.kind == erase {
		cert, err = d.officer.Erase(ctx, subject, "asked for it")
	} else {
		cert, err = d.officer.EraseGroups(ctx, subject, "asked for it", []string{"leisure"})
	}
	if err != nil {
		return refused(err)
	}
	var c struct{ Generation uint32 }
	if err := json.Unmarshal(cert, &c); err != nil || c.Generation == 0 {
		return got{code: "no certificate"}
	}
	return got{code: ok, gen: c.Generation}
}

// decide does what officers do.
func (d *doors) decide(ctx context.Context, subject string, in op) got {
	var out got
	var err error
	switch in.kind {
	case grant, withdraw:
		decision := api.Granted
		if in.kind == withdraw {
			decision = api.Withdrawn
		}
		_, err = d.officer.RecordConsent(ctx, subject, marketing, api.Decision{Decision: decision})
	case consents:
		var list []api.Consent
		list, err = d.officer.Consents(ctx, subject)
		for _, c := range list {
			if c.Purpose == marketing {
				out.consent = c.State
			}
		}
	case hold:
		err = d.officer.Hold(ctx, subject, "litigation")
	case release:
		err = d.officer.Release(ctx, subject)
	case restrict:
		err = d.officer.Restrict(ctx, subject, "")
	case unrestrict:
		err = d.officer.Unrestrict(ctx, subject)
	case reenrol:
		out.gen, err = d.officer.Reenrol(ctx, subject)
	default:
		panic("no such operation: " + in.kind)
	}
	return answered(out, err)
}

// askMany does one batch: an operation of the same kind, put or reveal, on several
// people's records.
func (d *doors) askMany(ctx context.Context, subjects []string, in []op) []got {
	outs := make([]got, len(in))
	if in[0].kind == put {
		items := make([]api.WriteItem, len(in))
		for i, o := range in {
			items[i] = api.WriteItem{Subject: subjects[i], Collection: collection, Record: recordNames[o.rec], Fields: map[string]json.RawMessage{}}
			for name, v := range o.named() {
				b, err := json.Marshal(v)
				if err != nil {
					return outs
				}
				items[i].Fields[name] = b
			}
		}
		results, err := d.app.PutBatch(ctx, items)
		for i := range outs {
			if err != nil {
				outs[i] = refused(err)
			} else {
				outs[i] = outcome(got{rev: results[i].Revision}, results[i].Outcome)
			}
		}
		return outs
	}
	items := make([]api.RevealItem, len(in))
	for i, o := range in {
		items[i] = api.RevealItem{Subject: subjects[i], Collection: collection, Record: recordNames[o.rec], Fields: fieldsFor(support)}
	}
	results, err := d.app.RevealBatch(ctx, items)
	for i := range outs {
		if err != nil {
			outs[i] = refused(err)
		} else {
			outs[i] = outcome(views(results[i].Revision, results[i].Fields), results[i].Outcome)
		}
	}
	return outs
}
