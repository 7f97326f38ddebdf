package batch

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"fhirsynapse/internal/pipeline"
)

// Trouble is the reason why an export does not advance, and the time of the next try.
type Trouble struct {
	// Doing names the work that fails: "kick-off", "file 3", "commit of Patient".
	Doing string
	// Err is the cause.
	Err error
	// Tries counts the failures in a row, the first of which was at Since.
	Tries int
	Since time.Time
	// Next is the time of the next try; zero means that the work is given up.
	Next time.Time
	// Others counts the other failures at the same time.
	Others int
}

// Cause returns the text of the cause without the ids of this run, because they mean nothing to a
// person.
func (t Trouble) Cause() string {
	text := t.Err.Error()
	var step stepError
	if errors.As(t.Err, &step) {
		text = strings.TrimPrefix(text, step.prefix)
	}
	return text
}

func (t Trouble) String() string {
	if t.Tries < 2 {
		return fmt.Sprintf("%s: %s", t.Doing, t.Cause())
	}
	return fmt.Sprintf("%s (tried %d times): %s", t.Doing, t.Tries, t.Cause())
}

// stepError is the error of a step; prefix is the pipeline's text before the cause.
type stepError struct {
	error
	prefix string
}

func (e stepError) Unwrap() error { return e.error }

// topic identifies a piece of work. Each try of the same work has the same topic.
type topic struct {
	kind      string
	job, file int
	typ, path string
}

func topicOf(s pipeline.Step) topic { return topic{s.Kind, s.Job, s.File, s.Type, s.Path} }

// starting is the topic of the work before the kick-off.
var starting = topic{kind: "start"}

// doing names the topic for a person.
func (t topic) doing() string {
	switch t.kind {
	case starting.kind:
		return "start of the export"
	case pipeline.StepKickOff:
		return "kick-off"
	case pipeline.StepPoll:
		return "status of the export"
	case pipeline.StepFetch:
		return fmt.Sprintf("file %d", t.file)
	case pipeline.StepCommit:
		return "commit of " + t.typ
	}
	return "file " + t.path
}

// prefixOf returns the text before the cause of a step, which repeats the name of the step.
func prefixOf(s pipeline.Step, err error) string {
	prefixes := []string{s.String() + ": "}
	switch s.Kind {
	case pipeline.StepKickOff:
		prefixes = []string{
			fmt.Sprintf("kick off job %s.%d: ", s.Export, s.Job), "export " + s.Export + ": ",
			"start an export: ",
		}
	case pipeline.StepPoll:
		prefixes = append(prefixes, "ask for the export's status: ")
	}
	text, rest := err.Error(), err.Error()
	for _, p := range prefixes {
		rest = strings.TrimPrefix(rest, p)
	}
	return strings.TrimSuffix(text, rest)
}

// troubles holds the work that is failing at present.
type troubles struct {
	now func() time.Time

	mu     sync.Mutex
	open   map[topic]*Trouble
	latest topic
	// last is the latest trouble, even if it is over. lost is the first trouble that was given up,
	// and so has failed the export.
	last, lost *Trouble
}

func newTroubles(now func() time.Time) *troubles {
	return &troubles{now: now, open: map[topic]*Trouble{}}
}

// hear records a failure of the pipeline.
func (t *troubles) hear(p pipeline.Trouble) {
	t.add(topicOf(p.Step), stepError{p.Err, prefixOf(p.Step, p.Err)}, p.Next)
}

func (t *troubles) add(of topic, err error, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := Trouble{Doing: of.doing(), Err: err, Tries: 1, Since: t.now(), Next: next}
	if before := t.open[of]; before != nil {
		now.Tries, now.Since = before.Tries+1, before.Since
	}
	t.open[of], t.latest, t.last = &now, of, &now
	if next.IsZero() && t.lost == nil {
		t.lost = &now
	}
}

// over forgets the trouble of a topic, unless it has failed again since tries was read.
func (t *troubles) over(of topic, since int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if before := t.open[of]; before != nil && before.Tries == since {
		delete(t.open, of)
	}
}

// tries returns the number of failures of a topic in a row.
func (t *troubles) tries(of topic) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if before := t.open[of]; before != nil {
		return before.Tries
	}
	return 0
}

// begun forgets the troubles of the kick-off, because it has succeeded.
func (t *troubles) begun() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for of := range t.open {
		if of.kind == starting.kind || of.kind == pipeline.StepKickOff {
			delete(t.open, of)
		}
	}
}

// current returns a copy of the latest trouble that is not over; nil when there is none.
func (t *troubles) current() *Trouble {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.open[t.latest]
	if now == nil {
		for _, other := range t.open {
			if now == nil || other.Since.After(now.Since) {
				now = other
			}
		}
	}
	if now == nil {
		return nil
	}
	out := *now
	out.Others = len(t.open) - 1
	return &out
}

// final returns the latest trouble, even if it is over.
func (t *troubles) final() *Trouble {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// givenUp returns the trouble that failed the export; nil when there is none.
func (t *troubles) givenUp() *Trouble {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost
}
