package functionshost

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/servicebus"
)

// TestHostContract compares the emulator with the observed behavior of the real host, 4.1037.0. If
// the source of the host confirms it, the comment names the file, below src/WebJobs.Script of
// github.com/Azure/azure-functions-host.
func TestHostContract(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]func(*testing.T){
		"start: one GET, any answer is ready":                            contractStart,
		"restart: after a non-zero exit calls are held, the port stays":  contractRestart,
		"restart: after exit code 0 calls are refused":                   contractExit0,
		"restart: the third error ends the host":                         contractThirdError,
		"refused: a closed port burns all deliveries of a message":       contractRefused,
		"timeout: killed two seconds later, uncounted":                   contractTimeout,
		"answer: an empty 200 hangs until the timeout":                   contractEmpty,
		"stop: calls are drained, then the handler is left alone":        contractStop,
		"kill: the handler outlives its host":                            contractKill,
		"reload: a second handler on another port, then the first stops": contractReload,
		"blob: five tries at once, without an ETag":                      contractBlob,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t)
		})
	}
}

// Workers/Http/DefaultHttpWorkerService.cs, IsWorkerReady.
func contractStart(t *testing.T) {
	w := start(t, newApp(t, map[string]string{"Ok": timerFunction}), "probes", nil)
	w.event(t, HandlerReady)
	if err := w.FireTimer(t.Context(), "Ok"); err != nil {
		t.Error(err)
	}
	if got := w.line(t, "probes="); got != "probes=1" {
		t.Errorf("before the first call there were %s", got)
	}
}

// Workers/Http/HttpWorkerChannel.cs, Rpc/WorkerProcess.cs.
func contractRestart(t *testing.T) {
	w := start(t, newApp(t, map[string]string{"Ok": timerFunction, "Crash": otherFunction}),
		"address", nil)
	first := w.line(t, "127.0.0.1:")
	if err := w.Invoke(t.Context(), "Crash", strings.NewReader("{}")); err == nil {
		t.Error("an invocation in a crash succeeded")
	}
	if err := w.FireTimer(t.Context(), "Ok"); err != nil { // held until the next process answers
		t.Error(err)
	}
	if second := w.line(t, "127.0.0.1:"); second != first {
		t.Errorf("restarted on %s, first on %s", second, first)
	}
}

func contractExit0(t *testing.T) {
	w := start(t, newApp(t, map[string]string{"Ok": timerFunction, "Exit0": otherFunction}),
		"serve", nil)
	if err := w.Invoke(t.Context(), "Exit0", strings.NewReader("{}")); err == nil {
		t.Error("a call that ended the handler succeeded")
	}
	w.event(t, HandlerExited)
	if err := w.FireTimer(t.Context(), "Ok"); err == nil ||
		!strings.Contains(err.Error(), "exit code 0") {
		t.Errorf("got %v", err)
	}
}

// Workers/Http/HttpFunctionInvocationDispatcher.cs: three errors within 30 minutes.
func contractThirdError(t *testing.T) {
	w := start(t, newApp(t, map[string]string{"Ok": timerFunction}), "serve", nil)
	for range 3 {
		w.event(t, HandlerReady)
		w.KillHandler()
	}
	if err := w.Wait(); !errors.Is(err, ErrCrashing) {
		t.Errorf("got %v", err)
	}
}

func contractRefused(t *testing.T) {
	s, q := broker(t, servicebus.QueueConfig{LockDuration: time.Minute})
	w := start(t, newApp(t, map[string]string{"Ok": queueFunction, "Close": otherFunction}),
		"serve", bus(s))
	if err := w.Invoke(t.Context(), "Close", strings.NewReader("{}")); err != nil {
		t.Fatal(err)
	}
	if err := w.Invoke(t.Context(), "Close", strings.NewReader("{}")); err == nil ||
		!strings.Contains(err.Error(), "connection refused") {
		t.Fatalf("got %v", err)
	}
	send(t, s, "x")
	if err := q.WaitUntil(within(t), func(s servicebus.Stats) bool {
		return s.DeadLettered == 1
	}); err != nil {
		t.Fatalf("%v: %+v", err, q.Stats())
	}
	if n := w.Stats().Functions["Ok"].Failed; n != 10 {
		t.Errorf("%d deliveries", n)
	}
}

func contractTimeout(t *testing.T) {
	w := start(t, newApp(t, map[string]string{
		"Hang": otherFunction, "Ok": timerFunction,
	}), "serve", func(o *Options) {
		o.Settings["AzureFunctionsJobHost__functionTimeout"] = "00:00:00.2"
	})
	began := time.Now()
	if err := w.Invoke(t.Context(), "Hang", strings.NewReader("{}")); err == nil ||
		!strings.Contains(err.Error(), "functionTimeout") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took < killAfterTimeout {
		t.Errorf("killed after %s", took)
	}
	if err := w.FireTimer(t.Context(), "Ok"); err != nil {
		t.Error(err)
	}
	if s := w.Stats(); s.Crashes != 0 || s.Starts != 2 {
		t.Errorf("got %+v", s)
	}
}

