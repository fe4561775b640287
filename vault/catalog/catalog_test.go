package catalog_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t testing.TB, src string) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// assign applies a source after a previous version, which may be nil.
func assign(t testing.TB, prev *catalog.Catalog, src string) *catalog.Catalog {
	t.Helper()
	c, err := parse(t, src).Assign(prev)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// shop is the catalog of testdata/shop.yaml, applied.
func shop(t testing.TB) *catalog.Catalog {
	t.Helper()
	return assign(t, nil, string(read(t, "shop.yaml")))
}

// field finds a field named collection.field.
func field(t testing.TB, c *catalog.Catalog, name string) *catalog.Field {
	t.Helper()
	collection, name, _ := strings.Cut(name, ".")
	col, ok := c.Collection(collection)
	if !ok {
		t.Fatalf("no collection %s", collection)
	}
	f, ok := col.Field(name)
	if !ok {
		t.Fatalf("no field %s", name)
	}
	return f
}

func TestLookups(t *testing.T) {
	c := shop(t)
	customer, ok := c.Collection("customer")
	if !ok {
		t.Fatal("no collection customer")
	}
	if byID, ok := c.CollectionByID(customer.ID); !ok || byID != customer {
		t.Error("CollectionByID differs from Collection")
	}
	for i := range customer.Fields {
		want := &customer.Fields[i]
		byName, ok1 := customer.Field(want.Name)
		byID, ok2 := customer.FieldByID(want.ID)
		if !ok1 || !ok2 || byName != want || byID != want {
			t.Errorf("field %s is not found by name and id", want.Name)
		}
		if want.Collection() != "customer" {
			t.Errorf("field %s is in collection %q", want.Name, want.Collection())
		}
	}
	group, ok1 := c.Group("newsletter")
	byID, ok2 := c.GroupByID(3)
	if !ok1 || !ok2 || group != byID {
		t.Error("group newsletter is not found by name and id 3")
	}
	if p, ok := c.Purpose("defence"); !ok || !p.DespiteRestriction || p.Version != 1 {
		t.Errorf("purpose defence: %+v, %v", p, ok)
	}
}

func TestLookupsOfNothing(t *testing.T) {
	c := shop(t)
	customer, _ := c.Collection("customer")
	for name, found := range map[string]bool{
		"collection": second(c.Collection("Customer")), "collection id": second(c.CollectionByID(0)),
		"field": second(customer.Field("")), "field id": second(customer.FieldByID(99)),
		"purpose": second(c.Purpose(catalog.PurposeSelf)), "group": second(c.Group("contract")),
		"group id": second(c.GroupByID(0)),
	} {
		if found {
			t.Errorf("%s: found what is not there", name)
		}
	}
	var zero catalog.Catalog
	if second(zero.Collection("")) || second(zero.Purpose("")) || second(zero.GroupByID(0)) {
		t.Error("the zero catalog has something")
	}
}

func second[T any](_ T, ok bool) bool { return ok }

// TestLookupsDoNotAllocate guards the path of every request.
func TestLookupsDoNotAllocate(t *testing.T) {
	c := shop(t)
	n := testing.AllocsPerRun(100, func() {
		col, _ := c.Collection("customer")
		col, _ = c.CollectionByID(col.ID)
		f, _ := col.Field("email")
		f, _ = col.FieldByID(f.ID)
		p, _ := c.Purpose("support")
		if !f.Lists("support") || f.Lists("newsletter") || f.Expires(p) != p.Retention {
			t.Error("wrong field")
		}
		if _, ok := c.Group(f.Group); !ok {
			t.Error("no group")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestConcurrentUse has something to say under the race detector.
func TestConcurrentUse(t *testing.T) {
	c := shop(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, tt := range values() {
				f := field(t, c, "customer."+tt.field)
				v, err := f.Encode(json.RawMessage(tt.json))
				if err != nil {
					t.Error(err)
					continue
				}
				if n, err := f.Normalise(v); err != nil || string(n.Expose()) != tt.normal {
					t.Errorf("%s: %v", tt.json, err)
				}
				f.MaskValue(v)
			}
			if _, err := c.Assign(c); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestExpiresIsTheShorterRetention(t *testing.T) {
	for _, tt := range []struct{ field, purpose, want catalog.Days }{
		{0, 0, 0}, {30, 0, 30}, {0, 30, 30}, {30, 40, 30}, {40, 30, 30},
	} {
		f := &catalog.Field{Retention: tt.field}
		if got := f.Expires(&catalog.Purpose{Retention: tt.purpose}); got != tt.want {
			t.Errorf("field %d, purpose %d: %d, want %d", tt.field, tt.purpose, got, tt.want)
		}
	}
}

func TestConsentGroups(t *testing.T) {
	c := shop(t)
	var got []string
	for _, g := range c.ConsentGroups("newsletter") {
		got = append(got, g.Name+" "+strings.Join(g.Consent, " "))
	}
	if diff := cmp.Diff([]string{"newsletter newsletter"}, got); diff != "" {
		t.Errorf("consent groups (-want +got):\n%s", diff)
	}
	if list := c.ConsentGroups("support"); len(list) != 0 {
		t.Errorf("support has %d consent groups", len(list))
	}
	if g, _ := c.Group(catalog.GroupDefault); g.Consent != nil {
		t.Errorf("the default group rests on %v", g.Consent)
	}
}

// problems gives the lines of an *Error.
func problems(t *testing.T, err error) []string {
	t.Helper()
	var e *catalog.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T (%v), want *catalog.Error", err, err)
	}
	if len(e.Problems) == 0 {
		t.Fatal("error without problems")
	}
	var lines []string
	for _, p := range e.Problems {
		lines = append(lines, p.String())
	}
	return lines
}
