package statuspage

import (
	"context"
	"slices"
	"time"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/statuspage/history"
)

// shownDays is the time that charts and sums look back.
const shownDays = 30

// past holds the summaries of one plan's last 30 days.
type past struct {
	name string
	plan pipeline.Plan // zero if the configuration does not have it
	// entries are the exports, the newest first, and behind is the number of exports without one.
	entries []history.Entry
	behind  int
	// current is the plan's newest export.
	current string
}

// mostDocuments bounds the documents that one page reads for past: a plan takes its own and at
// least one segment of its history.
const mostDocuments = 36

// past reads the summaries of the last 30 days, of the plans on one page of their list. keep
// selects plans; nil means all.
func (s *reader) past(
	ctx context.Context, page int, keep func(pipeline.Plan) bool,
) ([]past, pages, error) {
	names, of, err := s.plans(ctx)
	config, err := configText(err)
	if err != nil {
		return nil, pages{}, err
	}
	if keep != nil && config == "" {
		names = slices.DeleteFunc(names, func(name string) bool { return !keep(of[name]) })
	}
	from, to, pages := cut(len(names), page, plansPerPage)
	names = names[from:to]
	since := s.Now().Add(-shownDays * 24 * time.Hour)
	var out []past
	for _, name := range names {
		d, err := s.store.Plan(ctx, name)
		if err != nil {
			return nil, pages, err
		}
		entries, _, err := history.Last(ctx, s.Journal, name, d.Value.Seq, since,
			max(1, (mostDocuments-len(names))/len(names)))
		if err != nil {
			return nil, pages, err
		}
		p := past{
			name: name, plan: of[name], entries: entries, behind: d.Value.Seq,
			current: d.Value.Current,
		}
		if len(entries) > 0 {
			p.behind -= entries[0].Number
		}
		out = append(out, p)
	}
	return out, pages, nil
}
