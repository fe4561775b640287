package catalog

import (
	"encoding/json"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Ids and names of the key groups that every catalog has.
const (
	// GroupIdentity seals external ids and free text about a person. No field
	// may be in it.
	GroupIdentity   = "identity"
	GroupIdentityID = 1

	// GroupDefault holds the fields that name no group.
	GroupDefault   = "default"
	GroupDefaultID = 2
)

// PurposeSelf is the reserved purpose of people who read their own data. It
// cannot be declared or listed.
const PurposeSelf = "self"

// ClassificationDefault is the classification of a field that states none.
const ClassificationDefault = "personal"

// Catalog is one version of what may be stored, and what for.
type Catalog struct {
	// Version is 0 until Assign, then counts from 1.
	Version     int64        `json:"version"`
	Title       string       `json:"title"`
	Controller  *Controller  `json:"controller,omitempty"`
	Approval    *Approval    `json:"approval,omitempty"`
	Language    string       `json:"language"` // of all texts that are not in Translations
	Region      string       `json:"region,omitempty"`
	Groups      []Group      `json:"groups"`
	Purposes    []Purpose    `json:"purposes"`
	Collections []Collection `json:"collections"`

	// Retired are collections and groups of earlier versions, whose ids are
	// never given again.
	RetiredCollections []Retired `json:"retired_collections,omitempty"`
	RetiredGroups      []Retired `json:"retired_groups,omitempty"`

	collections   map[string]*Collection
	collectionIDs map[uint32]*Collection
	groups        map[string]*Group
	groupIDs      map[uint32]*Group
	purposes      map[string]*Purpose
	positions     map[string]position // by path; nil without a source
}

// Controller is who answers for the processing (GDPR Art. 4(7)).
type Controller struct {
	Name    string `json:"name"`
	Contact string `json:"contact"`

	// Address is the postal address, Jurisdiction the law that applies, and
	// StorageLocations are where data are kept, in words. All are optional; a receipt
	// says that the notice does not state what is missing.
	Address          string   `json:"address,omitempty"`
	Jurisdiction     string   `json:"jurisdiction,omitempty"`
	StorageLocations []string `json:"storage_locations,omitempty"`
}

// Approval says who approved this version of the catalog, as its source states it.
type Approval struct {
	By string `json:"by"` // a role or an office, on one line
	On string `json:"on"` // ISO 8601 date
}

// Retired is what an earlier version had: its id, and the name it bore last.
type Retired struct {
	ID   uint32 `json:"id"`
	Name string `json:"name"`
}

// Group is a key group: fields that live and die together.
type Group struct {
	ID    uint32 `json:"id"`
	Name  string `json:"name"`
	Title string `json:"title"`

	// Consent holds the purposes of a group that rests on consent alone, which
	// are those of each of its fields. When none of them has a person's
	// consent any longer, the group's key is to be destroyed. It is nil for
	// any other group.
	Consent []string `json:"-"`
}

// Collection is a kind of record.
type Collection struct {
	ID          uint32  `json:"id"`
	Name        string  `json:"name"`
	Title       string  `json:"title"`
	RenamedFrom string  `json:"renamed_from,omitempty"`
	Fields      []Field `json:"fields"`

	// Titles are translations of Title, by language.
	Titles map[string]string `json:"titles,omitempty"`

	// Retired are fields of earlier versions. What is stored of them opens for
	// nobody.
	Retired []Retired `json:"retired,omitempty"`

	// Statistics is nil for a collection about whose people none are made.
	Statistics *Statistics `json:"statistics,omitempty"`

	// Releases is nil for a collection whose people are in no released table.
	Releases *Releases `json:"releases,omitempty"`

	fields   map[string]*Field
	fieldIDs map[uint32]*Field
}

// Field is one personal datum of a record.
type Field struct {
	ID             uint32   `json:"id"`
	Name           string   `json:"name"`
	Title          string   `json:"title"`
	Type           Type     `json:"type"`
	Classification string   `json:"classification"`
	Purposes       []string `json:"purposes"`
	Group          string   `json:"group"`
	GroupID        uint32   `json:"group_id"`

	// Index is nil for a field that cannot be searched.
	Index *Index `json:"index,omitempty"`

	// IndexVersion is the highest index version the field ever had. A version
	// is never used twice, even if the index is dropped in between.
	IndexVersion uint32 `json:"index_version,omitempty"`

	Mask string `json:"mask"`

	// Retention is how long a value is kept after it was written; 0 is no
	// limit. See Expires.
	Retention Days `json:"retention,omitempty"`

	// Region is an ISO 3166 code. Phones without + are of this country: the
	// field's own region, else the catalog's, else they are refused. A national
	// id has the check digits of this country, if the field states one.
	Region string `json:"region,omitempty"`

	// Schema is the JSON Schema of a field of type json, or nil.
	Schema json.RawMessage `json:"schema,omitempty"`

	// Expects are the kinds of personal data, of TextKinds, that a field of type text is
	// meant to hold, or AnyKind alone. To store others gives a warning.
	Expects []string `json:"expects,omitempty"`

	// Token is the form of tokens for the field; nil if none of a form can be made.
	Token *TokenFormat `json:"token,omitempty"`

	// Titles are translations of Title, by language.
	Titles map[string]string `json:"titles,omitempty"`

	RenamedFrom string `json:"renamed_from,omitempty"`

	collection string
	schema     *jsonschema.Schema
}

// The kinds of an index.
const (
	IndexEquality = "equality" // finds records by the equality of normalised values
	IndexPartial  = "partial"  // finds them by what Matching says alone: equal values do not show
)

// Limits and default of the bits of a blind index. Fewer bits make more people
// share a value: less is learnt from the index, and a search opens more
// candidates.
const (
	IndexBitsMin     = 8
	IndexBitsDefault = 64
	IndexBitsMax     = 256
)

// Index says how a field can be searched: by equality, by what Matching says, or both.
type Index struct {
	Kind string `json:"kind"` // IndexEquality or IndexPartial
	Bits int    `json:"bits"` // of equality; 0 with IndexPartial

	Matching

	// Version names the key of the index, and with it all entries that were made
	// under that key. After Parse it is the one that the source states, or 0; Assign
	// gives one. It rises when the source states a higher one, which exchanges the
	// key, and when what is indexed changes, so that values of the old and the new
	// form are never compared.
	Version uint32 `json:"version"`

	// Filling says that records written before the field had this version may have
	// no entries of it yet: they are indexed again. Filled ends it.
	Filling bool `json:"filling,omitempty"`

	// Previous is the version that is searched and written beside Version while that
	// is filled; 0 if no version covers all records then, and nothing can be found.
	Previous uint32 `json:"previous,omitempty"`

	// Before is what Previous has entries of, as Matching is of Version.
	Before Matching `json:"before,omitzero"`
}

// Written lists the versions of which a write stores entries.
func (x *Index) Written() []uint32 {
	if x.Previous != 0 {
		return []uint32{x.Previous, x.Version}
	}
	return []uint32{x.Version}
}

// Searched lists the versions of which a search looks for entries: none while no
// version covers all records.
func (x *Index) Searched() []uint32 {
	if x.Filling && x.Previous == 0 {
		return nil
	}
	return x.Written()
}

// Collection finds a collection by name.
func (c *Catalog) Collection(name string) (*Collection, bool) {
	col, ok := c.collections[name]
	return col, ok
}

// CollectionByID finds a collection by id.
func (c *Catalog) CollectionByID(id uint32) (*Collection, bool) {
	col, ok := c.collectionIDs[id]
	return col, ok
}

// Purpose finds a purpose by id.
func (c *Catalog) Purpose(id string) (*Purpose, bool) {
	p, ok := c.purposes[id]
	return p, ok
}

// Group finds a key group by name.
func (c *Catalog) Group(name string) (*Group, bool) {
	g, ok := c.groups[name]
	return g, ok
}

// GroupByID finds a key group by id.
func (c *Catalog) GroupByID(id uint32) (*Group, bool) {
	g, ok := c.groupIDs[id]
	return g, ok
}

// ConsentGroups lists the groups that rest on consent alone and on this
// purpose among others: those whose key a withdrawal may have to destroy.
func (c *Catalog) ConsentGroups(purpose string) []*Group {
	var list []*Group
	for i := range c.Groups {
		if slices.Contains(c.Groups[i].Consent, purpose) {
			list = append(list, &c.Groups[i])
		}
	}
	return list
}

// Field finds a field by name.
func (c *Collection) Field(name string) (*Field, bool) {
	f, ok := c.fields[name]
	return f, ok
}

// FieldByID finds a field by id.
func (c *Collection) FieldByID(id uint32) (*Field, bool) {
	f, ok := c.fieldIDs[id]
	return f, ok
}

// Lists says whether the field may be read for the purpose.
func (f *Field) Lists(purpose string) bool { return slices.Contains(f.Purposes, purpose) }

// Announces says whether the catalog says of a field that it may hold personal data
// of the kind.
func (f *Field) Announces(kind string) bool {
	return slices.Contains(f.Expects, kind) || slices.Contains(f.Expects, AnyKind)
}

// Collection is the name of the collection that the field is in.
func (f *Field) Collection() string { return f.collection }

// Expires gives the days after which a value of the field, counted from when
// it was written, may no longer be read for the purpose: the shorter of the
// two retentions. 0 is never.
func (f *Field) Expires(p *Purpose) Days {
	if f.Retention == 0 || p.Retention != 0 && p.Retention < f.Retention {
		return p.Retention
	}
	return f.Retention
}

// Kept gives the days after which a value of the field, counted from when it was
// written, is to be removed: when its own retention has run out, or no purpose may
// read it any longer, whichever is sooner. 0 is never.
func (c *Catalog) Kept(f *Field) Days {
	longest := Days(0)
	for _, id := range f.Purposes {
		p, ok := c.purposes[id]
		if !ok || p.Retention == 0 {
			return f.Retention
		}
		longest = max(longest, p.Retention)
	}
	if f.Retention == 0 || longest != 0 && longest < f.Retention {
		return longest
	}
	return f.Retention
}

// link builds the lookups and what is computed from the rest. It tolerates any
// catalog: of names and ids that stand twice, the first is found.
func (c *Catalog) link() {
	c.collections, c.collectionIDs = map[string]*Collection{}, map[uint32]*Collection{}
	c.groups, c.groupIDs = map[string]*Group{}, map[uint32]*Group{}
	c.purposes = map[string]*Purpose{}
	for i := range c.Groups {
		g := &c.Groups[i]
		enter(c.groups, g.Name, g)
		enter(c.groupIDs, g.ID, g)
	}
	for i := range c.Purposes {
		enter(c.purposes, c.Purposes[i].ID, &c.Purposes[i])
	}
	for i := range c.Collections {
		col := &c.Collections[i]
		enter(c.collections, col.Name, col)
		enter(c.collectionIDs, col.ID, col)
		col.fields, col.fieldIDs = map[string]*Field{}, map[uint32]*Field{}
		for j := range col.Fields {
			f := &col.Fields[j]
			f.collection = col.Name
			enter(col.fields, f.Name, f)
			enter(col.fieldIDs, f.ID, f)
		}
		col.linkStatistics()
		col.linkReleases()
	}
	c.linkConsent()
}

// linkConsent sets Group.Consent of groups all of whose fields rest on consent
// alone.
func (c *Catalog) linkConsent() {
	mixed := map[string]bool{}
	consent := map[string][]string{}
	for i := range c.Collections {
		for j := range c.Collections[i].Fields {
			f := &c.Collections[i].Fields[j]
			mixed[f.Group] = mixed[f.Group] || !c.restsOnConsent(f)
			consent[f.Group] = f.Purposes
		}
	}
	for i := range c.Groups {
		g := &c.Groups[i]
		g.Consent = nil
		if !mixed[g.Name] {
			g.Consent = consent[g.Name]
		}
	}
}

// restsOnConsent says whether every purpose of the field rests on consent.
func (c *Catalog) restsOnConsent(f *Field) bool {
	for _, id := range f.Purposes {
		if p, ok := c.purposes[id]; !ok || p.Basis != BasisConsent {
			return false
		}
	}
	return len(f.Purposes) > 0
}

// enter adds what has a key and is not there yet.
func enter[K comparable, V any](m map[K]*V, k K, v *V) {
	var none K
	if _, ok := m[k]; !ok && k != none {
		m[k] = v
	}
}
