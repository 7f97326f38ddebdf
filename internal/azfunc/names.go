package azfunc

// The functions. Each name is the folder below functions/, the route the host
// calls and the key of the map given to Handler.
const (
	// TimerExport is called by the timer: plans that are due, and the watchdog.
	TimerExport = "TimerExport"
	// PollExport is called with one message of the steps queue.
	PollExport = "PollExport"
	// BlobLoaded is called with a storage event, or with a blob by a polling trigger.
	BlobLoaded = "BlobLoaded"
)

// The binding names that the function.json files use; Data has a member of that
// name.
const (
	BindingTimer   = "timer"   // timerTrigger
	BindingMessage = "message" // serviceBusTrigger
	BindingBlob    = "blob"    // blobTrigger: its content is never kept
	BindingEvent   = "event"   // eventGridTrigger
)

// Functions lists the functions that must have a folder and a route.
func Functions() []string { return []string{BlobLoaded, PollExport, TimerExport} }
