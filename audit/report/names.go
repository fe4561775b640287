package report

import (
	"slices"
	"strings"

	"github.com/fieldvault/fieldvault/accessctl"
)

// Names turns the numbers and ids of events into words, by the catalog. Fields of
// earlier versions should be among them: an old event may be about one.
type Names interface {
	// Field returns the names of a collection and its field, and the field's
	// classification. If ok is false there is no such field.
	Field(collection, field uint32) (collectionName, fieldName, classification string, ok bool)
	// Purpose returns what a purpose tells people. If ok is false there is no such
	// purpose.
	Purpose(id accessctl.Purpose) (text string, ok bool)
}

// A name is what Names says of a field.
type name struct {
	collection, field, classification string
}

// A fieldID names a field by the numbers of the catalog.
type fieldID struct {
	collection, field uint32
}

// A namer asks Names once for each field.
type namer struct {
	names  Names
	fields map[fieldID]name
}

func newNamer(names Names) *namer {
	return &namer{names: names, fields: map[fieldID]name{}}
}

// field returns the names of a field; empty ones if there are none.
func (n *namer) field(id fieldID) name {
	have, ok := n.fields[id]
	if ok || n.names == nil || id == (fieldID{}) {
		return have
	}
	if c, f, class, ok := n.names.Field(id.collection, id.field); ok {
		have = name{c, f, class}
	}
	n.fields[id] = have
	return have
}

// purpose returns what a purpose tells people, or "".
func (n *namer) purpose(id accessctl.Purpose) string {
	if n.names != nil {
		if text, ok := n.names.Purpose(id); ok {
			return text
		}
	}
	if id == accessctl.PurposeSelf {
		return "people see their own data"
	}
	return ""
}

// Special reports whether a classification stands for special categories of
// personal data (GDPR Art. 9(1)) or for criminal convictions and offences (Art.
// 10), by its words. The catalog leaves classifications free, so this knows the
// usual ones: special, sensitive, health, medical, genetic, biometric, racial, ethnic,
// political, religious, philosophical, union, sexual, criminal, and their
// nouns. A false says only that the name does not tell.
func Special(classification string) bool {
	return slices.ContainsFunc(strings.Split(classification, "_"), func(word string) bool {
		switch word {
		case "special", "sensitive", "health", "medical", "genetic", "genetics", "biometric", "biometrics",
			"race", "racial", "ethnic", "ethnicity", "political", "politics", "religion", "religious",
			"belief", "beliefs", "philosophical", "union", "sexual", "sexuality", "criminal", "convictions":
			return true
		}
		return false
	})
}
