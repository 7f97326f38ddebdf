package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// nothingCame explains why a report has no resources, with the names of the flags; empty if there
// are some.
func nothingCame(q batch.StartRequest, r batch.StartReport) string {
	for _, t := range r.Types {
		if t.Lines > 0 {
			return ""
		}
	}
	var asked []string
	for _, flag := range []struct{ name, value string }{
		{"--level", strings.TrimPrefix(q.Level, pipeline.LevelSystem)},
		{"--group", q.Group},
		{"--patient", strings.Join(q.Patients, ",")},
		{"--types", strings.Join(q.Types, ",")},
		{"--type-filter", strings.Join(q.TypeFilters, " ")},
		{"--since", moment(q.Since)},
		{"--until", moment(q.Until)},
	} {
		if flag.value != "" {
			asked = append(asked, flag.name+" "+flag.value)
		}
	}
	if len(asked) == 0 {
		return "the export is empty: the server has no resources, or none that this sign-in may see\n"
	}
	return "the export is empty: the server has nothing for " + strings.Join(asked, ", ") + "\n"
}

func startOutput(w io.Writer, q batch.StartRequest, r batch.StartReport, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	return startTable(w, q, r)
}

func startTable(w io.Writer, q batch.StartRequest, r batch.StartReport) error {
	var b strings.Builder
	t := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	style.Format.Footer = text.FormatDefault
	t.SetStyle(style)
	t.SetColumnConfigs([]table.ColumnConfig{{
		Name: "manifest", Align: text.AlignRight, AlignFooter: text.AlignRight,
	}})
	t.AppendHeader(table.Row{
		"type", "files", "manifest", "read", "applied", "superseded", "filtered", "quarantined",
		"blank", "deleted",
	})
	sum := pipeline.TypeReport{Type: "all"}
	for _, x := range r.Types {
		t.AppendRow(startRow(x))
		sum.Files += x.Files
		if x.Manifest < 0 {
			sum.Manifest = -1
		} else if sum.Manifest >= 0 {
			sum.Manifest += x.Manifest
		}
		sum.Add(x.Counts)
	}
	t.AppendFooter(startRow(sum))
	b.WriteString(t.Render() + "\n")
	for _, kind := range slices.Sorted(maps.Keys(r.Issues)) {
		fmt.Fprintf(&b, "the server reported: %d × %s\n", r.Issues[kind], kind)
	}
	for _, sentence := range r.Values.Sentences() {
		b.WriteString(sentence + "\n")
	}
	empty := nothingCame(q, r)
	b.WriteString(empty)
	// the command's error has the notice of an incomplete export
	if r.Notice != "" && r.State != records.Incomplete && empty == "" {
		fmt.Fprintf(&b, "%s\n", inFlags(q, r.Notice, r))
	}
	if r.Quarantine != "" {
		fmt.Fprintf(&b, "bad lines and their reasons: %s\n", r.Quarantine)
	}
	verdict := "every line is accounted for"
	if r.Check() != nil {
		verdict = "the sums do not hold"
	}
	fmt.Fprintf(&b, "export %s is %s: %d resources, %d deletes, %d quarantined, %.1f seconds; %s\n",
		r.Export, r.State, sum.Applied-sum.Deleted, sum.Deleted, sum.Quarantined, r.Seconds,
		verdict)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func startRow(x pipeline.TypeReport) table.Row {
	manifest := any(x.Manifest)
	if x.Manifest < 0 {
		manifest = "-" // the server's manifest has no count
	}
	return table.Row{
		x.Type, x.Files, manifest, x.Lines, x.Applied, x.Superseded, x.Filtered, x.Quarantined,
		x.Blank, x.Deleted,
	}
}
