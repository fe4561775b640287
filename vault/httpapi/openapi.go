package httpapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fieldvault/fieldvault/vault/api"
)

// documentOf makes the OpenAPI document from the table of routes. huma makes the
// schemas from the Go types; it registers nothing and serves nothing, so none of
// its defaults (errors that echo values, $schema, 422) can get into an answer.
func documentOf(routes []route, version string) ([]byte, error) {
	reg := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Fieldvault", Version: version,
			Description: "Keeps people's personal data so that it can be used for what the person agreed to, seen by whom policy allows, and forgotten in an instant.\n\n" +
				"Errors are application/problem+json with a code of a closed set. JSON is read strictly: keys that are unknown, stand twice or differ only in case are refused.",
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Paths: map[string]*huma.PathItem{},
		Components: &huma.Components{
			Schemas: reg,
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"token": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "A JWT of a configured issuer, audience fieldvault, with the claims tenant and roles."},
			},
		},
		Security: []map[string][]string{{"token": {}}},
	}
	reg.Schema(reflect.TypeFor[api.Problem](), true, "")
	for i := range routes {
		if !strings.HasPrefix(routes[i].path, "/docs/") {
			doc.AddOperation(operation(&routes[i], reg))
		}
	}
	for _, s := range reg.Map() {
		tidy(s)
	}
	if p := reg.Map()["Problem"]; p != nil {
		for _, c := range api.Codes() {
			p.Properties["code"].Enum = append(p.Properties["code"].Enum, string(c))
		}
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encoding the OpenAPI document: %w", err)
	}
	return b, nil
}

// tidy says what huma's defaults do not: arrays are never null here, nor is
// anything else.
func tidy(s *huma.Schema) {
	if s == nil {
		return
	}
	s.Nullable = false
	tidy(s.Items)
	for _, p := range s.Properties {
		tidy(p)
	}
	if sub, ok := s.AdditionalProperties.(*huma.Schema); ok {
		tidy(sub)
	}
}

func operation(rt *route, reg huma.Registry) *huma.Operation {
	op := &huma.Operation{
		Method: rt.method, Path: rt.path, OperationID: rt.id, Tags: []string{rt.tag}, Summary: rt.summary, Description: rt.detail,
		Parameters: parameters(rt), Responses: map[string]*huma.Response{},
	}
	if rt.public {
		op.Security = []map[string][]string{}
	}
	if rt.bodyLimit() > 0 {
		op.RequestBody = &huma.RequestBody{Required: !rt.optional, Content: map[string]*huma.MediaType{}}
		for _, media := range rt.accepts() {
			op.RequestBody.Content[media] = &huma.MediaType{Schema: bodySchema(rt.in, reg)}
		}
	}
	for _, r := range rt.out {
		key := strconv.Itoa(r.status)
		if op.Responses[key] == nil {
			op.Responses[key] = &huma.Response{Description: r.words, Headers: map[string]*huma.Param{api.HeaderRequestID: {Schema: uuidSchema()}}}
		}
		addContent(op.Responses[key], r, reg)
	}
	op.Responses["default"] = &huma.Response{
		Description: "An error, with a code of a closed set",
		Content:     map[string]*huma.MediaType{api.ProblemType: {Schema: reg.Schema(reflect.TypeFor[api.Problem](), true, "")}},
	}
	return op
}

func addContent(to *huma.Response, r result, reg huma.Registry) {
	media := r.media
	switch {
	case r.body != nil:
		media = mediaJSON
	case media == "":
		return
	}
	if to.Content == nil {
		to.Content = map[string]*huma.MediaType{}
	}
	to.Content[media] = &huma.MediaType{Schema: bodySchema(r.body, reg)}
}

// bodySchema is the schema of a Go value's type. Documents that are signed, and
// this document, are described elsewhere: here they are objects.
func bodySchema(v any, reg huma.Registry) *huma.Schema {
	switch v.(type) {
	case nil:
		return &huma.Schema{Type: huma.TypeString}
	case json.RawMessage, map[string]any:
		return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
	}
	return reg.Schema(reflect.TypeOf(v), true, "")
}

func uuidSchema() *huma.Schema { return &huma.Schema{Type: huma.TypeString, Format: "uuid"} }

func parameters(rt *route) []*huma.Param {
	var list []*huma.Param
	add := func(name, in, words string, required bool, s *huma.Schema) {
		list = append(list, &huma.Param{Name: name, In: in, Description: words, Required: required, Schema: s})
	}
	for part := range strings.SplitSeq(rt.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			add(name, "path", "", true, nameSchema(name))
		}
	}
	for _, p := range rt.query {
		s := querySchema(p.name)
		if slices.Contains(rt.repeats, p.name) {
			s = &huma.Schema{Type: huma.TypeArray, Items: s} // of which each stands as a parameter of its own, by default
		}
		add(p.name, "query", p.words, p.required, s)
	}
	if rt.purpose != never {
		add(api.HeaderPurpose, "header", "Why: the id of a purpose", rt.purpose == always, nameSchema("purpose"))
	}
	if rt.ifMatch {
		add("If-Match", "header", `Only if this revision is current: "1"`, false, &huma.Schema{Type: huma.TypeString, Pattern: `^"[1-9][0-9]*"$`})
	}
	if rt.once {
		most := api.MaxIdempotencyKey
		add(api.HeaderIdempotencyKey, "header", "Makes a repeated request have one effect, for 24 hours", false, &huma.Schema{Type: huma.TypeString, MaxLength: &most})
	}
	if !rt.probe {
		add(api.HeaderRequestID, "header", "Names the request in log and audit", false, uuidSchema())
	}
	return list
}

// nameSchema is the form of identifiers.
func nameSchema(name string) *huma.Schema {
	switch name {
	case "subject", "record":
		least, most := 1, 128
		return &huma.Schema{Type: huma.TypeString, Pattern: `^[A-Za-z0-9._~@:+-]+$`, MinLength: &least, MaxLength: &most, Description: "Neither . nor .."}
	}
	return &huma.Schema{Type: huma.TypeString, Pattern: `^[a-z][a-z0-9_]{0,62}$`}
}

func querySchema(name string) *huma.Schema {
	switch name {
	case "limit":
		least, most := 1.0, float64(api.MaxPage)
		return &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most}
	case "dry_run", "masked":
		return &huma.Schema{Type: huma.TypeBoolean}
	}
	return &huma.Schema{Type: huma.TypeString}
}
