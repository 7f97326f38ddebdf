package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/store"
)

// refusing is a storage account that refuses to make blobs.
type refusing struct {
	jobs.Memory
	err error
}

func (r *refusing) Create(context.Context, string, string) (jobs.Blob, error) { return nil, r.err }

func TestARefusalOfTheStorageFailsTheJob(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err    error
		status int
	}{
		"no rights": {
			&jobs.StorageError{Status: 403, Err: errors.New("AuthorizationFailure")},
			403,
		},
		"no container": {
			&jobs.StorageError{Status: 404, Err: errors.New("ContainerNotFound")},
			404,
		},
		"touched blob":  {&jobs.StorageError{Status: 412, Err: errors.New("ConditionNotMet")}, 500},
		"anything else": {errors.New("the line is dead"), 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := store.New(store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Add([]byte(`{"resourceType":"Patient","id":"a"}`)); err != nil {
				t.Fatal(err)
			}
			r := jobs.New(jobs.Options{
				Store: s, Blobs: &refusing{err: tt.err}, Log: slog.New(slog.DiscardHandler),
				Now: func() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) },
			})
			t.Cleanup(r.Close)
			j := r.Start(t.Context(),
				jobs.Request{
					Level: jobs.LevelSystem, MaxCount: 10, Parallel: true, Container: "lake",
				}, jobs.Trouble{})
			<-j.Done()
			output, failure := j.Result()
			if failure == nil || failure.Status != tt.status || len(output) != 0 {
				t.Errorf("output %v, failure %v; want status %d", output, failure, tt.status)
			}
		})
	}
}

func TestAClosedRunnerStartsNothing(t *testing.T) {
	t.Parallel()
	s, err := store.New(store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var blobs jobs.Memory
	r := jobs.New(jobs.Options{
		Store: s, Blobs: &blobs, Log: slog.New(slog.DiscardHandler), Now: func() time.Time {
			return time.Time{}
		},
	})
	r.Close()
	j := r.Start(t.Context(), jobs.Request{Level: jobs.LevelSystem, MaxCount: 1, Parallel: true},
		jobs.Trouble{})
	r.Close()
	select {
	case <-j.Done():
		t.Error("the job ran")
	default:
	}
}
