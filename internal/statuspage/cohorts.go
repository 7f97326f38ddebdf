package statuspage

import (
	"context"
	"iter"
	"slices"
	"time"

	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/statuspage/history"
)

// cohortsView is the page of the cohorts.
type cohortsView struct {
	Cohorts []cohortRow `json:"cohorts"`
}

func (cohortsView) template() string       { return "cohorts" }
func (cohortsView) title() string          { return "Cohorts" }
func (cohortsView) refresh() time.Duration { return later }

// cohortRow is one cohort. It has counts alone.
type cohortRow struct {
	Name       string            `json:"name"`
	Membership cohort.Membership `json:"membership"`
	Members    int               `json:"members"`
	// Groups is the number of Groups at the server; 0 if the kick-offs name the patients.
	Groups    int       `json:"groups"`
	CheckedAt time.Time `json:"checkedAt,omitzero"`
	ChangedAt time.Time `json:"changedAt,omitzero"`
	// Joins and Leaves are of the last refresh that changed the cohort.
	Joins   int    `json:"joins"`
	Leaves  int    `json:"leaves"`
	Trouble string `json:"trouble,omitempty"`
	// Sizes are the members at each export of the last 30 days, the oldest first.
	Sizes []size `json:"sizes,omitempty"`
	Chart chart  `json:"-"`
}

// size is the number of a cohort's members at one export.
type size struct {
	At      time.Time `json:"at"`
	Export  string    `json:"export"`
	Members int       `json:"members"`
	Joined  int64     `json:"joined"`
	Gone    int64     `json:"gone"`
}

// mostCohorts bounds the cohorts on their page. Each takes a request.
const mostCohorts = 12

func (s *reader) cohortsPage(ctx context.Context) (view, error) {
	all, err := cohort.List(ctx, firstKeys{s.Journal, mostCohorts})
	if err != nil {
		return nil, err
	}
	v := cohortsView{Cohorts: []cohortRow{}}
	if len(all) == 0 {
		return v, nil
	}
	past, _, err := s.past(ctx, 1, func(p pipeline.Plan) bool { return p.Cohort != "" })
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		row := cohortRow{
			Name: r.Name, Membership: r.Membership, Members: r.Members, Groups: len(r.Shards),
			CheckedAt: r.CheckedAt, ChangedAt: r.ChangedAt, Joins: r.Joins, Leaves: r.Leaves,
			Trouble: r.Trouble,
		}
		if r.Groupless {
			row.Groups = 0
		}
		row.Sizes = sizes(past, r.Name)
		row.Chart = sizeChart(r.Name, row.Sizes, s.Now())
		v.Cohorts = append(v.Cohorts, row)
	}
	return v, nil
}

// sizes lists the members of a cohort at the exports of its plans, the oldest first.
func sizes(past []past, name string) (out []size) {
	for _, p := range past {
		for _, e := range p.entries {
			if e.Cohort == name && e.Members > 0 {
				out = append(out, size{
					e.RequestedAt, exportID(p.name, e), e.Members, e.Joined, e.Gone,
				})
			}
		}
	}
	slices.SortFunc(out, func(a, b size) int { return a.At.Compare(b.At) })
	return out
}

func sizeChart(cohort string, sizes []size, now time.Time) chart {
	var points []point
	for _, s := range sizes {
		points = append(points, point{s.At, float64(s.Members)})
	}
	if len(points) > 0 {
		points = append(points, point{now, points[len(points)-1].y})
	}
	c := newChart(now)
	c.step("members of "+cohort, points)
	return c
}

func exportID(plan string, e history.Entry) string { return records.ExportID(plan, e.Number) }

// firstKeys is a journal that lists the first keys.
type firstKeys struct {
	records.Journal
	most int
}

// List implements records.Journal.
func (j firstKeys) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		n := 0
		for key, err := range j.Journal.List(ctx, prefix) {
			if n++; n > j.most || !yield(key, err) {
				return
			}
		}
	}
}
