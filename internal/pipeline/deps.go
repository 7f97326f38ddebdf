package pipeline

import (
	"errors"
	"io/fs"
	"sync"

	"fhirsynapse/internal/pipeline/records"
)

// deps is shared by all agents: the ports, the records, and this process's caches of them. The
// caches save requests; the documents alone decide.
type deps struct {
	Options
	Ports
	records records.Store

	mu        sync.Mutex
	manifests map[string]Manifest          // by job; only the URLs of a manifest change
	paths     map[string]map[string]string // by job: the types of the files of its manifest
	viewSets  map[string]int               // by plan and fingerprint; numbers never change
	deletes   map[string]deletes           // by job, once all are complete
	reached   map[string]reached           // by plan: how far it was loaded

	witnesses   witnesses
	retries     seen[string] // by export: the step whose retry was recorded last
	exports     seen[records.Export]
	collections seen[bool]          // by job: whether its manifest has arrived
	owners      seen[records.Owner] // by folder of the landing area

	rereading sync.Mutex // one fresh manifest serves every file that waits for it
}

// exists turns a "not found" error into false.
func exists(err error) (bool, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
