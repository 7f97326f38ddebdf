package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// Keeper writes the summaries of exports that have ended.
type Keeper struct {
	Accountant *Accountant
	Ledger     Ledger
}

// perRound bounds the exports that one Catch sums up, so that a tick stays short after an upgrade.
const perRound = 50

// Catch sums up the exports that have ended since the last call. Several instances may call it at
// one time: the slower one leaves its exports to the next call.
func (k Keeper) Catch(ctx context.Context) error {
	plans, err := records.Plans(ctx, k.Accountant.Journal)
	if err != nil {
		return err
	}
	var faults []error
	left := perRound
	for _, plan := range plans {
		n, err := k.catch(ctx, plan, left)
		left -= n
		if err != nil && !errors.Is(err, records.ErrConflict) {
			faults = append(faults, fmt.Errorf("history of plan %s: %w", plan, err))
		}
	}
	return errors.Join(faults...)
}

// progress is the journal's document of what was summed up.
type progress struct {
	// Done is the number of the last export with a summary, as all exports before it have one.
	Done int `json:"done"`
}

func progressKey(plan string) string { return "history/" + plan + "/progress" }

// catch sums up the exports of one plan, the oldest first, up to the first one that runs.
func (k Keeper) catch(ctx context.Context, plan string, most int) (n int, err error) {
	j := k.Accountant.Journal
	s := records.Store{Journal: j}
	d, err := s.Plan(ctx, plan)
	if err != nil {
		return 0, err
	}
	done, err := records.ReadOrNew[progress](ctx, j, progressKey(plan))
	if err != nil || done.Value.Done >= d.Value.Seq {
		return 0, err
	}
	first := done.Value.Done + 1
	var entries []Entry
	for at := first; at <= d.Value.Seq && n < most; at++ {
		e, err := s.Export(ctx, records.ExportID(plan, at))
		if errors.Is(err, fs.ErrNotExist) {
			if at == d.Value.Seq {
				break // reserved: it has not begun
			}
			continue
		}
		if err != nil {
			return n, err
		}
		if !e.State.Final() {
			break
		}
		entry, err := k.sumUp(ctx, s, e, at)
		if err != nil {
			return n, errors.Join(err, k.save(ctx, plan, done, entries))
		}
		entries = append(entries, entry)
		n++
	}
	return n, k.save(ctx, plan, done, entries)
}

// save writes entries into their segments, then the progress.
func (k Keeper) save(
	ctx context.Context, plan string, done records.Document[progress], entries []Entry,
) error {
	if len(entries) == 0 {
		return nil
	}
	bySegment := map[int][]Entry{}
	for _, e := range entries {
		bySegment[segmentOf(e.Number)] = append(bySegment[segmentOf(e.Number)], e)
	}
	for segment, part := range bySegment {
		if _, err := records.Update(ctx, k.Accountant.Journal, segmentKey(plan, segment),
			func(have *[]Entry) error {
				for _, e := range part {
					if i := slices.IndexFunc(*have, e.isOf); i >= 0 {
						(*have)[i] = e
					} else {
						*have = append(*have, e)
					}
				}
				return nil
			}); err != nil {
			return err
		}
	}
	done.Value.Done = entries[len(entries)-1].Number
	return done.Write(ctx, k.Accountant.Journal)
}

// sumUp makes the summary and the account of one export. Counts that cannot be had any more are
// left out.
func (k Keeper) sumUp(
	ctx context.Context, s records.Store, e records.Export, n int,
) (Entry, error) {
	jobs, err := s.Jobs(ctx, e)
	if err != nil {
		return Entry{}, err
	}
	out := entryOf(e, jobs, n)
	account, err := k.Accountant.Account(ctx, k.Ledger, e, jobs)
	if err != nil {
		if fault.Of(err) == fault.Transient && !errors.Is(err, fs.ErrNotExist) {
			return Entry{}, err
		}
		out.Uncounted = true
		return out, nil
	}
	out.count(account)
	_, err = records.Update(ctx, s.Journal, accountKey(e.Plan, n), func(a *Account) error {
		*a = account
		return nil
	})
	return out, err
}

// isOf reports whether both sum up the same export.
func (e Entry) isOf(other Entry) bool { return e.Number == other.Number }

// count adds the counts of an account.
func (e *Entry) count(a Account) {
	e.Manifest = 0
	for _, t := range a.Types {
		if t.Manifest < 0 || e.Manifest < 0 {
			e.Manifest = -1
		} else {
			e.Manifest += t.Manifest
		}
		c := Counts{t.Applied, t.Deleted, t.Quarantined}
		if c == (Counts{}) {
			continue
		}
		if e.Types == nil {
			e.Types = map[string]Counts{}
		}
		e.Types[t.Type] = c
	}
}

// clipCause bounds the cause of a failure in an entry, in bytes.
const clipCause = 300

// entryOf sums up what the journal has of an export.
func entryOf(e records.Export, jobs []records.Job, n int) Entry {
	out := Entry{
		Number: n, State: e.State, RequestedAt: e.RequestedAt, FinishedAt: e.FinishedAt,
		Manifest: -1, Cohort: e.Cohort,
	}
	out.Full = e.IsFull()
	all := false
	for i, r := range e.Jobs {
		till := r.Till
		if till.IsZero() {
			till = jobs[i].TransactionTime
		}
		if i == 0 || till.Before(out.Till) {
			out.Till = till
		}
		if i == 0 || r.Since.Before(out.Since) {
			out.Since = r.Since
		}
		all = all || len(r.Types) == 0
		out.Asked = append(out.Asked, r.Types...)
	}
	if slices.Sort(out.Asked); all {
		out.Asked = nil
	}
	out.Asked = slices.Compact(out.Asked)
	if out.Till.Year() > e.RequestedAt.Year()+1 { // the server's clock was wrong
		out.Till = time.Time{}
	}
	for _, j := range jobs {
		out.Files += j.Files
	}
	if s := e.Shortfall; s != nil && !s.Accepted {
		out.Held = s.Types
	}
	if e.Members != nil {
		out.Members = e.Members.Count
	}
	if end := e.End; end != nil {
		out.Joined, out.Gone = end.Joined, end.Gone
		for _, counts := range []map[string]int64{end.Left, end.Missing} {
			for _, n := range counts {
				out.Removed += n
			}
		}
	}
	if e.Failure != nil {
		// The page of the export has the remedy too, which the text of an error repeats at its end.
		cause := e.Failure.Cause
		if e.Failure.Remedy != "" {
			cause = strings.TrimSuffix(cause, ": "+e.Failure.Remedy)
		}
		out.Step, out.Cause = e.Failure.Step, clip(cause)
	}
	return out
}

func clip(s string) string {
	if len(s) <= clipCause {
		return s
	}
	cut := clipCause
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut] + "…"
}

// EntryOf sums up an export without its counts, for a page that shows it before Catch has come.
func EntryOf(e records.Export, jobs []records.Job) Entry {
	_, n, _ := records.CutExportID(e.ID)
	if len(jobs) < len(e.Jobs) {
		jobs = make([]records.Job, len(e.Jobs))
	}
	out := entryOf(e, jobs, n)
	out.Uncounted = true
	return out
}
