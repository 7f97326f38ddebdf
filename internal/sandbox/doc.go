// Package sandbox is the whole system on one machine: Azurite, a Service Bus emulator, storage
// events, a FHIR server with data, and a Functions host that runs the packaged handler. Each run
// starts all of these, and stops them at its end.
//
// The demo, the benchmark and the tests of whole processes run in it.
package sandbox
