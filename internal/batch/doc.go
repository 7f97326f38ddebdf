// Package batch runs without a host: it exports from one server, or loads a folder of NDJSON files,
// into a warehouse or into files.
//
// An export is the pipeline itself on ports of this process: a lake in a folder
// ([fhirsynapse/internal/batch/localfs]), a journal and a queue in memory
// ([fhirsynapse/internal/batch/memory]), and a loop in place of the host. It leaves nothing but the
// tables; an export that is stopped cancels its job at the server.
//
// A load is the pipeline's prepare and commit without a server, a queue or a journal. Each load is
// an export of its own in the ledger. The newest version of each resource wins, so loading a folder
// twice changes nothing. A [Loader] fills tables; an [Extractor] writes files, with the rows of
// every line and without heads and versions.
package batch
