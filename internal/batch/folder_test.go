package batch_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
)

func resource(typ, id string) string { return `{"resourceType":"` + typ + `","id":"` + id + `"}` }

func extracted(
	t *testing.T, files map[string]string,
) (report batch.LoadReport, tables map[string]string, err error) {
	t.Helper()
	w, dir := newFolderWorld(t, files), filepath.Join(t.TempDir(), "out")
	report, err = extractor(t, w, flatten.CSV, dir).Extract(t.Context())
	if err != nil {
		return report, nil, err
	}
	// Each reading of a mixed file reports its share, in whole bytes.
	if read, total := w.read.Load(), w.total.Load(); read > total || read < total-3 {
		t.Errorf("%d bytes read of %d", read, total)
	}
	return report, contents(t, dir), nil
}

func TestAFileIsKnownByItsContent(t *testing.T) {
	t.Parallel()
	lines := resource("Patient", "p") + "\n" + resource("Patient", "q") + "\n"
	for name, text := range map[string]string{
		"data.jsonl":        lines,
		"data.NDJSON":       lines,
		"data.json":         lines,
		"data":              lines,
		"export.2024-01-01": lines,
		"data.ndjson.gz":    lines, // packed
		"data.ndjson":       packed(t, lines),
		"data.bin":          packed(t, lines),
		"plain.ndjson.gz":   "raw:" + lines,
		"bom.ndjson":        "\xef\xbb\xbf" + lines,
		"crlf.ndjson":       strings.ReplaceAll(lines, "\n", "\r\n"),
		"blank.ndjson":      "\n \n" + lines,
		// two gzip members
		"two.ndjson": packed(t, resource("Patient", "p")+"\n") +
			packed(t, resource("Patient", "q")),
		"Observation.ndjson":    lines, // the lines have the type
		"no-end-of-line.ndjson": strings.TrimSpace(lines),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, dir := newFolderWorld(t, map[string]string{name: text}),
				filepath.Join(t.TempDir(), "out")
			report, err := extractor(t, w, flatten.CSV, dir).Extract(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff("id,born\np,\nq,\n", contents(t, dir)["patient.csv"]); d != "" {
				t.Error(d)
			}
			if len(report.LeftOut) != 0 {
				t.Errorf("left out: %+v", report.LeftOut)
			}
		})
	}
}

