package catalog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

func marshal(t testing.TB, c *catalog.Catalog) []byte {
	t.Helper()
	b, err := catalog.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestGolden compares the stored form of two versions with what is on file.
// Stored catalogs outlive programs: lines are added to these files, never
// changed.
func TestGolden(t *testing.T) {
	first := shop(t)
	next := assign(t, first, string(read(t, "shop2.yaml")))
	for name, c := range map[string]*catalog.Catalog{"shop.json": first, "shop2.json": next} {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, marshal(t, c), "", "  "); err != nil {
			t.Fatal(err)
		}
		pretty.WriteByte('\n')
		if os.Getenv("UPDATE_GOLDEN") != "" {
			if err := os.WriteFile("testdata/"+name, pretty.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		golden := read(t, name)
		if diff := cmp.Diff(string(golden), pretty.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, golden); err != nil {
			t.Fatal(err)
		}
		again, err := catalog.Unmarshal(compact.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(marshal(t, again), compact.Bytes()) {
			t.Errorf("%s does not survive", name)
		}
	}
}

// TestAnnounces: what a text is meant to hold survives storing.
func TestAnnounces(t *testing.T) {
	for expects, want := range map[string]map[string]bool{
		"":                    {"phone": false, "name": false, catalog.AnyKind: false},
		", expects: [phone]":  {"phone": true, "name": false, catalog.AnyKind: false},
		", expects: [any]":    {"phone": true, "name": true, catalog.AnyKind: true},
		", expects: []":       {"phone": false, catalog.AnyKind: false},
		", expects: [e-mail]": {"e-mail": true, "phone": false},
	} {
		c, err := catalog.Unmarshal(marshal(t, assign(t, nil, strings.Replace(base, "type: email", "type: text"+expects, 1))))
		if err != nil {
			t.Fatal(err)
		}
		for kind, is := range want {
			if f := field(t, c, "customer.email"); f.Announces(kind) != is {
				t.Errorf("%q announces %s: %v", expects, kind, !is)
			}
		}
	}
}

// TestUnmarshalKeepsBehaviour checks what is computed, not stored.
func TestUnmarshalKeepsBehaviour(t *testing.T) {
	c, err := catalog.Unmarshal(marshal(t, shop(t)))
	if err != nil {
		t.Fatal(err)
	}
	if g, ok := c.Group("newsletter"); !ok || len(g.Consent) != 1 {
		t.Errorf("group newsletter rests on %v", g)
	}
	f := field(t, c, "customer.preferences")
	refused(t, f, `{}`, "does not match its schema at #/required")
	if f.Collection() != "customer" {
		t.Errorf("collection %q", f.Collection())
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	good := string(marshal(t, assign(t, nil, base)))
	if _, err := catalog.Unmarshal([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, old, new string }{
		{"nothing", good, ""},
		{"null", good, "null"},
		{"array", good, "[]"},
		{"empty object", good, "{}"},
		{"format", `"format":1`, `"format":2`},
		{"no format", `"format":1,`, ``},
		{"trailing data", "}]}]}", "}]}]}{}"},
		{"white space", `"version":1,`, `"version": 1,`},
		{"trailing line break", "}]}]}", "}]}]}\n"},
		{"unknown member", `"format":1`, `"format":1,"extra":1`},
		{"member twice", `"version":1,`, `"version":1,"version":1,`},
		{"member in another case", `"version":1,`, `"Version":1,`},
		{"member in another order", `"format":1,"version":1`, `"version":1,"format":1`},
		{"number as text", `"version":1,`, `"version":"1",`},
		{"escaped name", `"Shop"`, `"\u0053hop"`},
		{"version 0", `"version":1,"title":"Shop"`, `"version":0,"title":"Shop"`},
		{"negative version", `"version":1,"title":"Shop"`, `"version":-1,"title":"Shop"`},
		{"no title", `"title":"Shop"`, `"title":""`},
		{"wrong id of identity", `"id":1,"name":"identity"`, `"id":9,"name":"identity"`},
		{"no default group", `{"id":2,"name":"default","title":"Default"},`, ``},
		{"id twice", `"id":3,"name":"news"`, `"id":2,"name":"news"`},
		{"group id of another group", `"group_id":2`, `"group_id":3`},
		{"group that is none", `"group":"default"`, `"group":"other"`},
		{"collection id 0", `"id":1,"name":"customer"`, `"id":0,"name":"customer"`},
		{"field id 0", `"id":1,"name":"email"`, `"id":0,"name":"email"`},
		{"field id too large", `"id":1,"name":"email"`, `"id":4294967296,"name":"email"`},
		{"retired collection in use", `}]}]}`, `}]}],"retired_collections":[{"id":1,"name":"old"}]}`},
		{"retired group in use", `}]}]}`, `}]}],"retired_groups":[{"id":2,"name":"old"}]}`},
		{"retired id 0", `}]}]}`, `}]}],"retired_groups":[{"id":0,"name":"old"}]}`},
		{"type", `"type":"email"`, `"type":"mail"`},
		{"mask", `"mask":"email"`, `"mask":"last4"`},
		{"purpose", `"purposes":["support"]`, `"purposes":["self"]`},
		{"consent in the default group", `"purposes":["support"]`, `"purposes":["news"]`},
		{"basis", `"basis":"contract"`, `"basis":"whim"`},
		{"name", `"name":"email"`, `"name":"E-mail"`},
		{"index without version", `"mask":"email"`, `"index":{"kind":"equality","bits":64,"version":0},"mask":"email"`},
		{"index version", `"mask":"email"`, `"index":{"kind":"equality","bits":64,"version":1},"index_version":2,"mask":"email"`},
		{"retention", `"mask":"email"`, `"mask":"email","retention":-1`},
		{"region", `"mask":"email"`, `"mask":"email","region":"DE"`},
		{"schema", `"mask":"email"`, `"mask":"email","schema":{}`},
		{"schema with a member twice", `"type":"email","classification":"personal","purposes":["support"],"group":"default","group_id":2,"mask":"email"`, `"type":"json","classification":"personal","purposes":["support"],"group":"default","group_id":2,"mask":"full","schema":{"type":"object","type":"object"}`},
		{"deep schema", `"type":"email","classification":"personal","purposes":["support"],"group":"default","group_id":2,"mask":"email"`, `"type":"json","classification":"personal","purposes":["support"],"group":"default","group_id":2,"mask":"full","schema":` + strings.Repeat(`{"not":`, 33) + "{}" + strings.Repeat("}", 33)},
		{"field twice", `"mask":"email"}`, `"mask":"email"},{"id":2,"name":"email","title":"Email","type":"email","classification":"personal","purposes":["support"],"group":"default","group_id":2,"mask":"email"}`},
		{"retired field in use", `"mask":"email"}]`, `"mask":"email"}],"retired":[{"id":1,"name":"old"}]`},
		{"invalid UTF-8", `"Shop"`, "\"Sh\xffp\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := strings.Replace(good, tt.old, tt.new, 1)
			if bad == good {
				t.Fatal("nothing was replaced")
			}
			c, err := catalog.Unmarshal([]byte(bad))
			var e *catalog.Error
			if c != nil || !errors.Is(err, catalog.ErrFormat) && !errors.As(err, &e) {
				t.Errorf("got %v, %v", c, err)
			}
		})
	}
}

// FuzzUnmarshal: what can be read is written again byte for byte, and can be
// followed by itself.
func FuzzUnmarshal(f *testing.F) {
	f.Add(marshal(f, shop(f)))
	f.Add(marshal(f, assign(f, nil, base)))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := catalog.Unmarshal(b)
		if err != nil {
			return
		}
		if again := marshal(t, c); !bytes.Equal(again, b) {
			t.Errorf("read  %s\nwrote %s", b, again)
		}
	})
}
