// Package functionshost emulates the Azure Functions host on a machine without one. It reads
// a packaged function app (host.json, and the function.json files in direct child folders),
// starts the custom handler as a child process, fires its timers, receives its Service Bus
// messages in peek-lock, and judges its answers by the known rules of the real host.
//
// It keeps the rules that the handler must survive: the port and the other variables of the
// environment; readiness by any answer to GET /; bodies as irregular as the real bodies,
// chunked; an answer that is not a JSON object is a failure even with status 200; a failed
// message is abandoned at once; functionTimeout kills the one process and everything in
// flight; a crash is restarted twice within half an hour and then ends the host; exit code 0
// is never restarted; a stop is SIGKILL, without warning.
//
// It is stricter in two cases, to show a mistake at once: a function.json or setting that the
// real host would only complain about makes Start fail, and an empty 200 fails immediately,
// while the real host hangs until functionTimeout. It passes requests of httpTriggers on, as the
// real host does with enableProxyingHttpRequest. It does not have blob and Event Grid triggers
// (Invoke calls such functions with a given body), output bindings, retry policies,
// several instances, or a timer status that survives a restart.
package functionshost