func TestWhatIsLeftOutIsNamedWithTheReason(t *testing.T) {
	t.Parallel()
	patient, indented := resource("Patient", "p"),
		"{\n  \"resourceType\": \"Patient\",\n  \"id\": \"p\"\n}\n"
	const array, bundle, several = "a JSON array: write its elements on a line each",
		"a Bundle: write the resources in it on a line each", "one Patient over several lines"
	for name, test := range map[string]struct {
		text, reason string
		resources    bool
	}{
		"array.json":          {"[" + patient + "," + patient + "]", array, true},
		"Patient.ndjson":      {"[" + patient + "," + patient + "]\n", array, true},
		"lines-of-array.json": {"[\n" + patient + ",\n" + patient + "\n]\n", array, true},
		"one-of-array.json":   {"[\n" + patient + "\n]\n", array, true},
		"indented-array.json": {"[\n" + indented + "]\n", array, true},
		"numbers.json":        {"[1,2]", "array without resources", false},
		"bundle.json": {
			`{"resourceType":"Bundle","entry":[{"resource":` + patient + `}]}`,
			bundle, true,
		},
		"indented-bundle": {"{\n\"resourceType\":\"Bundle\",\n\"entry\":[]}", bundle, true},
		"long-bundle.json": {"{ \"resourceType\": \"Bundle\",\n\"entry\": [\n" +
			strings.Repeat(`{"resource":`+patient+"},\n", 1<<12) + "{}]}", bundle, true},
		"indented.json":   {indented, several, true},
		"indented.ndjson": {indented + indented, several, true},
		"type-last.json": {
			"{\n\"id\": \"p\",\n\"resourceType\": \"Patient\"\n}", several,
			true,
		},
		"manifest.json": {
			"{\n\"output\": [{\"type\": \"Patient\"}]\n}",
			"a JSON document without a resourceType", false,
		},
		"log.ndjson": {
			"{\"eventId\":\"kickoff\"}\n{\"eventId\":\"done\"}\n",
			"JSON without a resourceType", false,
		},
		"errors.ndjson": {
			`{"resourceType":"OperationOutcome","issue":[]}` + "\n",
			"OperationOutcome", false,
		},
		"notes.txt":    {"Some notes\n", "no line of it is a resource", false},
		"empty.ndjson": {"", "it is empty", false},
		"page.html":    {"<html></html>", "XML or HTML", false},
		"patient.xml": {
			`<Patient xmlns="http://hl7.org/fhir"></Patient>`, "XML or HTML",
			true,
		},
		"all.zip": {"PK\x03\x04...", "a zip archive", false},
		"all.tgz": {
			packed(t, strings.Repeat("x", 257)+"ustar\x00"), "a tar archive",
			true,
		},
		"x.duckdb":            {"\x01\x02\x00DUCK", "not text", false},
		"Patient.ndjson.part": {patient, "not finished", true},
		"wide.ndjson":         {"\xff\xfe{\x00", "UTF-16", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, tables, err := extracted(t, map[string]string{
				name: test.text, "good.ndjson": resource("Device", "d"),
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(report.LeftOut) != 1 || report.LeftOut[0].File != name ||
				report.LeftOut[0].Resources != test.resources ||
				!strings.Contains(report.LeftOut[0].Reason, test.reason) {
				t.Errorf("left out: %+v", report.LeftOut)
			}
			if tables["device.csv"] != "id\nd\n" || len(tables) != 1 {
				t.Errorf("tables = %v", tables)
			}
			_, _, err = extracted(t, map[string]string{name: test.text})
			if test.resources && (err == nil || !strings.Contains(err.Error(), test.reason)) {
				t.Errorf("alone: %v", err)
			}
		})
	}
}

// Bad lines do not make a file a document of another kind.
func TestABadFirstLineIsOneBadLine(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{
		"cut off in an object": `{"resourceType":"Patient","id":"x","birthDate":`,
		"cut off in a list":    `{"resourceType":"Patient","id":"x","link":[`,
		"an open text":         `{"resourceType":"Patient","id":"x`,
		"no JSON":              `Patient`,
		"a list":               `[{"resourceType":"Patient"}]`,
		"zero bytes":           "\x00\x00",
		"without a type":       `{"id":"x"}`,
		"case":                 resource("patient", "x"),
		"case of all":          resource("PATIENT", "x"),
		"an OperationOutcome":  `{"resourceType":"OperationOutcome"}`,
		"a Bundle":             `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Device","id":"d"}}]}`,
		"<":                    "<html>",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines := []string{first}
			for i := range 9 {
				lines = append(lines, resource("Patient", fmt.Sprint(i)))
			}
			if first == "<html>" { // the beginning of a file decides its kind
				lines[0], lines[1] = lines[1], lines[0]
			}
			report, tables, err := extracted(t,
				map[string]string{"data.ndjson": strings.Join(lines, "\n")})
			if err != nil {
				t.Fatal(err)
			}
			want := []pipeline.TypeReport{{
				Type: "Patient", Files: 1, Manifest: -1,
				Counts: pipeline.Counts{Lines: 10, Applied: 9, Quarantined: 1},
			}}
			if d := cmp.Diff(want, report.Types); d != "" {
				t.Error(d)
			}
			if n := strings.Count(tables["patient.csv"], "\n"); n != 10 {
				t.Errorf("%d lines", n)
			}
		})
	}
}

func TestEachLineIsOfItsOwnType(t *testing.T) {
	t.Parallel()
	// more than is surveyed
	patients := strings.Repeat(resource("Patient", "p")+strings.Repeat(" ", 100)+"\n", 5000)
	for name, test := range map[string]struct {
		text                         string
		patients, devices, specimens int64
	}{
		"by turns": {strings.Repeat(resource("Patient", "p")+"\n"+resource("Device", "d")+
			"\n\n"+resource("Specimen", "s")+"\nbad\n", 20), 20, 20, 20},
		"one at the end": {patients + resource("Device", "d"), 5000, 1, 0},
		"two at the end": {
			patients + resource("Device", "d") + "\n" + resource("Specimen", "s"),
			5000, 1, 1,
		},
		"one in between":   {patients + resource("Device", "d") + "\n" + patients, 10000, 1, 0},
		"another at first": {resource("Specimen", "s") + "\n" + patients, 5000, 0, 1},
	} {
		for _, pack := range []bool{false, true} {
			t.Run(fmt.Sprint(name, pack), func(t *testing.T) {
				t.Parallel()
				text := test.text
				if pack {
					text = packed(t, text)
				}
				report, tables, err := extracted(t, map[string]string{
					"a.ndjson": text, "b.ndjson": resource("Device", "other"),
				})
				if err != nil {
					t.Fatal(err)
				}
				got, lines := map[string]int64{}, int64(0)
				for _, r := range report.Types {
					if err := r.Check(); err != nil || r.NoView != (r.Type == "Specimen") {
						t.Errorf("%+v: %v", r, err)
					}
					got[r.Type], lines = r.Applied, lines+r.Lines
				}
				want := map[string]int64{"Patient": test.patients, "Device": test.devices + 1}
				if test.specimens > 0 {
					want["Specimen"] = test.specimens
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Error(d)
				}
				if all := int64(strings.Count(strings.TrimSuffix(test.text, "\n"), "\n") +
					2); lines != all {
					t.Errorf("%d lines are accounted for, there are %d", lines, all)
				}
				if n := int64(strings.Count(tables["patient.csv"], "\n")); n != test.patients+1 {
					t.Errorf("%d lines of patient.csv", n)
				}
				if report.Bytes != int64(len(test.text)+len(resource("Device", "other"))) {
					t.Errorf("%d bytes", report.Bytes)
				}
			})
		}
	}
}

