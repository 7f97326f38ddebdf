package setup_test

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/setup"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const published = "https://account.dfs.core.windows.net/fhir-published"

// usual returns a setup with the defaults of the command line.
func usual(engine tsql.Engine) setup.Setup {
	s := setup.Setup{
		Engine: engine, Principal: "my-function", Schema: setup.DefaultSchema,
		Database: setup.DefaultDatabase,
	}
	if engine == tsql.Serverless {
		s.Published = published
	}
	return s
}

// setups returns the setups of the golden files, by name.
func setups() map[string]setup.Setup {
	out := map[string]setup.Setup{}
	for _, e := range tsql.Engines() {
		out[string(e)] = usual(e)
		s := usual(e)
		// Names that would end a literal, an identifier or a placeholder.
		s.Principal, s.Schema, s.Database, s.Readers = "it's [my] 100 % func", "nightly_2",
			"data]base", []string{"Analysts", "jane@example.org"}
		s.Rebuild, s.Snapshots = e == tsql.SQLServer, e == tsql.Serverless
		s.Move = e != tsql.Serverless
		out[string(e)+"-options"] = s
	}
	byID, byLogin := usual(tsql.SQLServer), usual(tsql.SQLServer)
	byID.ClientID = "00112233-4455-6677-8899-AABBCCDDEEFF"
	byLogin.Login, byLogin.Readers = true, []string{"analyst"}
	out["sqlserver-client-id"], out["sqlserver-login"] = byID, byLogin
	return out
}

