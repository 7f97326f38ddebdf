package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"fhirsynapse/internal/config"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
)

// LoadRequest is what `load` is asked for.
type LoadRequest struct {
	// Dir holds the *.ndjson and *.ndjson.gz files.
	Dir string
	// Scheme and Rest are the warehouse, as the setting Warehouse has them.
	Scheme, Rest string
	Schema       string
	// Staging is the container of a storage account from which the warehouse reads, by
	// its blob endpoint; empty for those that read none.
	Staging string
	// Views is a folder of ViewDefinitions; empty means the bundled ones.
	Views string
	// LineLimit is the longest line in bytes; 0 means 64 MB.
	LineLimit int
	// Compression is that of Parquet files; empty means the default.
	Compression string
	// Rebuild makes the tables anew: those of RebuildTypes, or of all types that come.
	Rebuild      bool
	RebuildTypes []string
	// Progress is told, from any goroutine, how far the load got.
	Progress Progress
}

// Progress shows how far a load got.
type Progress interface {
	// Total says how many bytes there are in the files on disk.
	Total(bytes int64)
	// Add says that so many more were read.
	Add(bytes int64)
	// Bad says that so many more lines went to the quarantine.
	Bad(lines int64)
}

// LoadReport accounts for a load, by resource type.
type LoadReport struct {
	Types []pipeline.TypeReport `json:"types"`
	// Quarantine is where bad lines and their reasons lie; empty when there are none.
	Quarantine string `json:"quarantine,omitempty"`
	// Skipped are files that hold no resources.
	Skipped []string `json:"skipped,omitempty"`
	// Rows counts the rows that the load wrote, by table.
	Rows map[string]int64 `json:"rows"`
	// Nulled counts values that did not fit their column's type, by table.column.
	Nulled map[string]int64 `json:"nulled,omitempty"`
	// Bytes is the size of the files on disk.
	Bytes int64 `json:"bytes"`
	// Seconds is how long the load took.
	Seconds float64 `json:"seconds"`
}

// readers are the warehouses that read what is loaded from a storage account.
var readers = []string{string(tsql.Dedicated), string(tsql.Fabric)}

// allTypes is the value of --rebuild without one.
const allTypes = "all"

