package cli

import (
	"fmt"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/storage"
	"fhirsynapse/internal/warehouse/mssql/statements"
	"fhirsynapse/internal/warehouse/serverless"
)

// Names in a printed commit, in place of an export's names.
const (
	shownSchema  = "fhir"
	shownExport  = "plan-000001"
	shownAttempt = "0a1b2c3d"
	shownURL     = "https://ACCOUNT.dfs.core.windows.net/fhir-staging/commit/"
)

// warehouseStatements returns the statements that a warehouse runs for one view, as the command sql
// prints them.
func warehouseStatements(
	v *sof.View, name tsql.Engine, part Statement, o storage.Options,
) (string, error) {
	if name == tsql.Serverless {
		return published(v, part)
	}
	e, err := statements.For(name)
	if err != nil {
		return "", err
	}
	view := flatten.TableOf(v)
	flatten.Store(&view, o)
	at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	a := statements.Attempt{
		Target: statements.Target{
			Engine: e, Schema: shownSchema, Type: v.Resource, Views: []flatten.Table{view},
		},
		Export: shownExport, ViewSet: 1, Stage: statements.StageName(at, shownAttempt, 1, 0),
		At: at,
	}
	made, err := a.Ensure(nil)
	if err == nil {
		err = statements.Storable(a.Target)
	}
	if err != nil {
		return "", err
	}
	stage := a.CreateStage()
	if e.Stage == statements.CopyInto {
		for _, t := range []statements.Table{a.Files(), a.Heads(), a.Rows(view)} {
			stage = append(stage, a.CopyParquet(t, []string{shownURL + t.Name + "-0000.parquet"}))
		}
	}
	var all []statements.Statement
	switch part {
	case StatementStage:
		all = stage
	case StatementCommit:
		all = a.Transaction()
	case StatementMaintain:
		for _, table := range a.Maintain() {
			all = append(all, table.Statements...)
		}
		if len(all) == 0 {
			return "", fault.Permanentf("%s maintains its tables itself", name)
		}
	default:
		for _, schema := range a.Schemas() {
			all = append(all, statements.CreateSchema(schema))
		}
		all = append(all, made...)
		if lock, needed := a.LockRow(); needed {
			all = append(all, lock)
		}
		all = append(all, stage...)
		all = append(all, a.Transaction()...)
		all = append(all, a.DropStage()...)
		all = append(all, statements.Missing(a.Target, nil)...)
	}
	var steps, texts []string
	for _, s := range all {
		steps, texts = append(steps, s.Step), append(texts, s.Text)
	}
	return script(steps, texts), nil
}

// published returns the statements for the serverless pool, which loads nothing.
func published(v *sof.View, part Statement) (string, error) {
	if part != StatementAll {
		return "", fault.Permanentf(
			"%s loads nothing, so that there is no %s: its views read published lines, see --statement all", tsql.Serverless, part)
	}
	steps, texts, err := serverless.Script(shownSchema, v)
	if err != nil {
		return "", err
	}
	return script(steps, texts), nil
}

func script(steps, texts []string) string {
	var b strings.Builder
	for i, text := range texts {
		fmt.Fprintf(&b, "-- %s\n%s;\n\n", steps[i], text)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
