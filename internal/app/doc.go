// Package app makes adapters from the settings, a pipeline from the adapters, and the functions of
// the host from the steps of the pipeline.
//
// The cloud's handler and the local handler both use it; they differ in the warehouses that they
// can open. Nothing connects before the first invocation, because the host expects an answer on the
// port at once.
package app