func contractEmpty(t *testing.T) {
	w := start(t, newApp(t, map[string]string{"Empty": otherFunction}), "serve", func(o *Options) {
		o.Settings["AzureFunctionsJobHost__functionTimeout"] = "00:00:00.2"
	})
	began := time.Now()
	if err := w.Invoke(t.Context(), "Empty", strings.NewReader("{}")); err == nil ||
		time.Since(began) < killAfterTimeout {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
}

// hostProcess starts a host in a separate process. The handler prints its address.
func hostProcess(
	t *testing.T, functions map[string]string,
) (host *exec.Cmd, out *bufio.Scanner, address string) {
	t.Helper()
	root := newApp(t, functions)
	file := filepath.Join(root, "host.json")
	write(t, file, strings.ReplaceAll(readFile(t, file), "%Mode%", "address"))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host = exec.CommandContext(t.Context(), self, "host", root) // #nosec G204 -- the test itself
	pipe, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	out = bufio.NewScanner(pipe)
	for out.Scan() {
		if pid, ok := strings.CutPrefix(out.Text(), "handler="); ok {
			n, err := strconv.Atoi(pid)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { killGroup(n) })
			return host, out, address
		}
		address = out.Text()
	}
	t.Fatal("the host has not started")
	return nil, nil, ""
}

// alive reports whether the handler at an address answers.
func alive(ctx context.Context, t *testing.T, address string) bool {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	return res.Body.Close() == nil
}

func contractStop(t *testing.T) {
	host, out, address := hostProcess(t,
		map[string]string{
			"Slow": `{"bindings":[{"type":"timerTrigger","name":"timer","schedule":"* * * * * *"}]}`,
		})
	for out.Scan() && out.Text() != "slow" { // a call runs
	}
	if err := host.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	drained := false
	for out.Scan() {
		drained = drained || out.Text() == "slow done"
	}
	if err := host.Wait(); err != nil {
		t.Errorf("the host's exit: %v", err)
	}
	if !drained {
		t.Error("the call that ran was not waited for")
	}
	if !alive(t.Context(), t, address) {
		t.Error("the handler was not left alone")
	}
}

func contractKill(t *testing.T) {
	host, _, address := hostProcess(t, map[string]string{"Ok": timerFunction})
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait() // killed, as intended
	if !alive(t.Context(), t, address) {
		t.Error("the handler did not outlive its host")
	}
}

// WebJobsScriptHostService.cs, RestartHostAsync: the new host starts before the old
// one is disposed.
func contractReload(t *testing.T) {
	w := start(t, newApp(t, map[string]string{"Ok": timerFunction}), "address", nil)
	first, pid := w.line(t, "127.0.0.1:"), w.HandlerPID()
	reloaded := make(chan error, 1)
	go func() { reloaded <- w.Reload(t.Context(), 300*time.Millisecond) }()
	second := w.line(t, "127.0.0.1:")
	if second == first || !alive(t.Context(), t, first) {
		t.Errorf("the second is at %s; the first, at %s, must still live", second, first)
	}
	if err := <-reloaded; err != nil {
		t.Fatal(err)
	}
	if !reaped(pid) || alive(t.Context(), t, first) || !alive(t.Context(), t, second) {
		t.Error("the second alone must be left")
	}
	if err := w.FireTimer(t.Context(), "Ok"); err != nil {
		t.Error(err)
	}
	w.KillHandler() // the second is supervised like the first
	if err := w.FireTimer(t.Context(), "Ok"); err != nil {
		t.Error(err)
	}
	if s := w.Stats(); s.Crashes != 1 || s.Starts != 3 {
		t.Errorf("got %+v", s)
	}
}

// Microsoft.Azure.WebJobs.Extensions.Storage.Blobs, poisonBlobThreshold.
func contractBlob(t *testing.T) {
	w := start(t, newApp(t, map[string]string{
		"Echo": `{"bindings":[{"type":"blobTrigger","name":"blob","path":"c/{name}","connection":"Lake","properties":{"supportsDeferredBinding":true}}]}`,
		"Fail": `{"bindings":[{"type":"blobTrigger","name":"blob","path":"c/{name}","connection":"Lake","properties":{"supportsDeferredBinding":true}}]}`,
	}), "serve", func(o *Options) { o.Settings["Lake"] = "UseDevelopmentStorage=true" })
	const url = "http://127.0.0.1:1/account/c/a.ndjson"
	if err := w.BlobFound(t.Context(), "Echo", url, 77); err != nil {
		t.Fatal(err)
	}
	if got := w.line(t, "[chunked]"); !strings.Contains(got, `"ETag":{}`) ||
		!strings.Contains(got, `"ContentLength":77`) {
		t.Error(got)
	}
	if err := w.BlobFound(t.Context(), "Fail", url, 77); err == nil ||
		!strings.Contains(err.Error(), "poison after 5 tries") {
		t.Errorf("got %v", err)
	}
	if n := w.Stats().Functions["Fail"].Invocations; n != 5 {
		t.Errorf("%d calls", n)
	}
}
