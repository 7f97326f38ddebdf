package functionshost

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"fhirsynapse/internal/emulator/servicebus"
	"fhirsynapse/internal/packaging/stage"
)

// broker returns a Service Bus emulator with the queue "steps".
func broker(t *testing.T, c servicebus.QueueConfig) (*servicebus.Server, *servicebus.Queue) {
	t.Helper()
	s := servicebus.New(servicebus.Options{})
	q := s.AddQueue("steps", c)
	if _, err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, q
}

func bus(s *servicebus.Server) func(*Options) {
	return func(o *Options) {
		o.Settings["Queue"], o.Settings["Bus"] = "steps", s.ConnectionString()
	}
}

func send(t *testing.T, s *servicebus.Server, bodies ...string) {
	t.Helper()
	sendTo(t, s, "steps", bodies...)
}

func sendTo(t *testing.T, s *servicebus.Server, queue string, bodies ...string) {
	t.Helper()
	client, err := azservicebus.NewClientFromConnectionString(s.ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close(within(t)) }()
	sender, err := client.NewSender(queue, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, body := range bodies {
		id, subject := fmt.Sprintf("m-%d", i), "poll"
		if err := sender.SendMessage(within(t),
			&azservicebus.Message{MessageID: &id, Subject: &subject, Body: []byte(body)},
			nil); err != nil {
			t.Fatal(err)
		}
	}
}

func idle(t *testing.T, q *servicebus.Queue) {
	t.Helper()
	if err := q.WaitUntil(within(t), servicebus.Stats.Idle); err != nil {
		t.Fatalf("%v: %+v", err, q.Stats())
	}
}

func TestMessagesThatAreAnsweredWellAreCompleted(t *testing.T) {
	t.Parallel()
	s, q := broker(t, servicebus.QueueConfig{})
	w := start(t, newApp(t, map[string]string{"Ok": queueFunction}), "serve", bus(s))
	var bodies []string
	for i := range 50 {
		bodies = append(bodies, fmt.Sprint(i))
	}
	send(t, s, bodies...)
	for range bodies {
		w.event(t, MessageCompleted)
	}
	idle(t, q)
	if got := w.Stats().Functions["Ok"]; got.Succeeded != 50 || got.Failed != 0 ||
		len(q.DeadLetters()) != 0 {
		t.Errorf("got %+v, %d dead letters", got, len(q.DeadLetters()))
	}
}

func TestMessagesThatFailAreAbandonedAtOnceAndEndInTheDeadLetterQueue(t *testing.T) {
	t.Parallel()
	s, q := broker(t, servicebus.QueueConfig{MaxDeliveryCount: 4})
	w := start(t, newApp(t, map[string]string{"Plain": queueFunction}), "serve", bus(s))
	send(t, s, "x")
	for range 4 {
		w.event(t, MessageAbandoned)
	}
	idle(t, q)
	if n := len(q.DeadLetters()); n != 1 {
		t.Errorf("%d dead letters", n)
	}
	if got := w.Stats().Functions["Plain"]; got.Failed != 4 || len(got.Reasons) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestLocksAreRenewedWhileAFunctionRuns(t *testing.T) {
	t.Parallel()
	s, q := broker(t, servicebus.QueueConfig{LockDuration: 400 * time.Millisecond})
	w := start(t, newApp(t, map[string]string{"Slow": queueFunction}), "serve", bus(s))
	send(t, s, "x")
	w.event(t, MessageCompleted)
	idle(t, q)
	if got := w.Stats().Functions["Slow"]; got.Invocations != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestMessagesSurviveACrashOfTheHandler(t *testing.T) {
	t.Parallel()
	s, q := broker(t, servicebus.QueueConfig{})
	w := start(t, newApp(t, map[string]string{"Slow": queueFunction}), "serve", bus(s))
	send(t, s, "x")
	w.line(t, "slow")
	w.KillHandler()
	w.event(t, MessageAbandoned)
	w.event(t, MessageCompleted)
	idle(t, q)
	if got := w.Stats().Functions["Slow"]; got.Succeeded != 1 || got.Failed != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestAMessageIsSettledAfterItsConnectionWasCut(t *testing.T) {
	t.Parallel()
	s, q := broker(t, servicebus.QueueConfig{})
	w := start(t, newApp(t, map[string]string{"Slow": queueFunction, "Ok": otherFunction}), "serve",
		bus(s))
	send(t, s, "x")
	w.line(t, "slow")
	s.CutConnections()
	w.event(t, MessageCompleted)
	send(t, s, "y")
	w.event(t, MessageCompleted)
	idle(t, q)
}

func TestTheListenerComesBackAfterAnOutage(t *testing.T) {
	t.Parallel()
	s, q := broker(t, servicebus.QueueConfig{})
	var log lockedBuffer
	w := start(t, newApp(t, map[string]string{"Ok": queueFunction}), "serve", func(o *Options) {
		bus(s)(o)
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	send(t, s, "x")
	w.event(t, MessageCompleted)
	s.RefuseConnections(true)
	s.CutConnections()
	log.wait(t, "cannot be received from")
	s.RefuseConnections(false)
	send(t, s, "y")
	w.event(t, MessageCompleted)
	idle(t, q)
	if strings.Contains(log.String(), "SharedAccess") {
		t.Error("the log has a connection string")
	}
}

func TestNoMoreThanMaxConcurrentCallsRunAtOnce(t *testing.T) {
	t.Parallel()
	s, q := broker(t, servicebus.QueueConfig{})
	w := start(t, newApp(t, map[string]string{"Slow": queueFunction}), "serve", func(o *Options) {
		bus(s)(o)
		o.Settings["AzureFunctionsJobHost__extensions__serviceBus__maxConcurrentCalls"] = "2"
	})
	send(t, s, "1", "2", "3", "4")
	running, most := 0, 0
	ctx := within(t)
	for ended := 0; ended < 4; {
		select {
		case e := <-w.events:
			switch e.Kind { //nolint:exhaustive // the others do not matter here
			case InvocationStarted:
				running++
				most = max(most, running)
			case InvocationEnded:
				running--
				ended++
			}
		case <-ctx.Done():
			t.Fatal("not all invocations ended")
		}
	}
	if most != 2 {
		t.Errorf("%d ran at once", most)
	}
	idle(t, q)
}

func TestStopLeavesItsMessagesToTheNextHost(t *testing.T) {
	t.Parallel()
	s, q := broker(t, servicebus.QueueConfig{})
	root := newApp(t, map[string]string{"Slow": queueFunction})
	w := start(t, root, "serve", bus(s))
	send(t, s, "x")
	w.line(t, "slow")
	w.Stop()
	if got := q.Stats(); got.Active != 1 || got.Locked != 0 {
		t.Errorf("after Stop: %+v", got)
	}
	next := start(t, root, "serve", bus(s))
	next.event(t, MessageCompleted)
	idle(t, q)
}

// TestTheStagedAppUnderstandsWhatTheHostSends calls the product's own wire code, in a folder
// packaged as for Azure, with everything that the host sends.
func TestTheStagedAppUnderstandsWhatTheHostSends(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dist := filepath.Join(t.TempDir(), "dist")
	if err := stage.Stage(stage.Options{
		Root: "../../..", Out: dist, Executable: self,
	}); err != nil {
		t.Fatal(err)
	}
	// Add a function with a binding that is not binary.
	write(t, filepath.Join(dist, "TextMessage", "function.json"),
		`{"bindings":[{"type":"serviceBusTrigger","name":"message","queueName":"text","connection":"ServiceBusConnection"}]}`)
	s, steps := broker(t, servicebus.QueueConfig{})
	text := s.AddQueue("text", servicebus.QueueConfig{})
	s.AddQueue("blob-events", servicebus.QueueConfig{})
	w := start(t, dist, "", func(o *Options) {
		o.Settings = map[string]string{
			"ExportSchedule": "0 0 0 1 1 *", "StepsQueue": "steps",
			"BlobEventsQueue":      "blob-events",
			"ServiceBusConnection": s.ConnectionString(),
		}
	})
	if err := w.FireTimer(t.Context(), "TimerExport"); err != nil {
		t.Error(err)
	}
	if got, want := w.line(t, "timer"), "timer false <nil>"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	const body = `{"jobId":"j1","text":"Ä\"\\"}`
	send(t, s, body)
	if got, want := w.line(t, "message"), "message "+body+" m-0 poll 1 true <nil>"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	idle(t, steps)

	client, err := azservicebus.NewClientFromConnectionString(s.ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close(within(t)) }()
	sender, err := client.NewSender("text", nil)
	if err != nil {
		t.Fatal(err)
	}
	id := "t-0"
	if err := sender.SendMessage(within(t),
		&azservicebus.Message{MessageID: &id, Body: []byte(body)}, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := w.line(t, "message"), "message "+body+" t-0  1 true <nil>"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	idle(t, text)

	pushed := `{"Data":{"blob":"` + strings.Repeat("QUJD", 2<<20) +
		`"},"Metadata":{"Uri":"\"http://127.0.0.1:1/a/b/c\""}}`
	if err := w.Invoke(t.Context(), "BlobLoaded", strings.NewReader(pushed)); err != nil {
		t.Error(err)
	}
	if got := w.line(t, "blob"); !strings.Contains(got, "http://127.0.0.1:1/a/b/c") ||
		!strings.Contains(got, "skipped=true") {
		t.Error(got)
	}
}

func TestStopDoesNotWaitForABrokerThatIsGone(t *testing.T) {
	t.Parallel()
	s, _ := broker(t, servicebus.QueueConfig{})
	w := start(t, newApp(t, map[string]string{"Slow": queueFunction}), "serve", bus(s))
	send(t, s, "x")
	w.line(t, "slow")
	s.Close()
	began := time.Now()
	w.Stop()
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("Stop took %s", took)
	}
}

// Law 2 needs a host that loses and dead-letters no message when it crashes.
func TestNoMessageIsLostOrDeadLetteredWhenHandlersAndHostsDie(t *testing.T) {
	t.Parallel()
	s, q := broker(t, servicebus.QueueConfig{})
	root := newApp(t, map[string]string{
		"Ok": queueFunction, "Slow": strings.ReplaceAll(queueFunction, "%Queue%", "slow"),
	})
	slow := s.AddQueue("slow", servicebus.QueueConfig{})
	var bodies []string
	for i := range 300 {
		bodies = append(bodies, fmt.Sprint(i))
	}
	sendTo(t, s, "slow", "a", "b")
	for round := range 4 {
		w := start(t, root, "serve", bus(s))
		send(t, s, bodies[round*75:(round+1)*75]...)
		w.event(t, InvocationEnded)
		w.KillHandler()
		w.event(t, HandlerReady)
		w.event(t, InvocationEnded)
		if err := w.Err(); err != nil {
			t.Fatal(err)
		}
		w.Stop()
	}
	start(t, root, "serve", bus(s))
	idle(t, q)
	idle(t, slow)
	if n := len(q.DeadLetters()) + len(slow.DeadLetters()); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}
