package flatten_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
)

// hostile is a kind of line that needs far more memory than its length, unless the program bounds
// it.
type hostile struct {
	name     string
	resource string
	selects  string // of a test view; empty means the bundled views
	write    func(w *bufio.Writer, size int)
	files    int    // flattened concurrently; 0 means one
	bad      string // a part of the reason; empty if the lines are good
	least    int64  // minimum of rows over all tables, for 64 MB of good lines
}

// about returns a writer of a line of a given size: head, output of repeat, tail.
func about(head, tail string, repeat func(w *bufio.Writer, i int)) func(*bufio.Writer, int) {
	return func(w *bufio.Writer, size int) {
		_, _ = w.WriteString(head)
		for i, from := 0, w.Size(); from < size; i++ {
			before := w.Buffered()
			if i > 0 {
				_ = w.WriteByte(',')
			}
			repeat(w, i)
			n := w.Buffered() - before
			if w.Available() < 4096 {
				_ = w.Flush()
			}
			from += n
		}
		_, _ = w.WriteString(tail)
	}
}

// fixed returns a writer of the same line for every size.
func fixed(line string) func(*bufio.Writer, int) {
	return func(w *bufio.Writer, _ int) { _, _ = w.WriteString(line + "\n") }
}

// list returns n items separated by commas.
func list(item string, n int) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }

// text writes a member whose string has the given number of bytes.
func text(head, piece, tail string) func(*bufio.Writer, int) {
	return func(w *bufio.Writer, size int) {
		_, _ = w.WriteString(head)
		for n := 0; n < size; n += len(piece) {
			_, _ = w.WriteString(piece)
		}
		_, _ = w.WriteString(tail + "\n")
	}
}

