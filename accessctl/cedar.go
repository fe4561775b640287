package accessctl

import (
	"iter"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
)

// The entity types of a policy.
const (
	typeCaller         types.EntityType = "Caller"
	typeRole           types.EntityType = "Role"
	typeAction         types.EntityType = "Action"
	typeField          types.EntityType = "Field"
	typeCollection     types.EntityType = "Collection"
	typeClassification types.EntityType = "Classification"
	typePerson         types.EntityType = "Person"
	typeService        types.EntityType = "Service"
)

// subset is some rules of a policy, in the order of the text. Unlike Cedar's own
// set it is walked in that order, so that an answer names policies the same way
// each time.
type subset []*rule

// All yields the rules as Cedar's authorizer takes them.
func (s subset) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for _, r := range s {
			if !yield(cedar.PolicyID(r.id), r.compiled) {
				return
			}
		}
	}
}

// world is the two entities there are: who asks, and what for.
type world struct {
	principal, resource types.Entity
}

// Get is Cedar's question for an entity. Roles, collections and classifications
// are known only as parents.
func (w *world) Get(uid types.EntityUID) (types.Entity, bool) {
	switch uid {
	case w.principal.UID:
		return w.principal, true
	case w.resource.UID:
		return w.resource, true
	default:
		return types.Entity{}, false
	}
}

// principal is the caller with the roles given.
func principal(roles []Role) types.Entity {
	parents := make([]types.EntityUID, len(roles))
	for i, r := range roles {
		parents[i] = types.NewEntityUID(typeRole, types.String(r))
	}
	return types.Entity{
		UID:     types.NewEntityUID(typeCaller, "caller"),
		Parents: types.NewEntityUIDSet(parents...),
	}
}

// resource is what a question is about.
func (q *question) resource() types.Entity {
	switch q.action.kind() {
	case onPerson:
		return types.Entity{UID: types.NewEntityUID(typePerson, "person")}
	case onService:
		return types.Entity{UID: types.NewEntityUID(typeService, "service")}
	default:
		parents := []types.EntityUID{types.NewEntityUID(typeCollection, types.String(q.field.Collection))}
		if q.field.Classification != "" {
			parents = append(parents, types.NewEntityUID(typeClassification, types.String(q.field.Classification)))
		}
		return types.Entity{
			UID:     types.NewEntityUID(typeField, types.String(q.field.Collection+"."+q.field.Name)),
			Parents: types.NewEntityUIDSet(parents...),
		}
	}
}

// contextNames returns the attributes of a policy's context.
func contextNames() []string {
	return []string{"purpose", "basis", "consent", "restricted", "expired", "own", "listed", "match"}
}

// context is the state of a question, as policies see it.
func (q *question) context(purpose Purpose, basis Basis) types.Record {
	return types.NewRecord(types.RecordMap{
		"purpose":    types.String(purpose),
		"basis":      types.String(basis),
		"consent":    types.String(q.state.Consent.String()),
		"restricted": types.Boolean(q.state.Restricted),
		"expired":    types.Boolean(q.state.Expired),
		"own":        types.Boolean(q.state.Own),
		"listed":     types.Boolean(q.field.Listed),
		"match":      types.String(q.match),
	})
}

// verdict is what the policies alone say.
type verdict struct {
	permitted bool
	policies  []string                // what determined it
	failures  []cedar.DiagnosticError // if any: not permitted
}

// authorize asks the rules. A rule whose evaluation fails denies: Cedar itself
// would skip it, and a forbid that is skipped is a permit.
func (s subset) authorize(who types.Entity, purpose Purpose, basis Basis, q question) verdict {
	w := &world{principal: who, resource: q.resource()}
	decision, diagnostic := cedar.Authorize(s, w, cedar.Request{
		Principal: who.UID,
		Action:    types.NewEntityUID(typeAction, types.String(q.action)),
		Resource:  w.resource.UID,
		Context:   q.context(purpose, basis),
	})
	if len(diagnostic.Errors) > 0 {
		v := verdict{failures: diagnostic.Errors}
		for _, e := range diagnostic.Errors {
			v.policies = append(v.policies, string(e.PolicyID))
		}
		return v
	}
	v := verdict{permitted: decision == cedar.Allow}
	for _, r := range diagnostic.Reasons {
		v.policies = append(v.policies, string(r.PolicyID))
	}
	return v
}
