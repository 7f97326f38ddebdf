package pipeline

import (
	"sync"
)

// missing is one thing that an export waits for. Exactly one of its fields is set.
type missing struct {
	job     int    // the manifest of a job
	deletes string // the document that ends the split of a file of deletes
	done    string // the prepared form of a file: the path of its done.json, without the ETag
}

// witnesses holds the things that were missing when this process last checked a whole export.
// They are hints: each witness is asked again every time, and only one that is still missing
// shows that the end has not come.
//
// A scope is the id of an export, for things that all its types wait for, or the staging
// folder of a type, for that type's files.
type witnesses struct {
	mu    sync.Mutex
	lists map[string]*witnessList
	// working counts the steps of this process that work on a file of a scope, and that check
	// for its end when they are done.
	working map[string]int
}

type witnessList struct {
	order   []missing
	arrived map[missing]bool
}

const (
	keptWitnessLists = 64
	// witnessesAsked bounds how many witnesses are asked before everything is listed again.
	witnessesAsked = 3
)

// note stores the missing things, in the order in which they are expected.
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

// here marks a thing as arrived.
func (w *witnesses) here(scope string, m missing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.lists[scope]; l != nil {
		l.arrived[m] = true
	}
}

// last returns the missing thing that is expected last.
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

// enter begins work on a file of a scope. leave ends that work once, and reports whether other
// steps still work on the scope.
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
