// Package census shows that statistics and released tables hold for many people: answers
// lie within their intervals as often as is stated, whoever is erased or objects is gone from
// the next, tables meet k, l and t, and what time and memory that takes. The people are generated.
//
//	go test -tags e2e ./cmd/fieldvault/census -v -timeout 2h -people=1000000
package census
