package pipelinetest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// TestSource is the definition of pipeline.Server. open returns a server that has resources, and
// finish, which lets the started jobs end.
func TestSource(t *testing.T, open func(t *testing.T) (s pipeline.Server, finish func())) {
	t.Helper()
	run := func(name string, test func(*testing.T, pipeline.Server, func())) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, finish := open(t)
			test(t, s, finish)
		})
	}
	run("Now is an instant to the millisecond", sourceNow)
	run("a job runs, ends, and its manifest stays the same", sourceJob)
	run("every KickOff is a job of its own", sourceTwoJobs)
	run("Cancel may be repeated, and a cancelled job has no manifest", sourceCancel)
	run("a request that cannot be is Permanent", sourceRefuses)
	run("an ended context fails every call", sourceCancelled)
}

func sourceNow(t *testing.T, s pipeline.Server, _ func()) {
	now, err := s.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if now.IsZero() || now != now.Truncate(time.Millisecond) {
		t.Errorf("now is %v", now)
	}
}

func sourceJob(t *testing.T, s pipeline.Server, finish func()) {
	a := kickOff(t, s)
	st, err := s.Status(t.Context(), a.StatusURL)
	if err != nil {
		t.Fatal(err)
	}
	if st.Manifest != nil {
		t.Fatal("the job has ended before it was let")
	}
	finish()
	var manifests [2]*pipeline.Manifest
	for i := range manifests {
		st, err := s.Status(t.Context(), a.StatusURL)
		if err != nil {
			t.Fatal(err)
		}
		if st.Manifest == nil {
			t.Fatal("the job has not ended")
		}
		manifests[i] = st.Manifest
	}
	m := manifests[0]
	if m.TransactionTime.IsZero() || len(m.Output) == 0 || !json.Valid(m.Raw) {
		t.Errorf("the manifest has transactionTime %v, %d files, %d bytes", m.TransactionTime,
			len(m.Output), len(m.Raw))
	}
	for i, f := range m.Output {
		if f.Type == "" || f.URL == "" || f.Count < -1 {
			t.Errorf("file %d is %+v", i, f)
		}
	}
	if string(m.Raw) != string(manifests[1].Raw) {
		t.Error("the second answer is another manifest")
	}
}

func sourceTwoJobs(t *testing.T, s pipeline.Server, _ func()) {
	a, b := kickOff(t, s), kickOff(t, s)
	if a.StatusURL == b.StatusURL || (a.Folder != "" && a.Folder == b.Folder) {
		t.Errorf("both are %+v", a)
	}
}

func sourceCancel(t *testing.T, s pipeline.Server, finish func()) {
	a := kickOff(t, s)
	for range 2 {
		if err := s.Cancel(t.Context(), a.StatusURL); err != nil {
			t.Fatalf("Cancel: %v", err)
		}
	}
	finish()
	if st, err := s.Status(t.Context(), a.StatusURL); err == nil && st.Manifest != nil {
		t.Error("a cancelled job has a manifest")
	}
}

func sourceRefuses(t *testing.T, s pipeline.Server, _ func()) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for name, r := range map[string]pipeline.Request{
		"no level":           {},
		"an unknown level":   {Level: "planet"},
		"a group without id": {Level: pipeline.LevelGroup},
		"a till before since": {
			Level: pipeline.LevelSystem, Since: now, Till: now.Add(-time.Hour),
		},
	} {
		if _, err := s.KickOff(t.Context(), r); fault.Of(err) != fault.Permanent {
			t.Errorf("%s: %v, want a Permanent error", name, err)
		}
	}
}

func sourceCancelled(t *testing.T, s pipeline.Server, _ func()) {
	a := kickOff(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, nowErr := s.Now(ctx)
	_, kickErr := s.KickOff(ctx, pipeline.Request{Level: pipeline.LevelSystem})
	_, statusErr := s.Status(ctx, a.StatusURL)
	for call, err := range map[string]error{
		"Now": nowErr, "KickOff": kickErr, "Status": statusErr,
		"Cancel": s.Cancel(ctx, a.StatusURL),
	} {
		if !errors.Is(err, context.Canceled) || fault.Of(err) != fault.Transient {
			t.Errorf("%s: %v, want context.Canceled, transient", call, err)
		}
	}
}

func kickOff(t *testing.T, s pipeline.Server) pipeline.Accepted {
	t.Helper()
	a, err := s.KickOff(t.Context(), pipeline.Request{Level: pipeline.LevelSystem})
	if err != nil {
		t.Fatalf("KickOff: %v", err)
	}
	if a.StatusURL == "" {
		t.Fatal("KickOff gives no status URL")
	}
	return a
}
