// Package pipeline is the story of an export: started by a tick, polled by
// messages, worked file by file, committed type by type.
//
// It holds the steps, the states and the ports, and decides everything; what a
// FHIR server, a queue, a lake, a journal or a warehouse is, only the adapters
// know. It imports no SDK, no net/http and no database/sql.
//
// The laws that every step keeps:
//
//   - an event is a hint, the manifest is the authority;
//   - intent is durable before the act, and the watchdog is behind;
//   - the next message is sent before the present one is answered;
//   - every step may run twice, late, or at the same time as itself.
package pipeline
