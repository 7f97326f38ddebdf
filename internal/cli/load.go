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

const loadHelp = `Load the files of a folder that have a resource in JSON on each line (NDJSON), without a server.

A file is known by its content, packed with gzip or not: its name does not matter, and each of its
lines is of the resource type that it names. Files and folders whose names begin with a dot are
skipped. What is left out is named with the reason; when there are resources in it, such as a Bundle,
a JSON array or one resource over several lines, the exit code is 3.

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

With --to env:NAME or --to file:PATH, an environment variable or a file has the warehouse, so that a
password stands neither on the command line nor in the list of processes.

Into files every line is a source of rows: no version of a resource supersedes another, and a
deleted resource has no rows. There is a file for every table of the resource types that came, with
rows or without; the files appear together at the end and replace those of the same name. Only
their owner may read them.

Bad lines are left out and lie with their reasons beside the output, in FILE.quarantine or
DIR.quarantine; with a server, in a folder of that name where you are. A value that does not fit the type of its column is NULL in all formats, and is
counted. Where more lines of a resource type are bad than --max-bad allows, nothing is loaded.

With --rebuild the tables in the database are made anew, which a view whose columns have changed their
types needs, and a table that somebody has changed by hand: the folder is loaded into the schema
_rebuild_SCHEMA, and then the tables of each type there take the place of those in SCHEMA, all in one
step. Until then readers see the old ones. A folder that lacks a resource of the tables, or has an older
version of it, is refused: it must have the files of all exports since the last full one.

A dedicated pool and a Fabric Warehouse have their tables made anew where they are: a column whose type
has changed is dropped, and added again, and then all resources of the folder are written again, if there
is no newer version of them. In between readers see NULL in that column, and nothing else changes for
them. If the folder lacks a resource, or has an older version of it, the command says so at its end, and
the column stays NULL for that one until the command is run again with the files that were missing.`

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
		Short: "Load a folder of NDJSON files into a database or into files, a table each",
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
		"the `WAREHOUSE`: duckdb:FILE, sqlserver://..., synapse-dedicated://..., fabric://..., parquet:DIR, csv:DIR or ndjson:DIR; or env:NAME or file:PATH that has it")
	cmd.Flags().StringVar(&r.Schema, "schema", "",
		"the schema of the tables in a database: main in DuckDB, dbo in the others where it is not given")
	cmd.Flags().StringVar(&r.Staging, "staging", "",
		"the container that synapse-dedicated and fabric read from, as `URL`: https://ACCOUNT.blob.core.windows.net/CONTAINER")
	cmd.Flags().StringVar(&f.transform, "transform", "native",
		"who makes the rows of views: `native`, this program; tsql, the engine (sqlserver, synapse-dedicated, fabric)")
	cmd.Flags().StringVar(&r.Compression, "compression", "",
		"of Parquet files: snappy (the default), zstd or none")
	cmd.Flags().StringVar(&r.Views, "views", "",
		"a `FOLDER` of ViewDefinitions beside the bundled ones; a file of the same name takes the place of a bundled one")
	cmd.Flags().StringVar(&f.base, "base", "",
		"the base `URL` of the server that the files come from: absolute references have a key only at it")
	cmd.Flags().StringVar(&f.urns, "urn-references", "",
		"`HOW`: ids takes the UUID of a urn:uuid reference as the id; without it such a reference has no key")
	cmd.Flags().StringVar(&f.lineLimit, "line-limit", "",
		"the longest line of a file, as a `SIZE` like 256MB: a longer one is quarantined (default 64MB)")
	cmd.Flags().Float64Var(&f.maxBad, "max-bad", 5,
		"the share of bad lines of a resource type, in per cent, above which nothing is loaded")
	cmd.Flags().StringSliceVar(&r.RebuildTypes, "rebuild", nil,
		"make the tables anew, of the `TYPES` given as in --rebuild=Patient,Encounter, or of all that are in the folder")
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
			"--staging is missing: %s reads from a storage account, give a container of it as https://ACCOUNT.blob.core.windows.net/CONTAINER", r.Scheme)
	case !reads && r.Staging != "":
		return usagef(cmd, "--staging has a meaning with --to %s only: leave it out",
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
		return usagef(cmd, "--compression has a meaning with --to parquet:DIR only")
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
			"--rebuild has a meaning with a database only: files are made anew by each load")
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
