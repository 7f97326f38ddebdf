package cli_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"fhirsynapse/internal/batch"
)

func TestMaintainNamesItsTables(t *testing.T) {
	t.Parallel()
	c := commands()
	var asked batch.MaintainRequest
	c.Runs.(*runs).maintain = func(
		_ context.Context, q batch.MaintainRequest,
	) (batch.MaintainReport, error) {
		q.Begin("fhir.patient")
		asked, asked.Begin = q, nil
		return batch.MaintainReport{Tables: []batch.MaintainedTable{
			{Table: "fhir.patient", Seconds: 1.25},
		}}, nil
	}
	args := []string{
		"tables", "maintain", "--to", "sqlserver://host?database=x", "--schema", "fhir",
	}
	got := run(t, c, nil, args...)
	if got.code != 0 || !strings.Contains(got.out, "│ fhir.patient │     1.2 │") ||
		!strings.Contains(got.err, "fhirsynapse: maintaining fhir.patient, for ") {
		t.Errorf("%+v", got)
	}
	if asked.Scheme != "sqlserver" || asked.Rest != "//host?database=x" || asked.Schema != "fhir" {
		t.Errorf("%+v", asked)
	}
	want := `{"tables":[{"table":"fhir.patient","seconds":1.25}]}` + "\n"
	if got := run(t, c, nil, append(args, "--json")...); got.out != want {
		t.Errorf("%+v", got)
	}
}

func TestMaintainWithNothingToDo(t *testing.T) {
	t.Parallel()
	args := []string{"tables", "maintain", "--to", "fabric://host?database=x"}
	got := run(t, commands(), nil, args...)
	if got.code != 0 || !strings.HasPrefix(got.out, "nothing to maintain: ") {
		t.Errorf("%+v", got)
	}
	if got := run(t, commands(), nil, append(args, "--json")...); got.out != `{"tables":[]}`+"\n" {
		t.Errorf("%+v", got)
	}
}

func TestAFailureOfMaintainIsTold(t *testing.T) {
	t.Parallel()
	c := commands()
	c.Runs.(*runs).maintain = func(
		context.Context, batch.MaintainRequest,
	) (batch.MaintainReport, error) {
		return batch.MaintainReport{}, errors.New("table fhir.patient: no")
	}
	got := run(t, c, nil, "tables", "maintain", "--to", "env:NONE")
	if want := "fhirsynapse: --to: env:NONE is empty or not there\n"; got.code != 2 ||
		!strings.HasPrefix(got.err, want) {
		t.Errorf("%+v", got)
	}
	got = run(t, c, nil, "tables", "maintain", "--to", "sqlserver://host")
	if !strings.HasSuffix(got.err, "fhirsynapse: maintain the tables: table fhir.patient: no\n") ||
		got.code != 1 {
		t.Errorf("%+v", got)
	}
}
