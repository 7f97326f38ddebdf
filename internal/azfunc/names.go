package azfunc

// The functions. Each name is a folder below functions/, the host's route, and a key of Handler's
// map.
const (
	// TimerExport is called by the timer for due plans and the watchdog.
	TimerExport = "TimerExport"
	// PollExport is called with one message of the steps queue.
	PollExport = "PollExport"
	// BlobLoaded is called with a storage event, or with a blob by a polling trigger.
	BlobLoaded = "BlobLoaded"
	// Status serves the status page, and Start, Cancel and Retry its buttons. They have an
	// httpTrigger, whose requests the host passes on unchanged.
	Status = "Status"
	Start  = "Start"
	Cancel = "Cancel"
	Retry  = "Retry"
)

// The binding names in the function.json files. Data has a member of that name.
const (
	BindingTimer   = "timer"   // timerTrigger
	BindingMessage = "message" // serviceBusTrigger
	BindingBlob    = "blob"    // blobTrigger: its content is never kept
	BindingEvent   = "event"   // eventGridTrigger
	BindingRequest = "req"     // httpTrigger
)

// Functions lists the functions that must have a folder and a route.
func Functions() []string {
	return []string{BlobLoaded, Cancel, PollExport, Retry, Start, Status, TimerExport}
}

// AuthLevels has the key that the host demands for each function with an httpTrigger: any key of
// the function or the app, or the administration key.
func AuthLevels() map[string]string {
	return map[string]string{Status: "function", Start: "admin", Cancel: "admin", Retry: "admin"}
}
