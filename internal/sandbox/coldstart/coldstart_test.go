package coldstart

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// roleVariable makes the test binary a handler that either answers or fails.
const roleVariable = "FHIRSYNAPSE_TEST_COLDSTART"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "answers":
		port, log := os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"), os.Getenv("STARTS")
		f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = fmt.Fprintln(f, os.Getenv("FUNCTIONS_APP_ROOT_PATH"),
				os.Getenv("FUNCTIONS_CUSTOMHANDLER_WORKER_ID"))
		}
		if err == nil {
			err = (&http.Server{
				Addr: "127.0.0.1:" + port, ReadHeaderTimeout: time.Minute,
			}).ListenAndServe()
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case "fails":
		fmt.Fprintln(os.Stderr, "the configuration is wrong")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func measure(t *testing.T, role string) (m Measure, starts string) {
	t.Helper()
	starts = filepath.Join(t.TempDir(), "starts")
	return Measure{
		App: filepath.Dir(os.Args[0]), Handler: filepath.Base(os.Args[0]), Runs: 3, Now: time.Now,
		Environ: append(os.Environ(), roleVariable+"="+role, "STARTS="+starts),
	}, starts
}

func TestEachRunStartsAHandlerOfItsOwnAsTheHostDoes(t *testing.T) {
	t.Parallel()
	m, starts := measure(t, "answers")
	r, err := m.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Runs != 3 || r.Least <= 0 || r.Least > r.Median || r.Median > r.Most {
		t.Errorf("got %+v", r)
	}
	info, err := os.Stat(os.Args[0])
	if err != nil || r.Size != info.Size() {
		t.Errorf("the size is %d: %v", r.Size, err)
	}
	text, err := os.ReadFile(starts)
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(m.App)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat(root+" coldstart\n", 3); string(text) != want {
		t.Errorf("the handlers saw %q, want %q", text, want)
	}
}

func TestAHandlerThatEndsSaysWhy(t *testing.T) {
	t.Parallel()
	m, _ := measure(t, "fails")
	if _, err := m.Run(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "the configuration is wrong") {
		t.Errorf("got %v", err)
	}
}

func TestAResultIsOneLine(t *testing.T) {
	t.Parallel()
	r := Result{
		Median: 12340 * time.Microsecond, Least: 9 * time.Millisecond, Most: 20 * time.Millisecond,
		Runs: 21, Size: 32_040_000,
	}
	const want = "cold start of the handler: 12.3 ms from the start of the process to its first answer (median of 21; 9.0 to 20.0), program of 32.0 MB"
	if got := r.String(); got != want {
		t.Errorf("got %q", got)
	}
}
