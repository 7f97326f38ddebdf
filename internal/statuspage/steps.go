package statuspage

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// steps lists the events in the life of an export, in order of time.
func steps(e records.Export, jobs []records.Job, v exportView) []step {
	out := []step{{At: e.RequestedAt, What: "requested"}}
	out = append(out, sum("kicked off at the server", jobs, func(j records.Job) (time.Time, bool) {
		return j.KickOffAt, !j.KickOffAt.IsZero()
	})...)
	out = append(out, sum("accepted by the server", jobs, func(j records.Job) (time.Time, bool) {
		return j.AcceptedAt, !j.AcceptedAt.IsZero()
	})...)
	manifests := sum("manifest received", jobs, func(j records.Job) (time.Time, bool) {
		return j.ManifestAt, j.Collected()
	})
	files := 0
	for _, j := range jobs {
		files += j.Files
	}
	if len(manifests) > 0 {
		manifests[0].More = join(manifests[0].More, plural(files, "file", "files"))
	}
	out = append(out, manifests...)
	if n := v.Sum.Landed; n > 0 && !v.landedFrom.IsZero() {
		st := step{At: v.landedTo, What: plural(n, "file has landed", "files have landed")}
		if took := v.landedTo.Sub(v.landedFrom); took >= time.Second {
			st.More = "over " + span(took)
		}
		out = append(out, st)
	}
	// Storage rounds its times down to seconds: what landed would precede the request.
	slices.SortStableFunc(out, func(a, b step) int {
		return a.At.Truncate(time.Second).Compare(b.At.Truncate(time.Second))
	})
	return append(out, present(e, jobs, v))
}

// sum makes one step of an event that each job has. Its time is the last one's.
func sum(what string, jobs []records.Job, of func(records.Job) (time.Time, bool)) []step {
	var last time.Time
	n := 0
	for _, j := range jobs {
		at, there := of(j)
		if !there {
			continue
		}
		n++
		if at.After(last) {
			last = at
		}
	}
	switch {
	case n == 0:
		return nil
	case len(jobs) == 1:
		return []step{{At: last, What: what}}
	}
	return []step{{At: last, What: what, More: fmt.Sprintf("%d of %d jobs", n, len(jobs))}}
}

// present is the step that runs, or the end.
func present(e records.Export, jobs []records.Job, v exportView) step {
	switch e.State {
	case records.Failed:
		st := step{At: e.FinishedAt, What: "failed", Bad: true}
		if e.Failure != nil {
			st.More = "at the step " + e.Failure.Step
		}
		return st
	case records.Cancelled:
		return step{At: e.FinishedAt, What: "cancelled by a person"}
	case records.Loaded:
		return step{At: e.FinishedAt, What: "loaded: every file is in the tables"}
	case records.Incomplete:
		return step{
			At: e.FinishedAt, What: "loaded, but the server could not export everything", Bad: true,
		}
	case records.Loading:
		return step{
			What: "loading", Now: true,
			More: fmt.Sprintf("%s of %s files are in the tables", grouped(v.Sum.Loaded),
				grouped(v.Sum.Files)),
		}
	case records.Exporting:
		progress, poll := "", time.Time{}
		for _, j := range jobs {
			progress = cmp.Or(progress, j.Progress)
			if !j.Collected() && j.PollAt.After(poll) {
				poll = j.PollAt
			}
		}
		if !poll.IsZero() {
			progress = join(progress, "asked again at "+moment(poll))
		}
		return step{What: "the server exports", More: progress, Now: true}
	case records.Requested:
	}
	return step{What: "asking the server to start", Now: true}
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}
