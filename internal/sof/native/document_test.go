package native

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/ndjson"
	"fhirsynapse/internal/sof"
)

// documented holds the lines of docs/lines.md: a file and the result of each of its lines. An id
// stands for its row; other words are blank, the foreign type, and the fault of a bad line.
var documented = map[string]struct {
	file, want string
}{
	"more rows, values, text or work than a line may ask for": {
		good("1") + "\n" +
			twice(`"contact":[`+strings.TrimSuffix(strings.Repeat(`{"gender":"x"},`, 600), ",")+
				"]") +
			good("3"),
		"1, view v, column v: the line is too large: its expressions hold more than 500 items at a time, 3",
	},
	"a resourceType that is no name of a type (`^[A-Z][A-Za-z]{1,63}$`), or differs from one of FHIR's in case only (`PATIENT`)": {
		`{"resourceType":"P; DROP","id":"1"}` + "\n" + `{"resourceType":"PATIENT","id":"1"}` +
			"\n" +
			good("3"),
		"P; DROP, PATIENT, 3",
	},
	"over the limit": {good("1") + "\n" +
		`{"resourceType":"Patient","id":"2","x":"` + strings.Repeat("x", limit) + `"}` + "\n" +
		good("3"), "1, line over the limit, 3"},
	"invalid UTF-8": {"{\"resourceType\":\"Patient\",\"id\":\"1\",\"x\":\"\xff\"}\n" +
		"{\"resourceType\":\"Patient\",\"id\":\"\xc0\x80\"}\n" + "{\"x\":\"\xed\xa0\x80\"}\n" +
		good("3"), "byte 40: invalid UTF-8, byte 32: invalid UTF-8, byte 6: invalid UTF-8, 3"},
	"truncated JSON": {
		good("1") + "\n" + good("2")[:20] + "\n" + good("3"),
		"1, byte 20: the line ends too early, 3",
	},
	"a member twice": {
		twice(`"gender":"x","gender":"y"`) +
			twice(`"meta":{"versionId":"1","versionId":"2"}`) + twice(`"id":"2"`) +
			twice(`"x":1,"x":2`),
		"byte 48: the same member twice, byte 59: the same member twice, byte 35: the same member twice, 1",
	},
	"nested 10,000 levels deep": {
		twice(`"x":`+nested("[", "", "]", 10_000)) +
			twice(`"x":`+nested(`{"x":`, "1", "}", 10_000)) +
			twice(`"contact":`+nested("[", "", "]", 10_000)) +
			twice(`"x":`+nested("[", "", "]", 999)),
		"byte 1039: nested too deeply, byte 5035: nested too deeply, byte 1044: nested too deeply, 1",
	},
	"another resourceType than the file's": {
		`{"resourceType":"Observation","id":"1"}` + "\n" +
			`{"resourceType":"OperationOutcome","id":"o"}` + "\n" + good("3"),
		"Observation, OperationOutcome, 3",
	},
	"a byte order mark": {"\ufeff" + good("1") + "\n\ufeff" + good("2") + "\n" +
		good("3"), "1, byte 0: expected a JSON object, 3"},
	"CRLF": {good("1") + "\r\n" + good("2") + "\r\n", "1, 2"},
	"a blank line": {
		"\n" + good("1") + "\n \t\r\n\r\n" + good("2") + "\n\n",
		"blank, 1, blank, blank, 2, blank",
	},
	"no final newline": {good("1") + "\n" + good("2"), "1, 2"},
	"an empty file":    {"", ""},
	"text behind the object": {
		good("1") + "x\n" + good("1") + good("2") + "\n" +
			good("1") + "\x00\n" + good("3"),
		"byte 35: text after the end of the JSON object, byte 35: text after the end of the JSON object, byte 35: text after the end of the JSON object, 3",
	},
	"half of a surrogate pair": {
		twice(`"x":"\ud800"`) + twice(`"x":"\udc00"`) +
			twice(`"x":"\ud83d\ude00"`),
		"byte 40: half of a surrogate pair, byte 40: half of a surrogate pair, 1",
	},
	"white space between the tokens": {
		" { \"resourceType\" :\t\"Patient\" , \"id\" : \"1\" } \n",
		"1",
	},
	"no id, or no resourceType": {`{"resourceType":"Patient"}` + "\n" + `{"id":"2"}` + "\n" +
		good("3"), "byte 0: the resource has no id, byte 0: there is no resourceType, 3"},
}

// limit bounds a line in this test.
const limit = 100_000

func good(id string) string { return `{"resourceType":"Patient","id":"` + id + `"}` }

// twice returns the line of a patient with more members.
func twice(members string) string {
	return `{"resourceType":"Patient","id":"1",` + members + "}\n"
}

func TestLinesAreReadAsDocumented(t *testing.T) {
	t.Parallel()
	e, err := New([]*sof.View{viewOf(t, "Patient", "id | gender | contact.gender")})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range documented {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := DefaultLimits()
			limits.Items = 500
			eval := e.Evaluator(limits)
			var got []string
			for l, err := range ndjson.Lines(strings.NewReader(c.file), limit) {
				switch {
				case errors.Is(err, ndjson.ErrTooLong):
					got = append(got, err.Error())
					continue
				case err != nil:
					t.Fatal(err)
				case l.Blank():
					got = append(got, "blank")
					continue
				}
				rows := 0
				r, err := eval.Eval(t.Context(), l.JSON, func(int, [][]byte) error {
					rows++
					return nil
				})
				switch {
				case err != nil && (fault.Of(err) != fault.BadData || rows > 0):
					t.Errorf("line %d has %d rows and an error of class %v", l.Number, rows,
						fault.Of(err))
				case err != nil:
					got = append(got, err.Error())
				case rows == 0:
					got = append(got, string(r.Type))
				default:
					got = append(got, string(r.ID))
				}
			}
			if d := cmp.Diff(c.want, strings.Join(got, ", ")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestTheDocumentNamesTheLinesThatAreTested(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/lines.md")
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ = bytes.Cut(text, []byte("\n## "))
	rows := regexp.MustCompile(`(?m)^\| ([^|]+) \| .+ \|$`).FindAllSubmatch(text, -1)
	if len(rows) != len(documented)+1 {
		t.Errorf("the document has %d lines, %d are tested", len(rows)-1, len(documented))
	}
	for _, row := range rows {
		name := string(bytes.TrimSpace(row[1]))
		if _, ok := documented[name]; !ok && name != "line" {
			t.Errorf("%q is not tested", name)
		}
	}
}
