package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
)

// readers lists the warehouses that read from a storage account.
var readers = []string{string(tsql.Dedicated), string(tsql.Fabric)}

// shredders lists the warehouses that can compute the rows of views.
var shredders = []string{string(tsql.SQLServer), string(tsql.Dedicated), string(tsql.Fabric)}

// allTypes is the value of --rebuild without a list of types.
const allTypes = "all"

const loadHelp = `Load a folder of NDJSON files, with one resource in JSON per line, without a server.

File names do not matter, and files may be compressed with gzip: the type of a resource is read from
its line. Files and folders whose names begin with a dot are skipped. The command names every file
that it leaves out, with the reason. If such a file has resources, for example in a Bundle, in a JSON
array, or over several lines, the exit code is 3.

duckdb:FILE   A DuckDB database. The newest version of each resource wins, so loading a folder twice
              changes nothing. A resource without meta.lastUpdated counts as written when the load
              began or, in a folder that the app has fetched (PLAN-NUMBER.N-INSTANT), at the instant
              in the folder's name.
sqlserver://USER:PASSWORD@HOST:1433?database=NAME
              SQL Server or Azure SQL, likewise. Without a user, an Azure identity signs in; the
              parameter fedauth selects it. The connection is encrypted, except to a server on this
              machine or with encrypt=disable.
synapse-dedicated://HOST?database=NAME, fabric://HOST?database=NAME
              A dedicated pool of Synapse or a Fabric Warehouse, likewise. They read from a storage
              account: --staging names a container, where the load puts files and removes them at
              its end. The identity of this machine needs Storage Blob Data Contributor on the
              container, and the managed identity of the pool needs Storage Blob Data Reader.
parquet:DIR   <table>.parquet, with typed columns; see --compression.
csv:DIR       <table>.csv: RFC 4180 with LF and a header. NULL is an empty field, an empty text is ""
              (a table with one column has "" for both).
ndjson:DIR    <table>.ndjson: one JSON object per row with a member for every column, and null where
              there is no value. Numbers keep all their digits.

With --to env:NAME or --to file:PATH, the warehouse is read from an environment variable or a file,
which keeps a password out of the command line and the list of processes.

In Parquet, CSV and NDJSON files every line gives rows: versions of a resource do not replace each
other, and a deleted resource has no rows. Every table of the loaded resource types has a file, even
without rows. All files appear together at the end, and replace files of the same name. Only their
owner can read them.

Bad lines are not loaded. They are kept with the reason, beside the output in FILE.quarantine or
DIR.quarantine; for a database server, in the current folder. A value that does not fit the type of
its column becomes NULL and is counted. If the share of bad lines of a resource type is above
--max-bad, nothing is loaded.

--rebuild makes tables again. It is needed when a view's columns have changed their types, and when a
table was changed by hand. DuckDB and SQL Server load the folder into the schema _rebuild_SCHEMA and
then replace the tables of each type in one step; until then readers see the old tables. A folder
that lacks a resource of the tables, or has it in an older version, is refused: it must hold the files
of all exports since the last full one.

A dedicated pool and a Fabric Warehouse rebuild tables in place: columns with a changed type are
dropped and added again, and then all resources of the folder are written again, unless the tables
have a newer version. Until then readers see NULL in these columns. If the folder lacks a resource, or
has it in an older version, the command reports it, and the columns stay NULL for that resource until
the command is run again with the missing files.`

// loadFlags holds the flags that are checked or converted before they go into a batch.LoadRequest.
type loadFlags struct {
	to, lineLimit, transform, base, urns string
	maxBad                               float64
}

