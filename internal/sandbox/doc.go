// Package sandbox is the whole system on one machine: Azurite, a Service Bus
// stand-in, storage events, a FHIR server with data, and a Functions host that
// runs the packaged handler, each started for one run and ended with it.
//
// The demo, the benchmark and the tests of whole processes are stories told in it.
package sandbox
