package main

import (
	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// described lets policies look at a catalog.
type described struct{ *catalog.Catalog }

// Field describes a field as it is seen under the purpose.
func (d described) Field(collection, name string, p accessctl.Purpose) (accessctl.Field, bool) {
	c, ok := d.Collection(collection)
	if !ok {
		return accessctl.Field{}, false
	}
	f, ok := c.Field(name)
	if !ok {
		return accessctl.Field{}, false
	}
	return accessctl.Field{Collection: collection, Name: name, Classification: f.Classification, Listed: f.Lists(string(p))}, true
}

// Purpose describes a purpose.
func (d described) Purpose(id accessctl.Purpose) accessctl.PurposeFacts {
	if id == accessctl.PurposeSelf {
		return accessctl.PurposeFacts{Known: true}
	}
	p, ok := d.Catalog.Purpose(string(id))
	if !ok {
		return accessctl.PurposeFacts{}
	}
	return accessctl.PurposeFacts{Known: true, Basis: accessctl.Basis(p.Basis), DespiteRestriction: p.DespiteRestriction}
}

func (d described) all() (list []accessctl.Field) {
	for i := range d.Collections {
		for j := range d.Collections[i].Fields {
			f, _ := d.Field(d.Collections[i].Name, d.Collections[i].Fields[j].Name, "")
			list = append(list, f)
		}
	}
	return list
}

func (d described) purposes() (list []accessctl.Purpose) {
	for i := range d.Purposes {
		list = append(list, accessctl.Purpose(d.Purposes[i].ID))
	}
	return list
}
