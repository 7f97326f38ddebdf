package sandbox_test

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/sandbox"
	"fhirsynapse/internal/testkit/azuritetest"
	"fhirsynapse/internal/warehouse/open/local"
)

// The cohort is found, exported with a job for each Group, changed and exported again, with both
// kinds of server.
func TestDemoOfACohort(t *testing.T) {
	azuritetest.Tools(t)
	for name, o := range map[string]sandbox.Options{
		"azure":                {Source: sandbox.SourceAzure},
		"bulk":                 {Source: sandbox.SourceBulk},
		"bulk, without Groups": {Source: sandbox.SourceBulk, WithoutGroups: true},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			var log lockedBuilder
			o.Root, o.Dir, o.Cohort, o.Now = root, t.TempDir(), sandbox.FormerSmokers, time.Now
			o.HandlerOutput, o.Engines = &log, local.Engines()
			o.Log = slog.New(slog.DiscardHandler)
			err := sandbox.Demo{
				World:    o,
				Patients: 96, Seed: 3, Out: &out, Patience: 5 * time.Minute,
			}.Run(t.Context())
			if err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			wants := []string{"in 3 Groups", "1 joined, 1 left", "demo: ok"}
			if o.WithoutGroups {
				wants = []string{"in 3 shares", "demo: ok"}
			}
			for _, want := range wants {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in\n%s", want, out.String())
				}
			}
			if strings.Contains(log.String(), "Patient/") {
				t.Error("the handler's log names a patient")
			}
		})
	}
}

// lockedBuilder collects the output of a process.
type lockedBuilder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuilder) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(text)
}

func (b *lockedBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
