package doctor

import (
	"context"
	"time"

	"fhirsynapse/internal/warehouse"
)

// Subject is an installation to check. A nil field is not given, and has no checks.
type Subject struct {
	// Local is set for a developer's machine: a service that is not started there is a warning.
	Local bool
	// App is the deployed app, if its settings were read from Azure.
	App *App
	// Roles reads the roles of identities in Azure; nil if they cannot be read.
	Roles Roles
	// Settings are the faults and warnings of the settings; nil if there are none to check.
	Settings *Settings
	// Views compiles the views, and returns the number of their tables.
	Views func() (tables int, err error)
	// Plans reads the plans. It may ask the storage account.
	Plans func(ctx context.Context) (Plans, error)
	// Lake is the storage account.
	Lake *Lake
	// Bus is the Service Bus namespace.
	Bus *Bus
	// Warehouse is the database of the tables.
	Warehouse *Warehouse
	// Machine is this computer, for the checks of a developer's machine.
	Machine *Machine
	// KickOff starts a small export at each FHIR server, and cancels it.
	KickOff bool
	Now     func() time.Time
}

// App is a deployed Function App.
type App struct {
	Name, Group string
	// State is Running or Stopped.
	State string
	// Settings is the number of application settings.
	Settings int
	// Unresolved are settings whose value only the app can see, such as references to a vault.
	Unresolved []string
}

// Roles reads the roles of identities in Azure.
type Roles interface {
	// OnLake and OnBus return the roles of the app's identities.
	OnLake(ctx context.Context, account string) (Assigned, error)
	OnBus(ctx context.Context, namespace string) (Assigned, error)
	// Service returns a FHIR service of Azure with the roles of its own identity on an account. It
	// returns false if there is none at the URL.
	Service(ctx context.Context, url, account string) (Service, bool, error)
}

// Assigned are the roles of an identity that concern a resource.
type Assigned struct {
	// Principal is the object id of the identity, or of the first of several.
	Principal string
	// Resource is the id of the resource in lower case; empty if it was not found.
	Resource    string
	Assignments []Assignment
}

// Assignment is a role on a resource, by their ids in lower case.
type Assignment struct{ Role, Scope string }

// Service is a FHIR service of Azure.
type Service struct {
	Assigned
	// ExportsTo is the name of the storage account of its exports.
	ExportsTo string
}

// Settings is the result of reading the settings.
type Settings struct {
	// From names their place.
	From string
	// Faults are all faults, one each.
	Faults   []error
	Warnings []string
}

// Plans are the plans with the servers and schemas that they name.
type Plans struct {
	Names   []string
	Servers []Server
	Tables  []warehouse.PlanTables
	// Warnings are settings of plans that are probably mistakes.
	Warnings []string
}

// Server is a FHIR server of the plans.
type Server struct {
	Name, URL string
	// WritesToLake is set if the server writes its files into our lake.
	WritesToLake bool
	FHIR
}

// FHIR asks a FHIR server.
type FHIR interface {
	// SignIn gets a token. signs is false if the server needs none.
	SignIn(ctx context.Context) (signs bool, err error)
	// Describe reads the capability statement.
	Describe(ctx context.Context) (Capability, error)
	// MayExport asks for the status of a job that does not exist, which needs the right to export.
	// known is false for a server that cannot be asked so.
	MayExport(ctx context.Context) (known bool, err error)
	// KickOff starts a small export, cancels it, and returns what it asked for.
	KickOff(ctx context.Context) (asked string, err error)
}

// Capability holds the facts of a server's capability statement.
type Capability struct {
	// Found is false if the server has no capability statement.
	Found bool
	// Software and FHIR are the names of the product and the version of FHIR; empty if unknown.
	Software, FHIR string
	// Supported is set if this program reads the version of FHIR.
	Supported bool
	// Levels are the levels at which the statement lists $export: system, patient, group.
	Levels []string
	// Date is the server's clock, zero if the answer has none. Sent and Received are ours, around
	// the request.
	Date, Sent, Received time.Time
}

// Lake is the storage account with its containers.
type Lake struct {
	// Account is the name in Azure; empty outside Azure.
	Account string
	// Address is the host and the port, to dial.
	Address string
	// Containers to check, by their use.
	Containers []Container
	Storage
}

// Container is a container of the lake.
type Container struct {
	// Use is its area: landing, staging, quarantine, journal, published.
	Use, Name string
	// Write is set if the program writes and deletes blobs there.
	Write bool
}

// Storage works on containers of the lake.
type Storage interface {
	// Newest lists the first blobs with a prefix, and returns the newest time among them, or zero.
	Newest(ctx context.Context, use, prefix string) (newest time.Time, err error)
	// Write writes an empty blob, and returns the storage's time of that.
	Write(ctx context.Context, use, path string) (time.Time, error)
	// Remove removes a blob.
	Remove(ctx context.Context, use, path string) error
}

// Bus is the Service Bus namespace with the queues.
type Bus struct {
	// Namespace is the name in Azure; empty for an emulator.
	Namespace string
	Address   string
	Queues    []Queue
	Broker
}

// Queue is a queue of the app.
type Queue struct {
	// Setting is the name of the setting that names the queue.
	Setting, Name string
	// Send is set if the program sends to it.
	Send bool
	// Window is the least duplicate detection window.
	Window time.Duration
}

// Broker asks a Service Bus namespace.
type Broker interface {
	// MaySend opens a sender without sending anything.
	MaySend(ctx context.Context, queue string) error
	// Describe reads the settings of a queue. It returns ErrUntold if they cannot be read
	// from here.
	Describe(ctx context.Context, queue string) (QueueSettings, error)
}

// QueueSettings are the settings of a queue, and its counts of messages.
type QueueSettings struct {
	Duplicates              bool
	Window, Lock            time.Duration
	MaxDelivery             int
	Sessions                bool
	Status                  string
	Active, Dead, Scheduled int64
}

// Warehouse is the database.
type Warehouse struct {
	// Scheme is the engine, as in the setting Warehouse.
	Scheme string
	// Inspect describes the database. It is nil for an engine that cannot.
	Inspect func(ctx context.Context, plans []warehouse.PlanTables) (warehouse.Inspection, error)
}

// Machine is a developer's computer.
type Machine struct {
	// Dir is the folder of the checkout, empty outside one.
	Dir string
	// Tool returns the version that a program on the path prints; an error if there is none.
	Tool func(ctx context.Context, name string, args ...string) (string, error)
	// Exists reports whether a file exists in Dir.
	Exists func(path string) bool
	// GoLeast is the version of Go that go.mod asks for.
	GoLeast string
	// DuckDB starts the engine and returns its version.
	DuckDB func(ctx context.Context) (string, error)
	// Dial opens and closes a connection to an address.
	Dial func(ctx context.Context, address string) error
	// Azurite is the address of the storage emulator that a laptop run expects.
	Azurite string
}
