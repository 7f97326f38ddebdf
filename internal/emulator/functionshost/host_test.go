package functionshost

import (
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const probe = syscall.Signal(0)

func TestHandlerGetsTheEnvironmentOfTheRealHost(t *testing.T) {
	t.Parallel()
	root := newApp(t, map[string]string{"Ok": timerFunction})
	var log lockedBuffer
	w := start(t, root, "env", func(o *Options) {
		o.Env = []string{"Inherited=yes", "Setting=no"}
		o.Settings["Setting"] = "yes"
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	if id, other := w.line(t, "FUNCTIONS_CUSTOMHANDLER_WORKER_ID="),
		w.line(t, "FUNCTIONS_HTTPWORKER_ID="); id == "FUNCTIONS_CUSTOMHANDLER_WORKER_ID=" ||
		!strings.HasSuffix(other, id[len("FUNCTIONS_CUSTOMHANDLER_WORKER_ID="):]) {
		t.Errorf("worker ids: %s, %s", id, other)
	}
	if got := w.line(t, "FUNCTIONS_APP_ROOT_PATH="); got != "FUNCTIONS_APP_ROOT_PATH="+root {
		t.Error(got)
	}
	for _, want := range []string{"Inherited=yes", "Setting=yes"} {
		if got := w.line(t, want[:5]); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := w.line(t, "port="); !strings.HasSuffix(got, " wd="+root) {
		t.Error(got)
	}
	pid := w.HandlerPID()
	if runtime.GOOS == "linux" {
		if n := w.Stats().PeakMemory; n < 1<<20 {
			t.Errorf("peak memory is %d bytes", n)
		}
	}
	w.Stop()
	if !reaped(pid) || w.HandlerPID() != 0 {
		t.Error("the handler is still there after Stop")
	}
	if w.Stats().Processor <= 0 {
		t.Error("the handler has taken no time")
	}
	if got := log.String(); !strings.Contains(got, `level=WARN msg=handler stderr="a Warning"`) ||
		!strings.Contains(got, `level=ERROR msg=handler stderr="an error"`) {
		t.Errorf("stderr in the log: %s", got)
	}
	if err := w.Wait(); err != nil {
		t.Error(err)
	}
	if err := w.FireTimer(t.Context(), "Ok"); !errors.Is(err, errStopping) {
		t.Errorf("after the end: %v", err)
	}
}

func TestRequestsLookLikeThoseOfTheRealHost(t *testing.T) {
	t.Parallel()
	w := start(t, newApp(t, map[string]string{"Echo": timerFunction}), "serve", nil)
	if err := w.FireTimer(t.Context(), "Echo"); err != nil {
		t.Fatal(err)
	}
	got := w.line(t, "[chunked]")
	for _, want := range []string{
		`"application/json; charset=utf-8"`, `"Data":{"timer":{`, `"IsPastDue":false`,
		`"Last":"0001-01-01T00:00:00"`, `"MethodName":"Echo"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if id := w.event(t, InvocationEnded).Invocation; id == "" || !strings.Contains(got, id) {
		t.Errorf("the id %q is not in %s", id, got)
	}
}

func TestFailedInvocationsAreCountedByReason(t *testing.T) {
	t.Parallel()
	w := start(t, newApp(t, map[string]string{
		"Ok": otherFunction, "Fail": otherFunction, "Plain": otherFunction,
		"Unrouted": otherFunction,
	}), "serve", nil)
	for name, want := range map[string]string{
		"Ok": "", "Fail": "500", "Plain": "content type", "Unrouted": "405",
		"Nowhere": "no such function",
	} {
		err := w.Invoke(t.Context(), name, strings.NewReader(`{"Data":{}}`))
		if want == "" && err != nil ||
			want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
		if f := w.Stats().Functions[name]; name != "Nowhere" &&
			(f.Invocations != 1 || f.Failed != len(f.Reasons) || (f.Failed == 1) != (want != "")) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestACrashIsRestartedTwiceAndTheThirdEndsTheHost(t *testing.T) {
	t.Parallel()
	w := start(t, newApp(t, map[string]string{"Ok": timerFunction, "Crash": otherFunction}),
		"serve", nil)
	pid := w.HandlerPID()
	if err := w.Invoke(t.Context(), "Crash", strings.NewReader("{}")); err == nil {
		t.Error("an invocation in a crash succeeded")
	}
	if e := w.event(t, HandlerExited); e.PID != pid || e.ExitCode != 3 {
		t.Errorf("got %+v", e)
	}
	if err := w.FireTimer(t.Context(), "Ok"); err != nil { // waits for the next process
		t.Error(err)
	}
	if !w.KillHandler() {
		t.Error("no handler to kill")
	}
	if e := w.event(t, HandlerExited); e.ExitCode != -1 {
		t.Errorf("got %+v", e)
	}
	w.event(t, HandlerReady)
	w.KillHandler()
	if err := w.Wait(); !errors.Is(err, ErrCrashing) {
		t.Errorf("got %v", err)
	}
	if s := w.Stats(); s.Starts != 3 || s.Crashes != 3 {
		t.Errorf("got %+v", s)
	}
	if w.KillHandler() {
		t.Error("a handler after the end")
	}
}

func TestCrashesMoreThanHalfAnHourApartAreForgotten(t *testing.T) {
	t.Parallel()
	var clock steps
	w := start(t, newApp(t, map[string]string{"Ok": timerFunction}), "serve", func(o *Options) {
		o.Now = clock.now
	})
	for range 5 {
		w.event(t, HandlerReady)
		clock.advance(31 * time.Minute)
		w.KillHandler()
	}
	w.event(t, HandlerReady)
	if s := w.Stats(); s.Crashes != 5 || w.Err() != nil {
		t.Errorf("got %+v, %v", s, w.Err())
	}
}

func TestAHandlerThatNeverComesUpEndsTheStart(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]error{
		"crash": ErrCrashing, "exit0": ErrExitedZero, "deaf": ErrCrashing,
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			_, err := tryStart(t, newApp(t,
				map[string]string{"Ok": timerFunction}), mode, func(o *Options) {
				o.Settings["AzureFunctionsJobHost__customHandler__initializationTimeout"] = "00:00:30"
				if mode == "deaf" {
					o.Settings["AzureFunctionsJobHost__customHandler__initializationTimeout"] = "00:00:00.3"
				}
			})
			if !errors.Is(err, want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestExitCode0IsNotRestartedAndEveryInvocationFails(t *testing.T) {
	t.Parallel()
	w := start(t, newApp(t, map[string]string{"Ok": timerFunction, "Exit0": otherFunction}),
		"serve", nil)
	if err := w.Invoke(t.Context(), "Exit0", strings.NewReader("{}")); err == nil {
		t.Error("no error")
	}
	w.event(t, HandlerExited)
	if err := w.FireTimer(t.Context(), "Ok"); err == nil ||
		!strings.Contains(err.Error(), "exit code 0") {
		t.Errorf("got %v", err)
	}
	if s := w.Stats(); s.Starts != 1 || s.Crashes != 0 || w.Err() != nil {
		t.Errorf("got %+v, %v", s, w.Err())
	}
}

func TestExitCode200IsRestartedForFree(t *testing.T) {
	t.Parallel()
	w := start(t, newApp(t, map[string]string{"Exit200": otherFunction}), "serve", nil)
	for range 4 {
		w.event(t, HandlerReady)
		if err := w.Invoke(t.Context(), "Exit200", strings.NewReader("{}")); err == nil {
			t.Error("no error")
		}
	}
	w.event(t, HandlerReady)
	if s := w.Stats(); s.Starts != 5 || s.Crashes != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestFunctionTimeoutKillsTheHandlerAndAllInFlight(t *testing.T) {
	t.Parallel()
	w := start(t, newApp(t, map[string]string{
		"Hang": otherFunction, "Ok": timerFunction,
	}), "serve", func(o *Options) {
		o.Settings["AzureFunctionsJobHost__functionTimeout"] = "00:00:00.5"
	})
	pid := w.HandlerPID()
	results := make(chan error, 3)
	for range 3 {
		go func() { results <- w.Invoke(t.Context(), "Hang", strings.NewReader("{}")) }()
	}
	for range 3 {
		if err := <-results; err == nil || !strings.Contains(err.Error(), "functionTimeout") {
			t.Errorf("got %v", err)
		}
	}
	if err := w.FireTimer(t.Context(), "Ok"); err != nil {
		t.Error(err)
	}
	if w.HandlerPID() == pid || !reaped(pid) {
		t.Error("the handler was not replaced")
	}
	if s := w.Stats(); s.Crashes != 0 || s.Starts != 2 {
		t.Errorf("got %+v", s)
	}
}

func TestStopKillsWhatIsInFlight(t *testing.T) {
	t.Parallel()
	w := start(t, newApp(t, map[string]string{"Hang": otherFunction}), "serve", nil)
	result := make(chan error, 1)
	go func() { result <- w.Invoke(t.Context(), "Hang", strings.NewReader("{}")) }()
	w.event(t, InvocationStarted)
	w.Stop()
	if err := <-result; err == nil {
		t.Error("the invocation succeeded")
	}
	if e := w.event(t, HostEnded); e.Err != nil {
		t.Error(e.Err)
	}
	w.Stop()
}

func TestTimersFireByTheirSchedule(t *testing.T) {
	t.Parallel()
	w := start(t, newApp(t, map[string]string{
		"Echo": `{"bindings":[{"type":"timerTrigger","name":"timer","schedule":"%Schedule%"}]}`,
	}), "serve", func(o *Options) { o.Settings["Schedule"] = "* * * * * *" })
	if first := w.line(t, "[chunked]"); !strings.Contains(first, `"Last":"0001-01-01T00:00:00"`) ||
		!strings.Contains(first, `"IsPastDue":false`) {
		t.Error(first)
	}
	if second := w.line(t, "[chunked]"); strings.Contains(second, `"Last":"0001`) {
		t.Error(second)
	}
}

func TestTimersAreFiredAtStartWhenPastDue(t *testing.T) {
	t.Parallel()
	w := start(t, newApp(t, map[string]string{"Echo": timerFunction}), "serve", func(o *Options) {
		o.RunTimersAtStart = true
	})
	if got := w.line(t, "[chunked]"); !strings.Contains(got, `"IsPastDue":true`) {
		t.Error(got)
	}
}
