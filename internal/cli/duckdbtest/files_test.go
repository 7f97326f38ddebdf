package duckdbtest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLinesThatAreLostAreNoSuccess(t *testing.T) {
	t.Parallel()
	for folder, want := range map[string]string{
		"array": "Patient.ndjson: it is a JSON array",
		"half":  "nothing was loaded: Patient: 1 of 2 lines are bad, more than 5 %",
	} {
		for _, scheme := range []string{"duckdb", "parquet", "csv", "ndjson"} {
			target := filepath.Join(t.TempDir(), "x")
			code, out, errs := run(t, "load", filepath.Join("testdata", "files", folder), "--to",
				scheme+":"+target)
			if code != 1 || out != "" || !strings.Contains(errs, want) {
				t.Errorf("%s into %s: code %d, %s%s", folder, scheme, code, out, errs)
			}
			if _, err := os.Stat(target); !os.IsNotExist(err) {
				t.Errorf("%s into %s: something is there: %v", folder, scheme, err)
			}
			bad, err := filepath.Glob(target + ".quarantine/*/*/*")
			if err != nil ||
				(folder == "half") != (len(bad) == 1 &&
					strings.Contains(errs, filepath.Dir(filepath.Dir(bad[0])))) {
				t.Errorf("%s into %s: quarantined %v, %v: %s", folder, scheme, bad, err, errs)
			}
		}
	}
}

func TestAFileOfSeveralTypesIsLoadedWhole(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "m.duckdb")
	// a second load changes nothing
	for _, args := range [][]string{nil, nil, {"--rebuild"}, {"--rebuild=Observation"}} {
		code, out, errs := run(t,
			append([]string{
				"load", filepath.Join("testdata", "files", "mixed"), "--to", "duckdb:" + db,
			}, args...)...)
		if code != 0 || errs != "" {
			t.Fatalf("load: code %d, %s%s", code, out, errs)
		}
		code, out, errs = run(t, "query", "--db", db, "--csv",
			"select 'p', id from patient union all select 'o', id from observation order by all")
		if want := "'p',id\no,o1\no,o2\np,p1\np,p2\n"; code != 0 || out != want {
			t.Errorf("query: code %d, %q, %s", code, out, errs)
		}
	}
	code, out, errs := run(t, "query", "--db", db, "--csv", "--no-header",
		"select distinct type, path from _ledger order by all")
	if want := "Observation,output.ndjson#Observation\nPatient,output.ndjson#Patient\n"; code !=
		0 || out != want {
		t.Errorf("ledger: code %d, %q, %s", code, out, errs)
	}
}

func TestATypeThatNoViewReadsIsReported(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	lines := strings.Repeat(`{"resourceType":"NutritionIntake","id":"a"}`+"\n", 3) +
		`{"resourceType":"Patient","id":"a"}` + "\n"
	if err := os.WriteFile(filepath.Join(data, "all.json"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"duckdb", "parquet"} {
		code, out, errs := run(t, "load", data, "--to", scheme+":"+filepath.Join(t.TempDir(), "x"))
		if code != 0 || !strings.Contains(out, "\nNutritionIntake: 3 resources, no view") {
			t.Errorf("%s: code %d, %s%s", scheme, code, out, errs)
		}
	}
}

func TestWhatAKilledLoadHasLeftIsRemovedByTheNext(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"duckdb:x.duckdb", "parquet:x"} {
		scheme, name, _ := strings.Cut(to, ":")
		out := t.TempDir()
		dead := []string{
			filepath.Join(out, ".fhirsynapse-load-dead"),
			filepath.Join(out, "x", ".fhirsynapse-load-dead"),
		}
		if scheme == "duckdb" {
			dead = dead[:1]
		}
		for _, folder := range dead {
			if err := os.MkdirAll(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			for _, file := range []string{".lock", "rows.parquet"} {
				if err := os.WriteFile(filepath.Join(folder, file), []byte("x"),
					0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		if code, text, errs := run(t, "load", filepath.Join("testdata", "files", "mixed"), "--to",
			scheme+":"+filepath.Join(out, name)); code != 0 {
			t.Fatalf("code %d, %s%s", code, text, errs)
		}
		left, err := filepath.Glob(filepath.Join(out, ".fhir*"))
		more, globErr := filepath.Glob(filepath.Join(out, "x", ".fhir*"))
		if err != nil || globErr != nil || len(left)+len(more) != 0 {
			t.Errorf("%s: left behind: %v, %v", to, left, more)
		}
	}
}

func TestTypesThatDifferInCaseDoNotShareTables(t *testing.T) {
	t.Parallel()
	db := "duckdb:" + filepath.Join(t.TempDir(), "x.duckdb")
	for typ, want := range map[string]string{
		"Homemade": "",
		"HomeMade": "resource type HomeMade differs only in case from the one of table _head_Homemade", "PATIENT": `1.ndjson: resourceType "PATIENT" is not a resource type of FHIR`,
	} {
		data := t.TempDir()
		first := t.TempDir()
		for folder, name := range map[string]string{data: typ, first: "Homemade"} {
			if err := os.WriteFile(filepath.Join(folder, "1.ndjson"),
				[]byte(`{"resourceType":"`+name+`","id":"a"}`), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if code, out, errs := run(t, "load", first, "--to", db); code != 0 {
			t.Fatalf("code %d, %s%s", code, out, errs)
		}
		code, out, errs := run(t, "load", data, "--to", db)
		if (code == 0) != (want == "") || !strings.Contains(errs, want) {
			t.Errorf("%s: code %d, %s%s", typ, code, out, errs)
		}
	}
}

func TestATargetThatIsNoDatabaseIsToldBeforeTheFilesAreRead(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"text": "a text of more than twenty bytes", "folder": "",
	} {
		target := filepath.Join(t.TempDir(), name)
		if text == "" {
			if err := os.Mkdir(target, 0o700); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(target, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errs := run(t, "load", filepath.Join("testdata", "files", "half"), "--to",
			"duckdb:"+target)
		if code != 1 || !strings.Contains(errs, "open database") ||
			strings.Contains(errs, "lines are bad") {
			t.Errorf("%s: code %d, %s", name, code, errs)
		}
	}
}