func loadCommand(s Streams, c Commands) *cobra.Command {
	var r LoadRequest
	var to, lineLimit string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "load DIR --to duckdb:FILE|sqlserver://HOST?database=NAME|synapse-dedicated://HOST?database=NAME|fabric://HOST?database=NAME|parquet:DIR|csv:DIR|ndjson:DIR",
		Short: "Load a folder of NDJSON files into a database or into files, a table each",
		Long: `Load the *.ndjson and *.ndjson.gz files of a folder, without a server.

duckdb:FILE   The newest version of each resource wins, so that loading twice changes nothing; a
              resource without meta.lastUpdated counts as written when the load began or, in a copy of a
              folder that the app has fetched (PLAN-NUMBER.N-INSTANT), at the instant in its name.
sqlserver://USER:PASSWORD@HOST:1433?database=NAME
              The same in SQL Server and Azure SQL. Without a user, an Azure identity signs in (fedauth
              says which). The connection is encrypted, unless encrypt says otherwise or the server is on
              this machine.
synapse-dedicated://HOST?database=NAME, fabric://HOST?database=NAME
              The same in a dedicated pool of Synapse and in a Fabric Warehouse. They read from a storage
              account: --staging names a container of it, where the load puts what they read, and takes it
              away at its end. The identity of this machine signs in there, too, and needs Storage Blob Data
              Contributor on the container; the pool's managed identity needs Storage Blob Data Reader.
parquet:DIR   <table>.parquet, with the columns in their own types; see --compression.
csv:DIR       <table>.csv, RFC 4180 with LF at the ends of lines and a header. NULL is an empty
              field, the empty text is "" (a table of one column has "" for both).
ndjson:DIR    <table>.ndjson, one object a row with a member for every column: numbers with all
              their digits, booleans, lists; null where there is no value.

Into files every line is a source of rows: no version of a resource supersedes another, and a
deleted resource has no rows. There is a file for every table of the resource types that came, with
rows or without; the files appear together at the end and replace those of the same name. Only
their owner may read them.

Bad lines are left out and lie with their reasons beside the output, in FILE.quarantine or
DIR.quarantine; with a server, in a folder of that name where you are. A value that does not fit the type of its column is NULL in all formats, and is
counted.

With --rebuild the tables in the database are made anew, which a view whose columns have changed their
types needs, and a table that somebody has changed by hand: the folder is loaded into the schema
_rebuild_SCHEMA, and then the tables of each type there take the place of those in SCHEMA, all in one
step. Until then readers see the old ones. A folder that lacks a resource of the tables, or has an older
version of it, is refused: it must have the files of all exports since the last full one.

A dedicated pool and a Fabric Warehouse have their tables made anew where they are: a column whose type
has changed is dropped, and added again, and then all resources of the folder are written again, if there
is no newer version of them. In between readers see NULL in that column, and nothing else changes for
them. If the folder lacks a resource, or has an older version of it, the command says so at its end, and
the column stays NULL for that one until the command is run again with the files that were missing.`,
		Example: "  fhirsynapse load ./export --to duckdb:fhir.duckdb\n" +
			"  fhirsynapse load ./exports --to duckdb:fhir.duckdb --rebuild=Patient\n" +
			"  fhirsynapse load ./exports --to 'fabric://HOST?database=NAME' --staging https://ACCOUNT.blob.core.windows.net/fhir-staging --schema nightly --rebuild=Patient\n" +
			"  fhirsynapse load ./export --to parquet:tables --compression zstd",
		Args: arguments(1, "the folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var ok bool
			if r.Scheme, r.Rest, ok = strings.Cut(to, ":"); !ok || r.Rest == "" {
				return usagef(cmd, "--to must name a warehouse, for example duckdb:fhir.duckdb")
			}
			switch reads := slices.Contains(readers, r.Scheme); {
			case reads && r.Staging == "":
				return usagef(cmd, "--staging is missing: %s reads from a storage account, give a container of it as https://ACCOUNT.blob.core.windows.net/CONTAINER", r.Scheme)
			case !reads && r.Staging != "":
				return usagef(cmd, "--staging has a meaning with --to %s only: leave it out", strings.Join(readers, " and "))
			}
			if r.Compression != "" && r.Scheme != "parquet" {
				return usagef(cmd, "--compression has a meaning with --to parquet:DIR only")
			}
			if lineLimit != "" {
				var err error
				if r.LineLimit, err = config.ParseLineLimit(lineLimit); err != nil {
					return usagef(cmd, "--line-limit: %w", err)
				}
			}
			if r.Rebuild = len(r.RebuildTypes) > 0; r.Rebuild && slices.Contains([]string{"parquet", "csv", "ndjson"}, r.Scheme) {
				return usagef(cmd, "--rebuild has a meaning with a database only: files are made anew by each load")
			}
			if slices.Equal(r.RebuildTypes, []string{allTypes}) {
				r.RebuildTypes = nil
			}
			r.Dir = args[0]
			p := newProgress(s)
			r.Progress = p
			report, err := c.Load(cmd.Context(), r)
			report.Seconds = p.done()
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
	cmd.Flags().StringVar(&to, "to", "", "the `WAREHOUSE`: duckdb:FILE, sqlserver://..., synapse-dedicated://..., fabric://..., parquet:DIR, csv:DIR or ndjson:DIR")
	cmd.Flags().StringVar(&r.Schema, "schema", "", "the schema of the tables in a database: main in DuckDB, dbo in the others where it is not given")
	cmd.Flags().StringVar(&r.Staging, "staging", "", "the container that synapse-dedicated and fabric read from, as `URL`: https://ACCOUNT.blob.core.windows.net/CONTAINER")
	cmd.Flags().StringVar(&r.Compression, "compression", "", "of Parquet files: snappy (the default), zstd or none")
	cmd.Flags().StringVar(&r.Views, "views", "", "a `FOLDER` of ViewDefinitions beside the bundled ones; a file of the same name takes the place of a bundled one")
	cmd.Flags().StringVar(&lineLimit, "line-limit", "", "the longest line of a file, as a `SIZE` like 256MB: a longer one is quarantined (default 64MB)")
	cmd.Flags().StringSliceVar(&r.RebuildTypes, "rebuild", nil, "make the tables anew, of the `TYPES` given as in --rebuild=Patient,Encounter, or of all that are in the folder")
	cmd.Flags().Lookup("rebuild").NoOptDefVal = allTypes
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
	var b strings.Builder
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
	b.WriteString(t.Render() + "\n")
	var misfits int64
	for _, column := range slices.Sorted(maps.Keys(r.Nulled)) {
		misfits += r.Nulled[column]
		fmt.Fprintf(&b, "did not fit and is NULL: %d of %s\n", r.Nulled[column], column)
	}
	if r.Quarantine != "" {
		fmt.Fprintf(&b, "bad lines and their reasons: %s\n", r.Quarantine)
	}
	var rows, tables int64
	for _, n := range r.Rows {
		rows += n
		if n > 0 {
			tables++
		}
	}
	fmt.Fprintf(&b, "loaded %d resources, %d rows in %d tables, %d quarantined, %d values did not fit, %.1f seconds, %.1f MB/s\n",
		sum.Applied-sum.Deleted, rows, tables, sum.Quarantined, misfits, r.Seconds, perSecond(r.Bytes, r.Seconds))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func loadRow(x pipeline.TypeReport) table.Row {
	return table.Row{x.Type, x.Files, x.Lines, x.Applied, x.Superseded, x.Filtered, x.Quarantined, x.Blank, x.Deleted}
}