func loadCommand(getenv func(string) string, s Streams, c Commands) *cobra.Command {
	var r batch.LoadRequest
	var f loadFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "load DIR --to duckdb:FILE|sqlserver://HOST?database=NAME|synapse-dedicated://HOST?database=NAME|fabric://HOST?database=NAME|parquet:DIR|csv:DIR|ndjson:DIR",
		Short: "Load a folder of NDJSON files into a database, or into one file per table",
		Long:  loadHelp,
		Example: "  fhirsynapse load ./export --to duckdb:fhir.duckdb\n" +
			"  fhirsynapse load ./exports --to duckdb:fhir.duckdb --rebuild=Patient\n" +
			"  fhirsynapse load ./exports --to 'fabric://HOST?database=NAME' --staging https://ACCOUNT.blob.core.windows.net/fhir-staging --schema nightly --rebuild=Patient\n" +
			"  fhirsynapse load ./export --to parquet:tables --compression zstd",
		Args: arguments(1, "the folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.complete(cmd, getenv, &r); err != nil {
				return err
			}
			r.Dir = args[0]
			p := newProgress(s)
			r.Progress = p
			report, err := c.Runs.Load(cmd.Context(), r)
			report.Seconds = p.done()
			tellLeftOut(s.Err, report.LeftOut)
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(s.Out).Encode(report)
			} else {
				err = loadTable(s.Out, report)
			}
			return errors.Join(err, accounted(report), incompleteLoad(report.LeftOut))
		},
	}
	cmd.Flags().StringVar(&f.to, "to", "",
		"the `WAREHOUSE`: duckdb:FILE, sqlserver://..., synapse-dedicated://..., fabric://..., parquet:DIR, csv:DIR or ndjson:DIR; or env:NAME or file:PATH that contains it")
	cmd.Flags().StringVar(&r.Schema, "schema", "",
		"the schema of the tables in a database (default main in DuckDB, dbo in the others)")
	cmd.Flags().StringVar(&r.Staging, "staging", "",
		"the `URL` of the container that synapse-dedicated and fabric read from: https://ACCOUNT.blob.core.windows.net/CONTAINER")
	cmd.Flags().StringVar(&f.transform, "transform", "native",
		"who computes the rows of views: `native`, this program, or tsql, the engine (sqlserver, synapse-dedicated, fabric)")
	cmd.Flags().StringVar(&r.Compression, "compression", "",
		"the compression of Parquet files: snappy (the default), zstd or none")
	cmd.Flags().StringVar(&r.Views, "views", "",
		"a `FOLDER` of ViewDefinitions in addition to the bundled ones; a view replaces the bundled one of the same name")
	cmd.Flags().StringVar(&f.base, "base", "",
		"the base `URL` of the server that the files come from; only absolute references to this server have a key")
	cmd.Flags().StringVar(&f.urns, "urn-references", "",
		"`HOW` to read urn:uuid references: ids uses the UUID as the id; by default they have no key")
	cmd.Flags().StringVar(&f.lineLimit, "line-limit", "",
		"the longest line of a file, as a `SIZE` like 256MB; a longer line is quarantined (default 64MB)")
	cmd.Flags().Float64Var(&f.maxBad, "max-bad", 5,
		"the largest share of bad lines of a resource type, in per cent; above it nothing is loaded")
	cmd.Flags().StringSliceVar(&r.RebuildTypes, "rebuild", nil,
		"rebuild the tables of these `TYPES`, as in --rebuild=Patient,Encounter, or of all types in the folder")
	cmd.Flags().Lookup("rebuild").NoOptDefVal = allTypes
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

// complete checks the flags and adds them to the request.
func (f loadFlags) complete(
	cmd *cobra.Command, getenv func(string) string, r *batch.LoadRequest,
) error {
	var err error
	if r.Scheme, r.Rest, err = warehouseOf(f.to, getenv); err != nil {
		return usagef(cmd, "%w", err)
	}
	switch reads := slices.Contains(readers, r.Scheme); {
	case reads && r.Staging == "":
		return usagef(cmd,
			"--staging is missing: %s reads from a storage account: name a container as https://ACCOUNT.blob.core.windows.net/CONTAINER", r.Scheme)
	case !reads && r.Staging != "":
		return usagef(cmd, "--staging is only for --to %s: leave it out",
			strings.Join(readers, " and "))
	}
	if r.EngineTransforms = f.transform == "tsql"; r.EngineTransforms &&
		!slices.Contains(shredders, r.Scheme) || !r.EngineTransforms && f.transform != "native" {
		return usagef(cmd, "--transform must be native, or tsql with --to %s",
			strings.Join(shredders, ", "))
	}
	var referencesErr error
	if r.References, referencesErr = config.ParseReferences(f.base, f.urns); referencesErr != nil {
		return usagef(cmd, "%w", referencesErr)
	}
	if r.Compression != "" && r.Scheme != "parquet" {
		return usagef(cmd, "--compression is only for --to parquet:DIR")
	}
	if !(f.maxBad >= 0 && f.maxBad <= 100) {
		return usagef(cmd, "--max-bad must be from 0 to 100")
	}
	r.MaxBad = f.maxBad / 100
	if f.lineLimit != "" {
		if r.LineLimit, err = config.ParseLineLimit(f.lineLimit); err != nil {
			return usagef(cmd, "--line-limit: %w", err)
		}
	}
	if r.Rebuild = len(r.RebuildTypes) > 0; r.Rebuild &&
		slices.Contains([]string{"parquet", "csv", "ndjson"}, r.Scheme) {
		return usagef(cmd,
			"--rebuild is only for a database: files are replaced by each load")
	}
	if slices.Equal(r.RebuildTypes, []string{allTypes}) {
		r.RebuildTypes = nil
	}
	return nil
}

