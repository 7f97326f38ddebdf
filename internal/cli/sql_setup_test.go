package cli_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/setup"
)

func TestSetupIsPrinted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args          string
		want, without []string
	}{
		"dedicated": {
			"--engine synapse-dedicated --principal my-function --database pool --schema nightly",
			[]string{
				"ALTER DATABASE [pool] SET READ_COMMITTED_SNAPSHOT ON;\nGO\n",
				"CREATE USER [my-function] FROM EXTERNAL PROVIDER;\nGO\n",
				"ON SCHEMA::[nightly] TO [my-function]", "MEMBERNAME = 'my-function'",
			},
			nil,
		},
		"one part": {
			"--engine sqlserver --principal x --part master",
			[]string{"CREATE DATABASE [fhir]"},
			[]string{"CREATE USER"},
		},
		"the other": {
			"--engine sqlserver --principal x --part database",
			[]string{"CREATE USER [x]"},
			[]string{"CREATE DATABASE [fhir]"},
		},
		"readers": {
			"--engine fabric --principal x --reader a,b --reader c",
			[]string{"GRANT SELECT ON SCHEMA::[fhir] TO [a,b]", "TO [c]"},
			[]string{"CREATE USER"},
		},
		"a client id": {"--engine sqlserver --principal x --client-id 00112233-4455-6677-8899-aabbccddeeff", []string{"WITH SID = 0x33221100554477668899AABBCCDDEEFF, TYPE = E"}, []string{"EXTERNAL PROVIDER"}},
		"a move": {
			"--engine fabric --principal x --move",
			[]string{"GRANT CONTROL ON SCHEMA::[fhir] TO [x]", "REVOKE CONTROL"},
			nil,
		},
		"logins": {
			"--engine sqlserver --principal x --login --rebuild",
			[]string{"CREATE USER [x] FOR LOGIN [x]", "GRANT CREATE SCHEMA TO [x]"},
			nil,
		},
		"the container": {"--engine synapse-serverless --principal x --snapshots --published https://a.dfs.core.windows.net/p/", []string{"LOCATION = 'https://a.dfs.core.windows.net/p',", "CREATE EXTERNAL FILE FORMAT"}, nil},
	} {
		got := run(t, commands(), nil,
			append([]string{"sql", "setup"}, strings.Fields(tt.args)...)...)
		if got.code != 0 || got.err != "" {
			t.Errorf("%s: code %d, %s", name, got.code, got.err)
		}
		for _, w := range tt.want {
			if !strings.Contains(got.out, w) {
				t.Errorf("%s: no %q in\n%s", name, w, got.out)
			}
		}
		for _, w := range tt.without {
			if strings.Contains(got.out, w) {
				t.Errorf("%s: %q in\n%s", name, w, got.out)
			}
		}
	}
}

func TestSetupToldWrong(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args string
		want []string
	}{
		"nothing": {
			"",
			[]string{"--engine is missing: it is one of sqlserver,", "--principal is missing"},
		},
		"an engine": {
			"--engine oracle --principal x",
			[]string{`there is no T-SQL engine "oracle"`},
		},
		"several": {
			"--engine fabric --schema 1 --part all --login",
			[]string{
				`--part "all" is none`, "--principal is missing", `--schema "1"`,
				"--login has a meaning",
			},
		},
		"an argument": {
			"--engine fabric --principal x y",
			[]string{`"y" is one argument too many: there are none`},
		},
		"to alone": {
			"--engine fabric --principal x --to fabric:x",
			[]string{"--to is only for --check"},
		},
		"check alone": {"--check --principal x", []string{"--to is missing"}},
		"check of a part": {
			"--check --principal x --part master --to fabric:x",
			[]string{"--part is not for --check"},
		},
		"check of a file": {
			"--check --principal x --to duckdb:x",
			[]string{"only a warehouse that speaks T-SQL has a set-up"},
		},
		"check of no server": {
			"--check --principal x --to hunter2",
			[]string{"--to must name a warehouse"},
		},
		"two engines": {
			"--check --principal x --engine fabric --to sqlserver:x",
			[]string{"--engine is fabric, but --to names a warehouse of sqlserver"},
		},
		"check of nobody": {"--check --to sqlserver:x", []string{"--principal is missing"}},
		"a reference to none": {
			"--check --principal x --to env:NONE",
			[]string{"env:NONE is empty or not there"},
		},
	} {
		c := commands()
		c.StubCheckSetup(func(_ context.Context, s setup.Setup, _ string) (setup.Result, error) {
			return setup.Result{}, s.Validate()
		})
		got := run(t, c, nil, append([]string{"sql", "setup"}, strings.Fields(tt.args)...)...)
		if got.code != 2 || got.out != "" || strings.Count(got.err, "\n") != len(tt.want)+1 ||
			!strings.HasSuffix(got.err, "fhirsynapse: see fhirsynapse sql setup --help\n") ||
			strings.Contains(got.err, "hunter2") {
			t.Errorf("%s: %+v", name, got)
		}
		for _, w := range tt.want {
			if !strings.Contains(got.err, w) {
				t.Errorf("%s: no %q in %s", name, w, got.err)
			}
		}
	}
}

func TestSetupIsChecked(t *testing.T) {
	t.Parallel()
	const to = "sqlserver://u:hunter2@h?database=d"
	for name, tt := range map[string]struct {
		result setup.Result
		err    error
		want   outcome
	}{
		"all there": {setup.Result{Of: 9}, nil, outcome{0, "complete: all 9 are there\n", ""}},
		"something missing": {
			setup.Result{
				Of: 9, Missing: []string{"user [x]", "schema [fhir]"}, Server: "h/d",
				Command: "fhirsynapse sql setup", Note: " (note)",
			},
			nil,
			outcome{
				3, "missing: user [x]\nmissing: schema [fhir]\n",
				"fhirsynapse: 2 of 9 are missing in h/d; an administrator adds them: fhirsynapse sql setup (note)\n",
			},
		},
		"no answer": {
			setup.Result{},
			errors.New("it is not there"),
			outcome{1, "", "fhirsynapse: check the set-up: it is not there\n"},
		},
	} {
		c := commands()
		var asked setup.Setup
		c.StubCheckSetup(func(_ context.Context, s setup.Setup, rest string) (setup.Result, error) {
			if rest != "//u:hunter2@h?database=d" {
				t.Errorf("%s: asked of %s", name, rest)
			}
			asked = s
			return tt.result, tt.err
		})
		got := run(t, c, map[string]string{"TO": to}, "sql", "setup", "--check", "--to", "env:TO",
			"--principal", "x", "--reader", "r")
		if got != tt.want || asked.Engine != tsql.SQLServer || asked.Principal != "x" ||
			asked.Schema != "fhir" || len(asked.Readers) != 1 {
			t.Errorf("%s: %+v of %+v", name, got, asked)
		}
	}
}
