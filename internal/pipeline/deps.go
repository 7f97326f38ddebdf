package pipeline

import (
	"errors"
	"io/fs"
	"sync"

	"fhirsynapse/internal/pipeline/records"
)

// deps is what all agents share: the ports, the records, and what this process remembers of
// them. What is remembered saves requests and decides nothing that a document does not say.
type deps struct {
	Options
	Ports
	records records.Store

	mu        sync.Mutex
	manifests map[string]Manifest          // by job; only the URLs of a manifest change
	paths     map[string]map[string]string // by job: the types of the files of its manifest
	viewSets  map[string]int               // by plan and fingerprint; numbers never change
	deletes   map[string]deletes           // by job, once they are all here

	witnesses   witnesses
	retries     seen[string] // by export: the step whose retry was written down last
	exports     seen[records.Export]
	collections seen[bool]          // by job: its manifest is here
	owners      seen[records.Owner] // by folder of the landing area

	rereading sync.Mutex // one fresh manifest serves every file that waits for it
}

// exists turns "not there" from an error into an answer.
func exists(err error) (bool, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
