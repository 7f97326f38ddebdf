package config

import (
	"strings"
)

// setting is one row of the documentation. The code takes its default from here, so the two cannot
// differ.
type setting struct {
	name, fallback, about string
}

// The suffixes are the host's for identity-based connections, so that one set of settings serves
// the triggers and this program.
const (
	serviceBus     = "ServiceBusConnection"
	lakeStorage    = "LakeStorage"
	suffixBusHost  = "__fullyQualifiedNamespace"
	suffixBlobURI  = "__blobServiceUri"
	suffixClientID = "__clientId"
)

const (
	appRoot     = "FUNCTIONS_APP_ROOT_PATH"
	exportsFile = "ExportsFile"
)

var settings = []setting{
	{
		"Warehouse", "",
		"Where the tables are, as `scheme:rest`: `duckdb:/data/fhir.duckdb` (`?memory_limit=256MB` behind it gives commits more than 88 MB), `sqlserver://HOST?database=NAME` (also Azure SQL), `synapse-dedicated://...`, `synapse-serverless://...`, `fabric://...`. How tables are stored: `storage`, `distribute` and `clusterBy` of a plan, or as parameters here, see `warehouses.md`. Required.",
	},
	{
		"WarehouseStatements", "2",
		"Concurrent statements on the warehouse, per process. DuckDB always has one writer.",
	},
	{
		"WarehouseTransform", "native",
		"What computes the rows of views: `native`, this program, or `tsql`, the engine itself (not DuckDB; `synapse-serverless` always uses `tsql`).",
	},
	{
		serviceBus, "",
		"Connection string of the Service Bus namespace, without `EntityPath`. This or the next one is required.",
	},
	{
		serviceBus + suffixBusHost, "",
		"Host name of the namespace, for managed identity: `name.servicebus.windows.net`.",
	},
	{
		serviceBus + suffixClientID, "",
		"Client id of a user-assigned identity for the namespace; empty means the system-assigned one.",
	},
	{
		lakeStorage, "",
		"Connection string of the storage account that the FHIR server exports into. This or the next one is required.",
	},
	{
		lakeStorage + suffixBlobURI, "",
		"Blob endpoint of the account, for managed identity: `https://name.blob.core.windows.net`.",
	},
	{
		lakeStorage + suffixClientID, "",
		"Client id of a user-assigned identity for the account; empty means the system-assigned one.",
	},
	{
		exportsFile, "exports.yaml",
		"The plans. A path (relative ones start beside host.json), or `blob:<path>` in the journal container.",
	},
	{
		"ViewsFolder", "",
		"Folder of ViewDefinitions that add to the bundled ones, or replace the ones with the same file name.",
	},
	{
		"StepsQueue", "export-steps",
		"Queue of the steps: poll, fetch, prepare, commit. Always set it in a Function App: the Functions host reads it for `functions/PollExport` and has no default.",
	},
	{
		"BlobEventsQueue", "blob-events",
		"Queue that receives the storage account's BlobCreated events. Always set it in a Function App: the Functions host reads it for `functions/BlobLoaded`.",
	},
	{
		"LandingContainer", "fhir-landing",
		"Container that the FHIR server exports into. No other client may export into it: after a kick-off without an answer, the next one waits while an unknown job runs there, because it may be the lost one.",
	},
	{"StagingContainer", "fhir-staging", "Container of prepared files."},
	{
		"PublishedContainer", "fhir-published",
		"Container of the lines that the views of `synapse-serverless` read. No rule may delete from it.",
	},
	{"QuarantineContainer", "fhir-quarantine", "Container of bad lines."},
	{"JournalContainer", "fhir-journal", "Container of the journal."},
	{
		"Settle", "30s",
		"How long a blob must be unchanged before it is prepared, because servers commit a blob several times.",
	},
	{
		"StepTimeout", "55m",
		"Deadline of a step; the remaining work is sent as a new step. Must be below `functionTimeout` of host.json.",
	},
	{"PollMin", "10s", "Shortest wait between two polls of an export."},
	{"PollMax", "5m", "Longest wait between two polls of an export."},
	{
		"SilentAfter", "15m",
		"After this time without progress an export's step is sent again. Must be above `PollMax`.",
	},
	{
		"ExportTimeout", "24h",
		"How long one export may run at the FHIR server before it is cancelled, and how long the downloads of its files may take.",
	},
	{
		"StuckAfter", "12h",
		"After this time without a new progress text or a new file an export is cancelled.",
	},
	{
		"KickOffPatience", "4m",
		"How long to wait after a kick-off with an unknown outcome before the next one. It must exceed the FHIR server's response time.",
	},
	{
		"LeaseFor", "1m",
		"How long a killed committer blocks others from its tables; a live one renews its lease. At most `1m`. The lease avoids double work and is not a lock, so a short one is harmless.",
	},
	{
		"LineLimit", "64MB",
		"Longest line of an NDJSON file; a longer one is quarantined. Units: KB, MB, GB, KiB, MiB, GiB.",
	},
	{"LogLevel", "info", "debug, info, warn or error."},
}

// foreign lists settings that look like ours but belong to the host.
var foreign = []string{
	"ExportSchedule",
	serviceBus + "__credential", serviceBus + "__tenantId",
	serviceBus + "__managedIdentityResourceId",
	lakeStorage + "__queueServiceUri", lakeStorage + "__tableServiceUri",
	lakeStorage + "__credential",
	lakeStorage + "__tenantId", lakeStorage + "__managedIdentityResourceId",
	lakeStorage + "__accountName",
	lakeStorage + "__serviceUri",
}

// Markdown returns the settings as a table.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| setting | default | meaning |\n|---|---|---|\n")
	for _, s := range settings {
		fallback := ""
		if s.fallback != "" {
			fallback = "`" + s.fallback + "`"
		}
		b.WriteString("| `" + s.name + "` | " + fallback + " | " + s.about + " |\n")
	}
	return b.String()
}
