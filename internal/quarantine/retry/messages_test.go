package retry_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/quarantine"
	"fhirsynapse/internal/quarantine/retry"
	"fhirsynapse/internal/testkit/pipelinetest"
)

const poll = `{"step":"poll","export":"` + export + `","job":1,"n":3}`

// kept is a quarantine with messages, and the queue that they came from.
type kept struct {
	*pipelinetest.MemoryLake
	retry.Messenger
	queue *pipelinetest.MemoryQueue
	// afterSend runs once the queue has taken a message.
	afterSend func()
	// removal is the error of the removal.
	removal error
}

func newKept(t *testing.T, bodies ...string) *kept {
	t.Helper()
	k := &kept{
		MemoryLake: pipelinetest.NewMemoryLake(noon),
		queue:      pipelinetest.NewMemoryQueue(noon), afterSend: func() {},
	}
	k.Messenger = retry.Messenger{
		Lake: k.MemoryLake, Remover: k, Queue: k, Journal: pipelinetest.NewMemoryJournal(),
	}
	for _, body := range bodies {
		k.keep(t, body)
	}
	return k
}

func idOf(body string) string { return records.Digest(body) }

func (k *kept) keep(t *testing.T, body string) {
	t.Helper()
	if _, err := k.Put(t.Context(), pipeline.Quarantine,
		pipeline.MessagesFolder+idOf(body)+".json", strings.NewReader(body)); err != nil {
		t.Fatal(err)
	}
}

func (k *kept) Send(ctx context.Context, m ...pipeline.Message) error {
	defer k.afterSend()
	return k.queue.Send(ctx, m...)
}

func (k *kept) RemoveAt(ctx context.Context, area pipeline.Area, path, etag string) error {
	if k.removal != nil {
		return k.removal
	}
	return k.MemoryLake.RemoveAt(ctx, area, path, etag)
}

// delivered returns the messages that the queue has taken, and left those that are kept.
func (k *kept) delivered(t *testing.T) (bodies []string) {
	t.Helper()
	for k.queue.Receive(t.Context(), nil, func(_ context.Context, m pipeline.Message) error {
		bodies = append(bodies, string(m.Body))
		return nil
	}) {
	}
	return bodies
}

func (k *kept) left(t *testing.T) (n int) {
	t.Helper()
	for _, err := range quarantine.Messages(t.Context(), k.MemoryLake) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestAMessageIsSentAgain(t *testing.T) {
	t.Parallel()
	k := newKept(t, poll)
	r, err := k.Message(t.Context(), idOf(poll))
	if err != nil || r.Sent != 1 || r.Messages[0].Export != export ||
		!strings.Contains(r.Messages[0].Outcome, "the journal has no export") {
		t.Errorf("%+v, %v", r, err)
	}
	if got := k.delivered(t); len(got) != 1 || got[0] != poll || k.left(t) != 0 {
		t.Errorf("delivered %q, %d left", got, k.left(t))
	}
	if _, err := k.Message(t.Context(), idOf(poll)); err == nil ||
		!strings.Contains(err.Error(), "is not in the quarantine") {
		t.Errorf("once more: %v", err)
	}
}

// The state of the export tells what follows.
func TestWhatFollowsIsTold(t *testing.T) {
	t.Parallel()
	for state, want := range map[records.State]string{
		records.Loaded: "nothing is left to do", records.Exporting: "goes on with it",
	} {
		k := newKept(t, poll)
		store := records.Store{Journal: k.Journal}
		if err := store.CreateExport(t.Context(),
			records.Export{ID: export, Plan: "nightly", State: state}); err != nil {
			t.Fatal(err)
		}
		r, err := k.Message(t.Context(), idOf(poll))
		if err != nil || !strings.Contains(r.Messages[0].Outcome, want) {
			t.Errorf("%s: %+v, %v", state, r, err)
		}
	}
}

// A message stays as long as the present version cannot read it, and its content is not told.
func TestAMessageThatIsStillUnknownIsRefused(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		marker:                                  "it is not JSON",
		`{"step":"poll","` + marker + `":1}`:    "does not know",
		`{"step":"` + marker + `"}`:             "does not know this kind of step",
		`{"step":"poll","export":"` + marker:    "it is not JSON",
		"":                                      "it is not JSON",
		strings.Repeat("x", 2<<20):              "more than a step can have",
		`{"step":"prepare","export":"` + export: "it is not JSON",
	} {
		k := newKept(t, body)
		r, err := k.Message(t.Context(), idOf(body))
		if fault.Of(err) != fault.BadData || !strings.Contains(err.Error(), want) ||
			!strings.Contains(fault.Remedy(err), "after the upgrade") || r.Left() != 1 {
			t.Errorf("%.20q: %+v, %v", body, r, err)
		}
		if strings.Contains(err.Error(), marker) {
			t.Errorf("the content is told: %v", err)
		}
		if k.left(t) != 1 || len(k.delivered(t)) != 0 {
			t.Errorf("%.20q is lost", body)
		}
	}
}