func TestTypesThatDifferInCaseAreRefused(t *testing.T) {
	t.Parallel()
	_, _, err := extracted(t, map[string]string{
		"a.ndjson": resource("Homemade", "1"), "b.ndjson": resource("HomeMade", "2"),
	})
	if fault.Of(err) != fault.Permanent ||
		!strings.Contains(fmt.Sprint(err),
			"Homemade in a.ndjson and HomeMade in b.ndjson differ in case only") {
		t.Errorf("error = %v", err)
	}
	// A FHIR type is recognized by its exact name; a type in other case makes a bad line.
	_, _, err = extracted(t,
		map[string]string{"a.ndjson": resource("Patient", "1") + "\n" + resource("PATIENT", "1") +
			"\n" + resource("PATIENT", "2")})
	if !strings.Contains(fmt.Sprint(err), "Patient: 2 of 3 lines are bad") {
		t.Errorf("error = %v", err)
	}
}

func TestAboveTheLimitOfBadLinesNothingIsLoaded(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"Device.ndjson": resource("Device", "d"),
		"Patient.ndjson": strings.Repeat(resource("Patient", "p")+"\n", 94) +
			strings.Repeat("bad\n", 6),
	}
	for _, test := range []struct {
		limit float64
		fails bool
	}{{0.05, true}, {0.0599, true}, {0.06, false}, {1, false}} {
		w, dir := newFolderWorld(t, files), filepath.Join(t.TempDir(), "out")
		x := extractor(t, w, flatten.CSV, dir)
		x.MaxBad, x.Quarantine = test.limit, "x.quarantine"
		_, err := x.Extract(t.Context())
		if (err != nil) != test.fails {
			t.Errorf("%g: %v", test.limit, err)
		}
		if _, statErr := os.Stat(dir); os.IsNotExist(statErr) != test.fails {
			t.Errorf("%g: %v", test.limit, statErr)
		}
		if want := "nothing was loaded: Patient: 6 of 100 lines are bad, more than"; test.fails &&
			(!strings.Contains(err.Error(), want) ||
				!strings.Contains(err.Error(),
					filepath.Join("x.quarantine", "load-20260102T030405Z-ab12"))) {
			t.Errorf("%g: %v", test.limit, err)
		}
		l := w.Loader
		l.Flattener, l.MaxBad = x.Flattener, test.limit
		nothing := &shelf{
			lake: w.Lake, content: map[string][]string{}, fail: fault.Permanentf("committed"),
		}
		l.Warehouse = nothing
		if _, err := l.Load(t.Context(), "main"); err == nil ||
			strings.Contains(err.Error(), "committed") == test.fails {
			t.Errorf("%g: %v", test.limit, err)
		}
	}
}

func TestAPackedFileThatUnpacksWithoutEndIsRefused(t *testing.T) {
	t.Parallel()
	line := resource("Patient", "p") + strings.Repeat(" ", 1<<20) + "\n"
	member := packed(t, strings.Repeat(line, 64))
	w := newFolderWorld(t, map[string]string{"a.ndjson": strings.Repeat(member, 6)})
	_, err := extractor(t, w, flatten.CSV, filepath.Join(t.TempDir(), "out")).Extract(t.Context())
	if fault.Of(err) != fault.Permanent ||
		!strings.Contains(fmt.Sprint(err), "unpacks to more than 400 times its size") {
		t.Errorf("error = %v", err)
	}
}

// Law 7, for a file of several types.
func TestMemoryDoesNotGrowWithAMixedFile(t *testing.T) {
	peak := func(lines int) uint64 {
		var b strings.Builder
		for i := range lines {
			typ := [2]string{"Patient", "Device"}[i%2]
			fmt.Fprintf(&b, `{"resourceType":"%s","id":"i%d","text":{"div":"%s"}}`+"\n", typ, i,
				strings.Repeat("x", 500))
		}
		w := newFolderWorld(t, map[string]string{"a.ndjson": b.String()})
		b = strings.Builder{}
		x := extractor(t, w, flatten.CSV, filepath.Join(t.TempDir(), "out"))
		var most uint64
		x.Read = func(int64) {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
		runtime.GC()
		if _, err := x.Extract(t.Context()); err != nil {
			t.Fatal(err)
		}
		return most
	}
	small, large := peak(10_000), peak(80_000)
	if large > 2*small+32<<20 {
		t.Errorf("%d bytes with eight times the lines, %d before", large, small)
	}
}