func TestScripts(t *testing.T) {
	t.Parallel()
	all := setups()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		got, err := all[name].Script("")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", name+".sql")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Only the lines between batches may be commands of sqlcmd.
func TestEveryBatchEndsWithGo(t *testing.T) {
	t.Parallel()
	for name, s := range setups() {
		whole := 0
		for _, part := range []setup.Part{setup.Master, setup.Database} {
			text, err := s.Script(part)
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			for _, step := range s.Steps() {
				if step.Part == part {
					want++
				}
			}
			if got := strings.Count(text, ";\nGO\n"); got != want {
				t.Errorf("%s: part %s has %d batches of %d steps", name, part, got, want)
			}
			whole += want
		}
		all, err := s.Script("")
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(all, ";\nGO\n"); got != whole {
			t.Errorf("%s: %d batches, the parts have %d", name, got, whole)
		}
		for line := range strings.Lines(all) {
			if strings.HasPrefix(line, ":") || strings.HasPrefix(line, "!!") ||
				strings.Contains(line, "$(") {
				t.Errorf("%s: sqlcmd takes this for a command: %s", name, line)
			}
		}
	}
}

// A second run changes nothing: each statement checks first or is repeatable.
func TestScriptsCanBeRunAgain(t *testing.T) {
	t.Parallel()
	for name, s := range setups() {
		for _, step := range s.Steps() {
			again := false
			for _, begins := range []string{
				"IF ", "GRANT ", "ALTER ROLE ", "EXEC sp_addrolemember ",
			} {
				again = again || strings.HasPrefix(step.Text, begins)
			}
			if !again || step.Why == "" {
				t.Errorf("%s: %q, because %q", name, step.Text, step.Why)
			}
		}
	}
}

func TestWhatIsWrongIsToldTogether(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 129)
	tests := map[string]struct {
		change func(*setup.Setup)
		want   []string
	}{
		"nothing":        {func(*setup.Setup) {}, nil},
		"the schema dbo": {func(s *setup.Setup) { s.Schema = "dbo" }, nil},
		"no principal": {func(s *setup.Setup) {
			s.Principal = ""
		}, []string{"--principal is missing"}},
		"a line of its own": {func(s *setup.Setup) {
			s.Principal = "x\nGO\nDROP DATABASE fhir"
		}, []string{"control character"}},
		"another line end": {func(s *setup.Setup) {
			s.Principal = "x\u2028GO"
		}, []string{"control character"}},
		"no UTF-8": {func(s *setup.Setup) {
			s.Principal = "x\xff"
		}, []string{"control character"}},
		"a variable": {func(s *setup.Setup) {
			s.Database = "x$(SECRET)"
		}, []string{"--database \"x$(SECRET)\" contains $("}},
		"too long": {func(s *setup.Setup) {
			s.Principal = long
		}, []string{"longer than 128 characters"}},
		"a space": {func(s *setup.Setup) {
			s.Principal = " x"
		}, []string{"begins or ends with a space"}},
		"of the database": {func(s *setup.Setup) {
			s.Principal = "db_owner"
		}, []string{"belongs to the database"}},
		"master": {func(s *setup.Setup) {
			s.Database = "Master"
		}, []string{"--database master"}},
		"a reader twice": {func(s *setup.Setup) {
			s.Readers = []string{"a", "A", "My-Function"}
		}, []string{`--reader "A" is named twice`, `--reader "My-Function" is named twice`}},
		"a schema of theirs":  {func(s *setup.Setup) { s.Schema = "sys" }, []string{"--schema"}},
		"a schema with a dot": {func(s *setup.Setup) { s.Schema = "a.b" }, []string{"--schema"}},
		"no client id": {func(s *setup.Setup) {
			s.ClientID = "x"
		}, []string{"is no client id"}},
		"login and id": {func(s *setup.Setup) {
			s.ClientID, s.Login = "00112233-4455-6677-8899-aabbccddeeff", true
		}, []string{"choose one"}},
		"a container": {func(s *setup.Setup) {
			s.Published = published
		}, []string{"--published has a meaning"}},
		"options of another": {
			func(s *setup.Setup) {
				s.Engine, s.ClientID, s.Login, s.Rebuild, s.Snapshots = tsql.Fabric, "x", true,
					true, true
			},
			[]string{
				"--client-id has a meaning", "--login has a meaning", "--rebuild has a meaning",
				"--snapshots has a meaning",
			},
		},
		"tables of a pool without tables": {func(s *setup.Setup) {
			s.Engine, s.Published, s.Move = tsql.Serverless, published, true
		}, []string{"--move has no meaning"}},
		"no container": {func(s *setup.Setup) {
			s.Engine = tsql.Serverless
		}, []string{"--published is missing"}},
		"a container of the other endpoint": {
			func(s *setup.Setup) {
				s.Engine, s.Published = tsql.Serverless,
					"https://account.blob.core.windows.net/fhir-published"
			},
			[]string{"is no container"},
		},
		"a container with a key": {
			func(s *setup.Setup) { s.Engine, s.Published = tsql.Serverless, published+"?sig=x" },
			[]string{"is no container"},
		},
		"all of it": {
			func(s *setup.Setup) { s.Principal, s.Schema, s.Database = "", "1", "" },
			[]string{"--principal is missing", "--schema", "--database"},
		},
	}
	for name, tt := range tests {
		s := usual(tsql.SQLServer)
		tt.change(&s)
		err := s.Validate()
		if (err == nil) != (len(tt.want) == 0) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err == nil {
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(tt.want) {
			t.Errorf("%s: %q", name, lines)
		}
		for _, want := range tt.want {
			if !slices.ContainsFunc(lines, func(l string) bool {
				return strings.Contains(l, want)
			}) {
				t.Errorf("%s: %q does not tell of %s", name, lines, want)
			}
		}
		if text, err := s.Script(""); err == nil || text != "" {
			t.Errorf("%s: a script was written: %s", name, text)
		}
	}
}

func TestCommandWritesTheSameScript(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"sqlserver":                  "fhirsynapse sql setup --engine sqlserver --principal my-function",
		"synapse-serverless-options": `fhirsynapse sql setup --engine synapse-serverless --principal 'it'\''s [my] 100 % func' --schema nightly_2 --database 'data]base' --reader Analysts --reader jane@example.org --published ` + published + ` --snapshots`,
	} {
		if got := setups()[name].Command(); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}
