package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

func TestWhoeverWaitsHearsOfEveryFailure(t *testing.T) {
	t.Parallel()
	w, k := newKeeperWorld(t)
	cause := errors.New("it rains")
	k.download = func(pipeline.OutputFile) error {
		if w.clock.Sub(dawn) < 10*time.Minute {
			return fault.Transientf("download: %w", cause)
		}
		return fault.Permanentf("download: %w", cause)
	}
	var heard []string
	w.p.Trouble = func(tr pipeline.Trouble) {
		if tr.Export != "nightly-000001" || !errors.Is(tr.Err, cause) ||
			!tr.Next.IsZero() && tr.Next.Before(w.clock) {
			t.Errorf("%+v", tr)
		}
		heard = append(heard, fmt.Sprint(tr.Step.Kind, tr.Step.File, " again:", !tr.Next.IsZero()))
	}
	w.server.put("Patient", "p1", "first", 1, false)
	w.run("nightly-000001")
	if all := strings.Join(heard, ", "); len(heard) < 3 || heard[0] != "fetch1 again:true" ||
		heard[len(heard)-1] != "fetch1 again:false" {
		t.Error(all)
	}
}

func TestWhoeverWaitsHearsOfKickOffs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refuse := fault.Transientf("busy: %w", pipeline.ErrDeclined)
	w.wrap = func(s gatedSource) pipeline.Server { return unwilling{s, &refuse} }
	w.boot()
	var heard []pipeline.Trouble
	w.p.Trouble = func(tr pipeline.Trouble) {
		heard = append(heard, tr)
		if len(heard) == 2 {
			refuse = fault.Permanentf("no such Group")
		}
	}
	w.run("nightly-000001")
	if len(heard) != 3 || heard[0].Step.Kind != pipeline.StepKickOff || heard[0].Next.IsZero() ||
		!heard[2].Next.IsZero() {
		t.Errorf("%+v", heard)
	}
}

// unwilling declines every kick-off.
type unwilling struct {
	gatedSource
	with *error
}

func (r unwilling) KickOff(context.Context, pipeline.Request) (pipeline.Accepted, error) {
	return pipeline.Accepted{}, *r.with
}
