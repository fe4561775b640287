// Package bench is the measuring instrument behind `fieldvault bench`: it drives a
// service over HTTP, and the same work at what people would use instead (Vault's
// Transit engine over HTTP, raw Tink in this process), with one load generator, in
// one run.
//
//   - people.go makes people: the same ones for the same seed, so that every node of
//     a measurement, and every repetition, works on the same values.
//   - wire.go is one lean HTTP/1.1 connection; load.go drives many of them.
//   - service.go starts the service under test as a process of its own.
//   - transit.go and limit.go are the alternatives.
//   - workload.go names what can be measured; headline.go is the suite whose keys
//     deploy/docs/performance.md explains.
//
// # Latency
//
// With a rate, request n is due at start + n/rate, whoever is free sends it, and its
// latency counts from when it was due: a service that stalls pays for every request
// that had to wait (no coordinated omission). Without a rate each connection sends its
// next request at once; that measures throughput, and its times are service times.
//
// # The generator's own cost
//
// It runs on the machine that it measures, so every figure names the CPU time that the
// generator itself took for one request. The same generator drives all sides.
package bench
