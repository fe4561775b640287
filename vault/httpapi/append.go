package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// The answers with values are appended by hand: this is the path that every read
// takes, and here plaintext is in one buffer that can be overwritten. A test
// holds them against the schemas of the OpenAPI document.

// sizeOf guesses how long the answer will be, so that plaintext is seldom copied
// to a larger buffer.
func sizeOf(out []vault.Revealed) int {
	n := 64
	for i := range out {
		n += 192
		for j := range out[i].Fields {
			l := out[i].Fields[j].Value.Len()
			n += 56 + len(out[i].Fields[j].Field.Name) + l + l/4
		}
	}
	return n
}

// wipe overwrites values that are not needed any longer.
func wipe(out []vault.Revealed) {
	for i := range out {
		for j := range out[i].Fields {
			out[i].Fields[j].Value.Wipe()
		}
	}
}

// appendResults appends the body of a reveal.
func (x *exchange) appendResults(dst []byte, items []vault.Item, out []vault.Revealed) ([]byte, error) {
	dst = append(dst, `{"results":[`...)
	for i := range out {
		if i > 0 {
			dst = append(dst, ',')
		}
		if out[i].Err != nil {
			b, err := json.Marshal(x.outcome(out[i].Err, http.StatusOK))
			if err != nil {
				return nil, fmt.Errorf("encoding a result: %w", err)
			}
			dst = append(dst, b...)
			continue
		}
		dst = append(dst, `{"status":200,`...)
		dst = append(appendRecord(dst, &items[i], &out[i]), '}')
	}
	return append(dst, `]}`...), nil
}

// appendRecord appends the members of an [api.Record], without braces.
func appendRecord(dst []byte, it *vault.Item, r *vault.Revealed) []byte {
	dst = appendMember(dst, `"subject":`, it.Subject)
	dst = appendMember(dst, `,"collection":`, it.Collection)
	dst = appendMember(dst, `,"record":`, it.Record)
	dst = append(dst, `,"revision":`...)
	dst = strconv.AppendUint(dst, r.Revision, 10)
	dst = append(dst, `,"fields":{`...)
	for i := range r.Fields {
		f := &r.Fields[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), f.Field.Name...), `":{`...)
		dst = append(appendAnswer(dst, f), '}')
	}
	return append(dst, '}')
}

func appendMember(dst []byte, name, value string) []byte {
	return catalog.AppendString(append(dst, name...), []byte(value))
}

// appendAnswer appends the members of an [api.Field], without braces. A view that
// it does not know is hidden.
func appendAnswer(dst []byte, a *vault.Answer) []byte {
	switch a.View {
	case accessctl.Plain:
		return a.Field.AppendJSON(append(dst, `"view":"plain","value":`...), a.Value)
	case accessctl.Masked:
		return catalog.AppendString(append(dst, `"view":"masked","value":`...), a.Value.Expose())
	case accessctl.Hidden:
		return appendHidden(dst, a.Reason)
	default:
		return appendHidden(dst, accessctl.ReasonPolicy)
	}
}

func appendHidden(dst []byte, r accessctl.Reason) []byte {
	return append(append(append(dst, `"view":"hidden","reason":"`...), r...), '"')
}

// fieldOf is an answer as wire type, for the routes where one more copy does not matter.
func fieldOf(a *vault.Answer) api.Field {
	f := api.Field{View: a.View.String(), Reason: string(a.Reason)}
	switch a.View {
	case accessctl.Plain:
		f.Value = a.Field.AppendJSON(nil, a.Value)
	case accessctl.Masked:
		f.Value = catalog.AppendString(nil, a.Value.Expose())
	case accessctl.Hidden:
	}
	return f
}
