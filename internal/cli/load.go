package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"fhirsynapse/internal/pipeline"
)

// LoadRequest is what `load` is asked for.
type LoadRequest struct {
	// Dir holds the *.ndjson and *.ndjson.gz files.
	Dir string
	// Scheme and Rest are the warehouse, as the setting Warehouse has them.
	Scheme, Rest string
	Schema       string
	// Views is a folder of ViewDefinitions; empty means the bundled ones.
	Views string
	// Progress is told, from any goroutine, how many bytes of the files on disk
	// there are in all and how many more were read.
	Progress Progress
}

// Progress shows how far a load got.
type Progress interface {
	// Total says how many bytes there are.
	Total(bytes int64)
	// Add says that so many more were read.
	Add(bytes int64)
}

// LoadReport accounts for a load, by resource type.
type LoadReport struct {
	Types []pipeline.TypeReport `json:"types"`
	// Quarantine is where bad lines and their reasons lie; empty when there are none.
	Quarantine string `json:"quarantine,omitempty"`
	// Skipped are files that hold no resources.
	Skipped []string `json:"skipped,omitempty"`
}

func loadCommand(s Streams, c Commands) *cobra.Command {
	var r LoadRequest
	var to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "load DIR --to duckdb:FILE",
		Short: "Load a folder of NDJSON files straight into a warehouse",
		Long: "Load the *.ndjson and *.ndjson.gz files of a folder straight into a warehouse, without a server.\n" +
			"The newest version of each resource wins, so that loading twice changes nothing.",
		Example: "  fhirsynapse load ./export --to duckdb:fhir.duckdb",
		Args:    arguments(1, "the folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var ok bool
			if r.Scheme, r.Rest, ok = strings.Cut(to, ":"); !ok || r.Rest == "" {
				return usagef(cmd, "--to must name a warehouse, for example duckdb:fhir.duckdb")
			}
			r.Dir = args[0]
			bar := &bar{w: io.Discard}
			if s.ErrIsTerminal {
				bar.w = s.Err
			}
			r.Progress = bar
			report, err := c.Load(cmd.Context(), r)
			bar.done()
			for _, name := range report.Skipped {
				fmt.Fprintf(s.Err, "fhirsynapse: %s holds no resources: left out\n", name)
			}
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(s.Out).Encode(report)
			} else {
				err = loadTable(s.Out, report)
			}
			return errors.Join(err, accounted(report))
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the `WAREHOUSE`, for example duckdb:fhir.duckdb")
	cmd.Flags().StringVar(&r.Schema, "schema", "main", "the schema of the tables")
	cmd.Flags().StringVar(&r.Views, "views", "", "a `FOLDER` of ViewDefinitions to use instead of the bundled ones")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

// accounted holds the sums of a report.
func accounted(r LoadReport) error {
	var wrong []error
	for _, t := range r.Types {
		wrong = append(wrong, t.Check())
	}
	return errors.Join(wrong...)
}

func loadTable(w io.Writer, r LoadReport) error {
	t := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	style.Format.Footer = text.FormatDefault
	t.SetStyle(style)
	t.AppendHeader(table.Row{"type", "files", "lines", "applied", "superseded", "filtered", "quarantined", "blank", "deleted"})
	var sum pipeline.TypeReport
	for _, x := range r.Types {
		t.AppendRow(loadRow(x))
		sum.Files += x.Files
		sum.Lines += x.Lines
		sum.Applied += x.Applied
		sum.Superseded += x.Superseded
		sum.Filtered += x.Filtered
		sum.Quarantined += x.Quarantined
		sum.Blank += x.Blank
		sum.Deleted += x.Deleted
	}
	sum.Type = "all"
	t.AppendFooter(loadRow(sum))
	if _, err := fmt.Fprintln(w, t.Render()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	if r.Quarantine != "" {
		if _, err := fmt.Fprintf(w, "bad lines and their reasons: %s\n", r.Quarantine); err != nil {
			return fmt.Errorf("write table: %w", err)
		}
	}
	return nil
}

func loadRow(x pipeline.TypeReport) table.Row {
	return table.Row{x.Type, x.Files, x.Lines, x.Applied, x.Superseded, x.Filtered, x.Quarantined, x.Blank, x.Deleted}
}

// bar is a progress bar for a person, and nothing for a log.
type bar struct {
	w   io.Writer
	bar *progressbar.ProgressBar
}

// Total implements Progress.
func (b *bar) Total(bytes int64) {
	b.bar = progressbar.NewOptions64(bytes, progressbar.OptionSetWriter(b.w), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription("load"), progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish())
}

// Add implements Progress.
func (b *bar) Add(bytes int64) {
	if b.bar != nil {
		_ = b.bar.Add64(bytes) // a bar that cannot be drawn stops nothing
	}
}

func (b *bar) done() {
	if b.bar != nil {
		_ = b.bar.Finish()
	}
}