func hostiles() []hostile {
	column := func(path string) string {
		b, _ := json.Marshal(path)
		return `{"column":[{"name":"a","path":` + string(b) + `}]}`
	}
	forEach := func(name string) string {
		return `{"forEach":"name","column":[{"name":"` + name + `","path":"family"}]}`
	}
	group := `{"resourceType":"Group","id":"1","meta":{"lastUpdated":"2024-01-01T00:00:00Z"},"type":"person","actual":true,"member":[`
	return []hostile{
		{
			name: "a Group of many members", resource: "Group", least: 600_000,
			write: about(group, "]}\n", func(w *bufio.Writer, i int) {
				_, _ = fmt.Fprintf(w,
					`{"entity":{"reference":"Patient/00000000-0000-4000-8000-%012d"}}`, i)
			}),
		},
		{
			name: "answers nested 400 deep", resource: "QuestionnaireResponse",
			bad: "the values that views read take more than 80 MB",
			write: func(w *bufio.Writer, size int) {
				_, _ = w.WriteString(
					`{"resourceType":"QuestionnaireResponse","id":"1","meta":{"lastUpdated":"2024-01-01T00:00:00Z"},"status":"completed","item":[`)
				answers := strings.Repeat(`{"linkId":"1","answer":[{"valueString":"x"}]},`,
					size/400/46)
				for range 400 {
					_, _ = w.WriteString(answers + `{"linkId":"2","item":[`)
				}
				_, _ = w.WriteString(`{"linkId":"3"}` + strings.Repeat("]}", 400) + "]}\n")
			},
		},
		{
			name: "nested items as text", resource: "QuestionnaireResponse",
			bad:     "its rows have more than",
			selects: `{"repeat":["item"],"column":[{"name":"a","path":"item","collection":true}]}`,
			write: func(w *bufio.Writer, size int) {
				_, _ = w.WriteString(
					`{"resourceType":"QuestionnaireResponse","id":"1","meta":{"lastUpdated":"2024-01-01T00:00:00Z"},"item":[` + strings.Repeat(`{"linkId":"2","item":[`, 400))
				_, _ = w.WriteString(`{"linkId":"` + strings.Repeat("x", size/8) + `"}` +
					strings.Repeat("]}", 400) + "]}\n")
			},
		},
		{
			name: "three forEach", resource: "Patient",
			bad:     "view v: the line is too large: it makes more than 2000000 rows",
			selects: forEach("a") + "," + forEach("b") + "," + forEach("c"),
			write:   fixed(somebody + `,"name":[` + list(`{"family":"0123456789"}`, 6000) + "]}"),
		},
		{
			name: "six replacements", resource: "Patient",
			bad:     "view v, column a: the line is too large: an expression makes a text of more than 16 MB",
			selects: column("id" + strings.Repeat(chain, 8)), write: fixed(somebody + "}"),
		},
		{
			name: "replacements by pattern", resource: "Patient",
			bad: "an expression makes a text of more than 16 MB",
			selects: column("id" +
				strings.Repeat(`.replaceMatches('.', '$0$0$0$0$0$0$0$0$0$0')`, 8)),
			write: fixed(somebody + "}"),
		},
		{
			name: "many small values", resource: "Patient",
			bad: "the values that views read take more than 80 MB",
			write: func(w *bufio.Writer, size int) {
				_, _ = w.WriteString(somebody + `,"name":[{"given":[""` +
					strings.Repeat(`,""`, max(size, 32<<20)/3) + "]}]}\n")
			},
		},
		{
			name: "many empty objects", resource: "Observation",
			bad: "the values that views read take more than 80 MB",
			write: func(w *bufio.Writer, size int) {
				_, _ = w.WriteString(`{"resourceType":"Observation","id":"1","component":[{}` +
					strings.Repeat(",{}", max(size, 8<<20)/3) + "]}\n")
			},
		},
		{
			name: "components in all views", resource: "Observation", least: 100_000,
			write: about(`{"resourceType":"Observation","id":"1","meta":{"lastUpdated":"2024-01-01T00:00:00Z"},"component":[`, "]}\n", func(w *bufio.Writer, i int) {
				_, _ = fmt.Fprintf(w,
					`{"code":{"coding":[{"system":"http://loinc.org","code":"%d","display":"a component of a measured value"}],"text":"%d"},"valueQuantity":{"value":%d.5,"unit":"mm[Hg]","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}`, i, i, i)
			}),
		},
		{
			name: "a cell of 60 MB", resource: "Patient",
			bad:     "column a: the line is too large: a value of more than 16 MB",
			selects: column("name.text.first()"), write: func(w *bufio.Writer, size int) {
				text(somebody+`,"name":[{"text":"`, "0123456789", `"}]}`)(w, max(size, 17<<20)-1000)
			},
		},
		{
			name: "escaped text", resource: "Patient", bad: "the line is too large",
			selects: `{"column":[{"name":"a","path":"name.text","collection":true}]}`,
			write: func(w *bufio.Writer, size int) {
				text(somebody+`,"name":[{"text":"`, `\u0001`, `"}]}`)(w, max(size, 20<<20)-1000)
			},
		},
		{
			name: "two cells of 9 MB", resource: "Patient", least: 1,
			selects: `{"column":[{"name":"a","path":"name.text.first()"},{"name":"b","path":"name.text.first() & 'x'"}]}`,
			write: func(w *bufio.Writer, _ int) {
				text(somebody+`,"name":[{"text":"`, "0123456789", `"}]}`)(w, 9<<20)
			},
		},
		{
			name: "a long text in every row", resource: "Patient",
			bad:     "view v: the line is too large: its rows have more than 256 MB",
			selects: `{"column":[{"name":"a","path":"maritalStatus.text"}]},` + forEach("b"),
			write: fixed(somebody + `,"maritalStatus":{"text":"` + strings.Repeat("x", 1<<20) +
				`"},"name":[` + list(`{"family":"x"}`, 10_000) + "]}"),
		},
		{
			name: "distinct names", resource: "Patient", least: 40_000,
			selects: `{"forEach":"name.distinct()","column":[{"name":"a","path":"family"}]}`,
			write: func(w *bufio.Writer, _ int) {
				about(somebody+`,"name":[`, "]}\n", func(w *bufio.Writer, i int) {
					_, _ = fmt.Fprintf(w, `{"family":"%08d","given":["x"]}`, i)
				})(w, 32*50_000)
			},
		},
		{
			name: "objects of many members", resource: "Patient", least: 1,
			selects: column("name.isDistinct()"),
			write: func(w *bufio.Writer, size int) {
				half := about("{", "}", func(w *bufio.Writer, i int) {
					_, _ = fmt.Fprintf(w, `"%d":1`, i)
				})
				_, _ = w.WriteString(somebody + `,"name":[`)
				half(w, min(size, 8<<20))
				_ = w.WriteByte(',')
				half(w, min(size, 8<<20))
				_, _ = w.WriteString("]}\n")
			},
		},
		{
			name: "every pair of names", resource: "Patient",
			bad:     "its expressions visit more than",
			selects: column("name.where(%resource.name.where(family = 'x').exists()).count()"),
			write:   fixed(somebody + `,"name":[` + list(`{"family":"y"}`, 50_000) + "]}"),
		},
		{
			name: "members that no view reads", resource: "Patient", least: 1,
			write: about(somebody+`,"x":{`, "}}\n", func(w *bufio.Writer, i int) {
				_, _ = fmt.Fprintf(w, `"%d":[{"a":1}]`, i)
			}),
		},
		{
			name: "large numbers", resource: "Observation", least: 1,
			selects: `{"column":[{"name":"a","path":"value.ofType(Quantity).value"},{"name":"b","path":"component.first().value.ofType(Quantity).value"}]}`,
			write: func(w *bufio.Writer, size int) {
				text(`{"resourceType":"Observation","id":"1","meta":{"lastUpdated":"2024-01-01T00:00:00Z"},"component":[{"valueQuantity":{"value":1e999999999}}],"valueQuantity":{"value":1`, "0000000000", "}}")(w, min(size/8, 8<<20))
			},
		},
		{
			name: "a text in many parts", resource: "Patient",
			bad:     "its expressions hold more than",
			selects: column("name.text.first().split(',').count()"),
			write: func(w *bufio.Writer, size int) {
				text(somebody+`,"name":[{"text":"`, ",,,,,,,,", `"}]}`)(w, max(size, 9<<20)-1000)
			},
		},
		{
			name: "short lines of many rows", resource: "Patient", least: 10_000_000 / 2,
			selects: forEach("a") + "," + forEach("b"),
			write: func(w *bufio.Writer, size int) {
				line := somebody + `,"name":[` + list(`{"family":"0123456789"}`, 300) + "]}\n"
				for range max(size>>20, 4) {
					_, _ = w.WriteString(line)
				}
			},
		},
		{
			name: "a line beyond the limit", resource: "Patient", bad: "line over the limit",
			write: func(w *bufio.Writer, size int) {
				text(somebody+`,"x":"`, "0123456789", `"}`)(w, max(size, 65<<20))
			},
		},
		{
			name: "large lines side by side", resource: "Group", least: 4 * 300_000, files: 2,
			write: func(w *bufio.Writer, size int) {
				for range 2 {
					about(group, "]}\n", func(w *bufio.Writer, i int) {
						_, _ = fmt.Fprintf(w,
							`{"entity":{"reference":"Patient/00000000-0000-4000-8000-%012d"}}`, i)
					})(w, size/2)
				}
			},
		},
	}
}