// Killed after the queue has taken the message, the next retry sends it under the same id.
func TestAKilledRetryOfAMessageIsRepeated(t *testing.T) {
	t.Parallel()
	k := newKept(t, poll)
	k.removal = errKilled
	if _, err := k.Message(t.Context(), idOf(poll)); !errors.Is(err, errKilled) {
		t.Fatalf("the first: %v", err)
	}
	k.removal = nil
	if r, err := k.All(t.Context(), nil); err != nil || r.Sent != 1 {
		t.Errorf("the second: %+v, %v", r, err)
	}
	if got := k.delivered(t); len(got) != 1 || k.left(t) != 0 {
		t.Errorf("delivered %q, %d left", got, k.left(t))
	}
}

// A handler of an older version takes the message off the queue and keeps it again, before its copy
// is removed. It is not lost, and can be sent again.
func TestAMessageThatComesBackStays(t *testing.T) {
	t.Parallel()
	k := newKept(t, poll)
	k.afterSend = func() { k.keep(t, poll) }
	r, err := k.Message(t.Context(), idOf(poll))
	if err != nil || r.Sent != 1 || r.Left() != 1 ||
		!strings.Contains(r.Messages[0].Outcome, "came back") {
		t.Errorf("%+v, %v", r, err)
	}
	k.delivered(t)
	k.afterSend = func() {}
	if r, err := k.All(t.Context(), nil); err != nil || r.Sent != 1 || r.Left() != 0 {
		t.Errorf("again: %+v, %v", r, err)
	}
	if got := k.delivered(t); len(got) != 1 || k.left(t) != 0 {
		t.Errorf("delivered %q, %d left: the queue took it for the same message", got, k.left(t))
	}
}

func TestAllMessagesAreSentButTheUnknown(t *testing.T) {
	t.Parallel()
	const landed = `{"step":"landed","path":"f/Patient-1.ndjson","etag":"0x1"}`
	k := newKept(t, poll, landed, marker)
	r, err := k.All(t.Context(), &quarantine.Progress{})
	if err != nil || r.Sent != 2 || r.Refused != 1 || len(r.Messages) != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	if got := k.delivered(t); len(got) != 2 || k.left(t) != 1 {
		t.Errorf("delivered %q, %d left", got, k.left(t))
	}
}

func TestNamesOfMessages(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"messages/abc": true, "messages/abc.json": true, idOf("x"): true,
		export: false, "nightly": false, "abc": false,
	} {
		if quarantine.IsMessage(name) != want {
			t.Errorf("%s: %t", name, !want)
		}
	}
	for _, id := range []string{"", "../nightly-000001/x", `a\b`} {
		if _, _, err := quarantine.FindMessage(t.Context(),
			pipelinetest.NewMemoryLake(noon), id); fault.Of(err) != fault.Permanent {
			t.Errorf("%q: %v", id, err)
		}
	}
}
