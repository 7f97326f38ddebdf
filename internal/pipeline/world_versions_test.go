package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"fhirsynapse/internal/pipeline"
)

// change is how the documents of a newer version differ from the present version's.
type change int

const (
	// moreFields: the present version can use them.
	moreFields change = iota
	// mixed: some are in the next format, or have a state that the present version does not know.
	mixed
	// nextFormat: the present version can use none.
	nextFormat
)

// future is how a newer version of the program writes documents and messages: it is the present
// version, and what it writes has more in it.
type future struct {
	t *testing.T
	*rand.Rand
	change change
	notes  int
	// noted has the last note in each document of the journal.
	noted map[string]string
}

func newFuture(t *testing.T, random *rand.Rand, c change) *future {
	return &future{t: t, Rand: random, change: c, noted: map[string]string{}}
}

type fields = map[string]any

// noteField is a field that only the newer version has.
const noteField = "note"

// newState is a state that only the newer version has.
const newState = "counting"

// partsWithNotes are the parts of documents in which the newer version has a field of its own.
var partsWithNotes = map[string][]string{
	"exports/": {"jobs"}, "manifests/": {"output", "deleted", "errors"},
}

func (f *future) eachPart(key string, doc fields, do func(part fields)) {
	folder, _, _ := strings.Cut(key, "/")
	for _, name := range partsWithNotes[folder+"/"] {
		list, _ := doc[name].([]any)
		for _, p := range list {
			if part, ok := p.(fields); ok {
				do(part)
			}
		}
	}
}

// decoded returns the fields of a document; nil for a list.
func (f *future) decoded(data []byte) (doc fields) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return nil
	}
	return doc
}

func (f *future) encoded(doc fields) []byte {
	data, err := json.Marshal(doc)
	if err != nil {
		f.t.Fatal(err)
	}
	return data
}

// inNewForm changes what the present version writes into what the newer one does.
func (f *future) inNewForm(key string, data []byte) (out []byte, note string) {
	doc := f.decoded(data)
	if doc == nil {
		return data, ""
	}
	f.notes++
	note = fmt.Sprint("note ", f.notes)
	doc[noteField] = note
	f.eachPart(key, doc, func(part fields) { part[noteField] = note })
	switch {
	case f.change == moreFields:
	case f.change == nextFormat || f.IntN(4) == 0:
		return f.encoded(fields{"format": 2, "body": doc}), note
	case doc["state"] == "loading" && f.IntN(2) == 0:
		doc["state"] = newState
	}
	return f.encoded(doc), note
}

// inPresentForm is the reverse.
func (f *future) inPresentForm(key string, data []byte) []byte {
	doc := f.decoded(data)
	if doc == nil {
		return data
	}
	if body, is := doc["body"].(fields); is {
		doc = body
	}
	if doc["state"] == newState {
		doc["state"] = "loading"
	}
	if note := f.noted[key]; note != "" {
		if doc[noteField] != note {
			f.t.Errorf("%s has lost a field: it is %v, not %q", key, doc[noteField], note)
		}
		f.eachPart(key, doc, func(part fields) {
			if part[noteField] == nil {
				f.t.Errorf("a part of %s has lost a field: %v", key, part)
			}
		})
	}
	return f.encoded(doc)
}

type futureJournal struct {
	pipeline.Journal
	*future
}

func (j futureJournal) Read(ctx context.Context, key string) (pipeline.Entry, error) {
	e, err := j.Journal.Read(ctx, key)
	if err == nil {
		e.Data = j.inPresentForm(key, e.Data)
	}
	return e, err
}

func (j futureJournal) Write(ctx context.Context, key, etag string, data []byte) (string, error) {
	data, note := j.inNewForm(key, data)
	etag, err := j.Journal.Write(ctx, key, etag, data)
	if err == nil {
		j.noted[key] = note
	}
	return etag, err
}

type futureLake struct {
	pipeline.Lake
	*future
}

func isDone(area pipeline.Area, path string) bool {
	return area == pipeline.Staging && strings.Contains(path, ".done/")
}

func (l futureLake) Put(
	ctx context.Context, area pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	if !isDone(area, path) {
		return l.Lake.Put(ctx, area, path, r)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return pipeline.File{}, err
	}
	data, _ = l.inNewForm("", data)
	return l.Lake.Put(ctx, area, path, bytes.NewReader(data))
}

func (l futureLake) Open(
	ctx context.Context, area pipeline.Area, path, etag string,
) (io.ReadCloser, error) {
	r, err := l.Lake.Open(ctx, area, path, etag)
	if err != nil || !isDone(area, path) {
		return r, err
	}
	data, err := io.ReadAll(r)
	return io.NopCloser(bytes.NewReader(l.inPresentForm("", data))), err
}

type futureQueue struct {
	pipeline.Queue
	*future
}

// newKind is the end of the name of a kind of step that only the newer version has.
const newKind = "-in-parts"

func (q futureQueue) Send(ctx context.Context, messages ...pipeline.Message) error {
	for i, m := range messages {
		step := q.decoded(m.Body)
		switch q.IntN(4) {
		case 0:
			step[noteField] = "of a step"
		case 1:
			step["format"] = 2
		case 2:
			step["step"] = fmt.Sprint(step["step"], newKind)
		}
		messages[i].Body = q.encoded(step)
	}
	return q.Queue.Send(ctx, messages...)
}

// step returns a message as the present version sends it.
func (f *future) step(body []byte) []byte {
	step := f.decoded(body)
	delete(step, noteField)
	delete(step, "format")
	step["step"] = strings.TrimSuffix(fmt.Sprint(step["step"]), newKind)
	return f.encoded(step)
}

// isOf reports whether the newer version has sent a message and the present one cannot do it.
func (f *future) isOf(body []byte) bool {
	step := f.decoded(body)
	return step[noteField] != nil || step["format"] != nil ||
		strings.HasSuffix(fmt.Sprint(step["step"]), newKind)
}