// mostLeftOut is the number of left-out files that are named.
const mostLeftOut = 20

// tellLeftOut prints the files that were not loaded, those with resources first.
func tellLeftOut(w io.Writer, left []batch.LeftOut) {
	left = slices.Clone(left)
	slices.SortStableFunc(left, func(a, b batch.LeftOut) int {
		switch {
		case a.Resources == b.Resources:
			return 0
		case a.Resources:
			return -1
		}
		return 1
	})
	for i, l := range left {
		if i == mostLeftOut {
			fmt.Fprintf(w, "fhirsynapse: left out: %d more files\n", len(left)-i)
			return
		}
		fmt.Fprintf(w, "fhirsynapse: left out: %s: %s\n", l.File, l.Reason)
	}
}

// incompleteLoad reports files with resources that were not loaded.
func incompleteLoad(left []batch.LeftOut) error {
	n := 0
	for _, l := range left {
		if l.Resources {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return Incompletef(
		"%d of the files have resources and were left out: see above, and load them too", n)
}

// accounted checks the sums of a report.
func accounted(r batch.LoadReport) error {
	var wrong []error
	for _, t := range r.Types {
		wrong = append(wrong, t.Check())
	}
	return errors.Join(wrong...)
}

func loadTable(w io.Writer, r batch.LoadReport) error {
	var b strings.Builder
	t := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	style.Format.Footer = text.FormatDefault
	t.SetStyle(style)
	t.AppendHeader(table.Row{
		"type", "files", "lines", "applied", "superseded", "filtered", "quarantined", "blank",
		"deleted",
	})
	var sum pipeline.TypeReport
	resources := map[string]int64{}
	for _, x := range r.Types {
		resources[x.Type] += x.Applied + x.Superseded
		t.AppendRow(loadRow(x))
		sum.Files += x.Files
		sum.Add(x.Counts)
	}
	sum.Type = "all"
	t.AppendFooter(loadRow(sum))
	b.WriteString(t.Render() + "\n")
	for _, sentence := range r.Sentences(r.Rows, resources) {
		b.WriteString(sentence + "\n")
	}
	b.WriteString(foreignRemedy(r))
	b.WriteString(withoutViews(r.Types))
	for _, x := range r.Types {
		for _, notice := range x.Notices {
			b.WriteString(notice + "\n")
		}
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
	fmt.Fprintf(&b,
		"loaded %d resources, %d rows in %d tables, %d quarantined, %d values did not fit, %.1f seconds, %.1f MB/s unpacked\n",
		sum.Applied-sum.Deleted, rows, tables, sum.Quarantined, r.Misfits(), r.Seconds,
		perSecond(r.Bytes, r.Seconds))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// withoutViews returns a line for each type with resources but no rows.
func withoutViews(types []pipeline.TypeReport) string {
	var b strings.Builder
	for _, t := range types {
		if t.NoView {
			fmt.Fprintf(&b, "%s: %d resources, no view: give one with --views\n", t.Type,
				t.Applied+t.Superseded)
		}
	}
	return b.String()
}

// foreignRemedy returns how to give absolute references a key.
func foreignRemedy(r batch.LoadReport) string {
	if len(r.Foreign) == 0 || r.Base != "" {
		return ""
	}
	return "absolute references have no key, because the load does not know the server of the files; to tell it, load again with\n  --base https://HOST/PATH\n"
}

func loadRow(x pipeline.TypeReport) table.Row {
	return table.Row{
		x.Type, x.Files, x.Lines, x.Applied, x.Superseded, x.Filtered, x.Quarantined, x.Blank,
		x.Deleted,
	}
}
