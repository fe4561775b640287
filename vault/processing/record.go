package processing

import (
	"slices"
	"time"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

// Format is the version of the JSON forms. It rises when a member changes its meaning
// or goes; members may be added without.
const Format = 1

// A Record is a record of processing activities (GDPR Art. 30(1)). Lists are in the
// order of the catalog, those of roles sorted; none is null in JSON.
type Record struct {
	Kind       string      `json:"kind"` // "article30"
	Format     int         `json:"format"`
	Title      string      `json:"title"`          // the catalog's
	Date       string      `json:"date,omitempty"` // ISO 8601, of Input.Today
	Controller Controller  `json:"controller"`
	Activities []Activity  `json:"activities"`
	Own        []Access    `json:"own"` // what people get of their own data, as purpose self
	Duties     []Duty      `json:"duties"`
	Measures   []Measure   `json:"measures"`
	Open       []*OpenItem `json:"open"`
}

// Controller is who answers for the processing (GDPR Art. 30(1)(a)); both are empty
// where the catalog names nobody.
type Controller struct {
	Name    string `json:"name"`
	Contact string `json:"contact"`
}

// An Activity is one purpose of the catalog.
type Activity struct {
	Purpose  string `json:"purpose"` // its id
	Version  int    `json:"version"`
	ReviewBy string `json:"review_by,omitempty"`
	Title    string `json:"title"`
	Text     string `json:"text"`
	Benefit  string `json:"benefit"`
	Basis    string `json:"basis"`   // as the catalog names it
	Article  string `json:"article"` // of the GDPR, where the basis stands

	DirectMarketing    bool `json:"direct_marketing,omitempty"`
	Sells              bool `json:"sells,omitempty"`
	Objectable         bool `json:"objectable,omitempty"` // people may object, or opt out
	DespiteRestriction bool `json:"despite_restriction,omitempty"`
	MinAge             int  `json:"min_age,omitempty"`
	ConsentDays        int  `json:"consent_days,omitempty"` // how long a consent holds; 0: until it is withdrawn

	People        []Kind     `json:"people"`     // categories of people, by the collections that are read
	Categories    []Category `json:"categories"` // of personal data, in the order of their first fields
	Fields        []Field    `json:"fields"`
	Recipients    []string   `json:"recipients"`
	Transfers     string     `json:"transfers"`                // always [NotStated]: a catalog has no place for it
	RetentionDays int        `json:"retention_days,omitempty"` // for which values may be read for it; 0: no limit of the purpose's own
	Access        []Access   `json:"access"`
}

// NotStated is written where the catalog has no place for what the law wants.
const NotStated = "not stated in the catalog"

// A Kind is a collection of which an activity reads fields.
type Kind struct {
	Collection string `json:"collection"`
	Title      string `json:"title"`
}

// A Category is the fields of one classification.
type Category struct {
	Classification string   `json:"classification"`
	Special        bool     `json:"special"` // GDPR Art. 9
	Fields         []string `json:"fields"`  // as collection.field
}

// A Field is a personal datum that an activity may read.
type Field struct {
	Field          string `json:"field"` // as collection.field
	Title          string `json:"title"`
	Type           string `json:"type"`
	Classification string `json:"classification"`
	Special        bool   `json:"special,omitempty"`
	Mask           string `json:"mask"`
	ReadableDays   int    `json:"readable_days,omitempty"` // for this purpose; 0: no limit
	KeptDays       int    `json:"kept_days,omitempty"`     // then it is removed; 0: no limit
}

// Article30 writes the record of what is enforced.
func Article30(in Input) *Record {
	w := &asker{in: in, roles: in.Policy.Roles()}
	r := &Record{
		Kind: "article30", Format: Format, Title: in.Catalog.Title, Date: date(in.Today), Controller: controllerOf(in.Catalog),
		Activities: []Activity{}, Own: w.own(), Duties: w.duties(), Measures: measures(in.Catalog, in.Facts),
	}
	for i := range in.Catalog.Purposes {
		r.Activities = append(r.Activities, w.activity(&in.Catalog.Purposes[i]))
	}
	r.Open = openItems(in, r)
	return r
}

func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

func controllerOf(c *catalog.Catalog) Controller {
	if c.Controller == nil {
		return Controller{}
	}
	return Controller{Name: c.Controller.Name, Contact: c.Controller.Contact}
}

func (w *asker) activity(p *catalog.Purpose) Activity {
	a := Activity{
		Purpose: p.ID, Version: p.Version, ReviewBy: p.ReviewBy, Title: p.Title, Text: p.Text, Benefit: p.Benefit,
		Basis: p.Basis, Article: articleOf(p.Basis), DirectMarketing: p.DirectMarketing, Sells: p.Sells,
		Objectable: p.Objectable(), DespiteRestriction: p.DespiteRestriction, MinAge: p.MinAge, ConsentDays: int(p.Expires),
		People: []Kind{}, Categories: []Category{}, Fields: []Field{},
		Recipients: append([]string{}, p.Recipients...), Transfers: NotStated, RetentionDays: int(p.Retention),
		Access: w.access(p.ID),
	}
	for _, f := range w.in.Catalog.Uses(p.ID) {
		a.add(w.in.Catalog, p, f)
	}
	return a
}

// add notes a field of the activity, its collection and its classification.
func (a *Activity) add(c *catalog.Catalog, p *catalog.Purpose, f *catalog.Field) {
	name, special := path(f), f.Classification == catalog.ClassificationSpecial
	a.Fields = append(a.Fields, Field{
		Field: name, Title: f.Title, Type: string(f.Type), Classification: f.Classification, Special: special, Mask: f.Mask,
		ReadableDays: int(f.Expires(p)), KeptDays: int(c.Kept(f)),
	})
	col, _ := c.Collection(f.Collection())
	if k := (Kind{Collection: col.Name, Title: col.Title}); !slices.Contains(a.People, k) {
		a.People = append(a.People, k)
	}
	i := slices.IndexFunc(a.Categories, func(c Category) bool { return c.Classification == f.Classification })
	if i < 0 {
		i = len(a.Categories)
		a.Categories = append(a.Categories, Category{Classification: f.Classification, Special: special})
	}
	a.Categories[i].Fields = append(a.Categories[i].Fields, name)
}

func path(f *catalog.Field) string { return f.Collection() + "." + f.Name }

// articleOf is where the GDPR has a legal basis.
func articleOf(basis string) string {
	i := slices.Index(catalog.Bases(), basis)
	if i < 0 {
		return ""
	}
	return "Art. 6(1)(" + "abcdef"[i:i+1] + ")"
}
