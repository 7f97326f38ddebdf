// Package pipeline runs an export from start to end: started by a tick, polled by messages,
// processed file by file, committed type by type.
//
// It holds the steps, the states and the ports, and makes all decisions. Only the adapters
// know how a FHIR server, a queue, a lake, a journal or a warehouse works. It imports no SDK,
// no net/http and no database/sql.
//
// Every step follows these rules:
//
//   - an event is a hint, the manifest is the authority;
//   - the intent is durable before the act, and the watchdog repeats what was cut short;
//   - the next message is sent before the present one is acknowledged;
//   - every step may run twice, late, or at the same time as itself.
package pipeline
