package config

import (
	"strings"
)

// setting is one row of the documentation and, by its default, of the code: the
// two cannot differ.
type setting struct {
	name, fallback, about string
}

// The suffixes are those of the host's identity-based connections, so that one
// set of settings serves the triggers and us.
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
	{"Warehouse", "", "Where the tables are, as `scheme:rest`: `duckdb:/data/fhir.duckdb` (`?memory_limit=256MB` behind it gives commits more than 88 MB), `sqlserver://HOST?database=NAME` (also Azure SQL), `synapse-dedicated://...`, `synapse-serverless://...`, `fabric://...`. Required."},
	{"WarehouseStatements", "2", "How many statements run on the warehouse at the same time, for each process. DuckDB has one writer whatever this says."},
	{"WarehouseTransform", "native", "Who makes the rows of views: `native` is this program; `tsql` is the engine, from the documents (not with DuckDB; `synapse-serverless` always does)."},
	{serviceBus, "", "Connection string of the Service Bus namespace, without `EntityPath`. This or the next one is required."},
	{serviceBus + suffixBusHost, "", "Host name of the namespace, for managed identity: `name.servicebus.windows.net`."},
	{serviceBus + suffixClientID, "", "Client id of a user-assigned identity for the namespace; the system-assigned one where empty."},
	{lakeStorage, "", "Connection string of the storage account that the FHIR server exports into. This or the next one is required."},
	{lakeStorage + suffixBlobURI, "", "Blob endpoint of the account, for managed identity: `https://name.blob.core.windows.net`."},
	{lakeStorage + suffixClientID, "", "Client id of a user-assigned identity for the account; the system-assigned one where empty."},
	{exportsFile, "exports.yaml", "The plans. A path (relative ones start beside host.json), or `blob:<path>` in the journal container."},
	{"ViewsFolder", "", "Folder of ViewDefinitions that add to the bundled ones, or replace those of the same file name."},
	{"StepsQueue", "export-steps", "Queue of the steps: poll, fetch, prepare, commit. The default is this program's own: `functions/PollExport` has the Functions host read the setting itself, which knows none, so a Function App sets it in any case."},
	{"BlobEventsQueue", "blob-events", "Queue that receives the storage account's BlobCreated events. Set it in any case, for the same reason: `functions/BlobLoaded` reads it."},
	{"LandingContainer", "fhir-landing", "Container that the FHIR server exports into. Let nobody else export into it: a job there that nobody owns is taken for a lost one of ours, and may be cancelled."},
	{"StagingContainer", "fhir-staging", "Container of prepared files."},
	{"PublishedContainer", "fhir-published", "Container of the lines that the views of `synapse-serverless` read. No rule may delete from it."},
	{"QuarantineContainer", "fhir-quarantine", "Container of bad lines."},
	{"JournalContainer", "fhir-journal", "Container of the journal."},
	{"Settle", "30s", "How long a blob must have been left alone before it is prepared: servers commit a blob several times."},
	{"StepTimeout", "55m", "Deadline of a step; what is left then is sent as a new step. Must be below `functionTimeout` of host.json."},
	{"PollMin", "10s", "Shortest wait between two polls of an export."},
	{"PollMax", "5m", "Longest wait between two polls of an export."},
	{"SilentAfter", "15m", "An export that nothing was heard of for so long gets its step sent again. Must be above `PollMax`."},
	{"ExportTimeout", "24h", "How long the FHIR server may take over one export before it is cancelled, and its files over being downloaded."},
	{"StuckAfter", "12h", "An export whose server shows neither another progress text nor another file for so long is cancelled."},
	{"KickOffPatience", "4m", "How long after a kick-off without a recorded outcome the next one is made: longer than the FHIR server takes to answer."},
	{"LeaseFor", "1m", "How long a killed committer keeps others from the same tables; one that works renews its lease. At most `1m`. It saves work and is not a lock: too short a lease is harmless."},
	{"LineLimit", "64MB", "Longest line of an NDJSON file; a longer one is quarantined. Units: KB, MB, GB, KiB, MiB, GiB."},
	{"LogLevel", "info", "debug, info, warn or error."},
}

// foreign are settings that start like one of ours and belong to the host.
var foreign = []string{
	"ExportSchedule",
	serviceBus + "__credential", serviceBus + "__tenantId", serviceBus + "__managedIdentityResourceId",
	lakeStorage + "__queueServiceUri", lakeStorage + "__tableServiceUri", lakeStorage + "__credential",
	lakeStorage + "__tenantId", lakeStorage + "__managedIdentityResourceId", lakeStorage + "__accountName",
	lakeStorage + "__serviceUri",
}

// Markdown documents the settings as a table.
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
