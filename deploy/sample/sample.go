// Package sample is what a new vault can be filled with to try it: a catalog,
// a policy with its tests, and the customers and invoices of the Chinook sample
// database (LICENSE-chinook.md).
//
// Scripts rely on what README.md states of it. Each function gives a copy that
// the caller owns.
package sample

import (
	"embed"
	"io/fs"
)

//go:embed catalog.yaml policy.cedar policy_test.yaml customers.csv invoices.csv
//go:embed customers.import.yaml invoices.import.yaml LICENSE-chinook.md
//go:embed record.md assessment.md
var files embed.FS

// Files gives all files of the sample, by the names that README.md lists.
func Files() fs.FS { return files }

// Catalog is catalog.yaml, in the form that vault/catalog reads.
func Catalog() []byte { return read("catalog.yaml") }

// Policy is policy.cedar, in Cedar.
func Policy() []byte { return read("policy.cedar") }

// PolicyTest is policy_test.yaml: what the policy is expected to answer.
func PolicyTest() []byte { return read("policy_test.yaml") }

// Customers is customers.csv: 59 rows and a header.
func Customers() []byte { return read("customers.csv") }

// CustomersImport is customers.import.yaml: how Customers become records.
func CustomersImport() []byte { return read("customers.import.yaml") }

// Invoices is invoices.csv: 412 rows and a header.
func Invoices() []byte { return read("invoices.csv") }

// InvoicesImport is invoices.import.yaml: how Invoices become records.
func InvoicesImport() []byte { return read("invoices.import.yaml") }

// Record is record.md: the record of processing activities of Catalog and Policy.
func Record() []byte { return read("record.md") }

// Assessment is assessment.md: the draft of their impact assessment.
func Assessment() []byte { return read("assessment.md") }

func read(name string) []byte {
	b, err := files.ReadFile(name)
	if err != nil {
		panic("sample: " + name + " is not embedded")
	}
	return b
}
