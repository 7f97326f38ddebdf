package pipeline

import (
	"sync"
)

// missing is one thing that an export waits for. Exactly one of its fields is set.
type missing struct {
	job     int    // the manifest of a job
	deletes string // the document that ends the split of a file of deletes
	done    string // the prepared form of a file: where its done.json is, without the ETag
}

// witnesses are what was missing when an export was last looked at as a whole, by
// this process. They are hints: a witness is asked anew each time, and only what is
// missing still says that the end is not here.
//
// Scopes are the id of an export, for what all of its types wait for, and the
// staging place of a type, for that type's files.
type witnesses struct {
	mu    sync.Mutex
	lists map[string]*witnessList
	// working counts the steps of this process that are at a file of a scope, and
	// look for its end when they are done.
	working map[string]int
}

type witnessList struct {
	order   []missing
	arrived map[missing]bool
}

const (
	keptWitnessLists = 64
	// witnessesAsked bounds how many are asked before all is listed anew.
	witnessesAsked = 3
)

// note keeps what was found to be missing, in the order in which it is expected.
func (w *witnesses) note(scope string, lacking []missing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(lacking) == 0 {
		delete(w.lists, scope)
		return
	}
	if w.lists == nil || len(w.lists) >= keptWitnessLists {
		w.lists = map[string]*witnessList{}
	}
	w.lists[scope] = &witnessList{order: lacking, arrived: map[missing]bool{}}
}

// here takes a thing off the list.
func (w *witnesses) here(scope string, m missing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.lists[scope]; l != nil {
		l.arrived[m] = true
	}
}

// last is the one that is expected last.
func (w *witnesses) last(scope string) (missing, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.lists[scope]
	if l == nil {
		return missing{}, false
	}
	for n := len(l.order); n > 0; n-- {
		if m := l.order[n-1]; !l.arrived[m] {
			return m, true
		}
		l.order = l.order[:n-1]
	}
	return missing{}, false
}

// enter begins the work at a file of a scope. What it returns ends it, once, and
// says whether others are still at work.
func (w *witnesses) enter(scope string) (leave func() (others bool)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.working == nil {
		w.working = map[string]int{}
	}
	w.working[scope]++
	return sync.OnceValue(func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.working[scope]--; w.working[scope] == 0 {
			delete(w.working, scope)
		}
		return w.working[scope] > 0
	})
}
