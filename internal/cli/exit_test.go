package cli_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/cli"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	missing := cli.Incompletef("Condition is missing")
	for name, tt := range map[string]struct {
		err  error
		code int
		says string
	}{
		"complete": {nil, 0, ""},
		"failed": {
			errors.New("the disk is full"), 1,
			"fhirsynapse: the disk is full\n",
		},
		"incomplete": {missing, 3, "fhirsynapse: Condition is missing\n"},
		"incomplete, wrapped": {
			fmt.Errorf("load x: %w", missing), 3,
			"fhirsynapse: load x: Condition is missing\n",
		},
		"incomplete twice": {
			errors.Join(missing, cli.Incompletef("so is Encounter")),
			3, "fhirsynapse: so is Encounter\n",
		},
		"incomplete, then failed": {
			errors.Join(missing, errors.New("the disk is full")), 1,
			"fhirsynapse: the disk is full\n",
		},
		"incomplete, deep, and failed": {fmt.Errorf("load x: %w",
			errors.Join(fmt.Errorf("a: %w", missing), errors.New("b"))), 1, "b\n"},
	} {
		c := commands()
		c.Runs.(*runs).load = func(context.Context, batch.LoadRequest) (batch.LoadReport, error) {
			return batch.LoadReport{}, tt.err
		}
		got := run(t, c, nil, "load", ".", "--to", "csv:x")
		if got.code != tt.code || !strings.HasSuffix(got.err, tt.says) {
			t.Errorf("%s: code %d, want %d: %q", name, got.code, tt.code, got.err)
		}
	}
}

func TestEveryHelpEndsWithTheExitCodes(t *testing.T) {
	t.Parallel()
	const want = "\n\nExit codes: 0 complete, 1 failed, 2 wrong command line, 3 incomplete.\n"
	for _, args := range []string{
		"", "load", "start", "exports", "exports cancel", "query", "sql", "conformance",
	} {
		c := commands()
		c.Runs.(*runs).start = func(
			context.Context, batch.StartRequest,
		) (batch.StartReport, error) {
			return batch.StartReport{}, nil
		}
		got := run(t, c, nil, append(strings.Fields(args), "--help")...)
		if got.code != 0 || !strings.HasSuffix(got.out, want) ||
			!strings.Contains(got.out, strings.TrimSpace("fhirsynapse "+args)+" ") {
			t.Errorf("%s: code %d, help ends in %q", args, got.code,
				got.out[max(0, len(got.out)-80):])
		}
	}
}
