// Package app puts the pieces together: settings become adapters, adapters become
// a pipeline, and each function of the host becomes a step of it.
//
// Both programs use it, the cloud's handler and the local one; they differ in the
// warehouses they can open. Nothing connects before the first invocation, since
// the host wants an answer on the port at once.
package app
