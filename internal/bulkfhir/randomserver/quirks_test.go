package randomserver_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
)

// quirk is a deviation of a server. A harmless one must not prevent an export from being loaded.
type quirk struct {
	name     string
	harmless bool
	apply    func(s *server, r *rand.Rand)
}

func status(code int, headers ...string) respond {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		write(w, code, "")
	}
}

func html(code int) respond {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		write(w, code, "<html>"+marker+" stack trace</html>")
	}
}

func issue(severity, code string, more ...string) string {
	return fmt.Sprintf(`{"severity":%q,"code":%q,"diagnostics":"%s has no consent"%s}`, severity,
		code, marker, strings.Join(more, ""))
}

func outcome(issues ...string) string {
	return `{"resourceType":"OperationOutcome","issue":[` + strings.Join(issues, ",") + `]}`
}

func says(code int, body string) respond {
	return func(w http.ResponseWriter, _ *http.Request) { write(w, code, body) }
}

func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// cut announces more bytes than it sends.
func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(`{"resourceType":"`))
}

func several(r *rand.Rand, choices ...respond) []respond {
	var out []respond
	for range 1 + r.IntN(3) {
		out = append(out, choices[r.IntN(len(choices))])
	}
	return out
}

func pick[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

var retries = []string{
	"1", "0", "-5", "7200", "99999999999999", "soon", "", "Sun, 01 Mar 2026 12:01:00 GMT",
	"Fri, 01 Jan 9000 00:00:00 GMT", "253402300800", "1e9", "NaN",
}

func retry(r *rand.Rand, code int) respond {
	return status(code, "Retry-After", pick(r, retries...))
}

// quirks lists all quirks.
var quirks = slices.Concat(headerQuirks, kickOffQuirks, pollQuirks, manifestQuirks, fileQuirks,
	lossQuirks)

var headerQuirks = []quirk{
	{"no Date", true, func(s *server, _ *rand.Rand) { s.header["Date"] = nil }},
	{"odd Date", true, func(s *server, r *rand.Rand) {
		s.header.Set("Date",
			pick(r, "yesterday", "Fri, 01 Jan 9000 00:00:00 GMT", "2026-03-01T12:00:00Z"))
	}},
	{"odd Expires", true, func(s *server, r *rand.Rand) {
		s.header.Set("Expires",
			pick(r, "0", "-1", "Fri, 01 Jan 9000 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT",
				marker))
	}},
	{"headers with text", true, func(s *server, _ *rand.Rand) {
		s.header.Set("Warning", "199 - "+marker)
		s.header.Set("X-Progress", marker+" is exported")
		s.header.Set("X-Note", marker)
	}},
}

var kickOffQuirks = []quirk{
	{"metadata: none", true, func(s *server, r *rand.Rand) {
		s.metadata = slices.Repeat([]respond{pick(r, status(404), status(405), html(200), html(403),
			status(500), says(200, "null"))}, 100)
	}},
	{"metadata: another version", false, func(s *server, r *rand.Rand) {
		s.metadata = slices.Repeat([]respond{says(200,
			`{"resourceType":"CapabilityStatement","fhirVersion":"`+
				pick(r, "5.0.0", "3.0.2", "4.1.0", "6.0.0-ballot3")+`"}`)}, 100)
	}},
	{"metadata: breaks", true, func(s *server, r *rand.Rand) {
		s.metadata = several(r, hangUp, cut)
	}},
	{"kick-off: later", true, func(s *server, r *rand.Rand) {
		s.kickOff = several(r, retry(r, 429), retry(r, 503), retry(r, 500),
			says(500, outcome(issue("fatal", "exception"))))
	}},
	{"kick-off: lost", true, func(s *server, r *rand.Rand) {
		s.kickOff = several(r, hangUp, html(502), html(504))
	}},
	{"kick-off: another method", true, func(s *server, r *rand.Rand) {
		s.kickOff = []respond{status(pick(r, 404, 405, 501))}
	}},
	{"kick-off: refused", false, func(s *server, r *rand.Rand) {
		s.kickOff = slices.Repeat([]respond{pick(r,
			says(400, outcome(issue("error", "processing"))), html(403), status(401), status(404),
			says(200, "{}"), status(202))}, 2)
	}},
	{"kick-off: out of order", false, func(s *server, r *rand.Rand) {
		s.kickOff = slices.Repeat([]respond{retry(r, pick(r, 500, 503))}, 10_000)
	}},
	{"kick-off: where to ask", true, func(s *server, r *rand.Rand) {
		s.location = pick(r, "../status/1", "BASE/status/1?_jobId=1", " BASE/status/1 ",
			"BASE/status/1#x")
	}},
	{"kick-off: asked elsewhere", false, func(s *server, r *rand.Rand) {
		s.location = pick(r, "http://hapi.internal.invalid:8080/fhir/status",
			"https://other.invalid/1", "mailto:x", "http://127.0.0.2/status/1", "://", "")
	}},
}

var pollQuirks = []quirk{
	{"poll: in progress", true, func(s *server, r *rand.Rand) {
		s.poll = several(r, retry(r, 202), status(202, "X-Progress", marker),
			status(202, "X-Progress", "50%"), html(202), retry(r, 429))
	}},
	{"poll: passing faults", true, func(s *server, r *rand.Rand) {
		s.poll = several(r, html(500), html(502), retry(r, 503),
			says(500, outcome(issue("error", "transient"))), hangUp, status(200), html(200), cut,
			says(200, "[]"), status(404))
	}},
	{"poll: the job failed", false, func(s *server, r *rand.Rand) {
		s.poll = slices.Repeat([]respond{pick(r, says(500, outcome(issue("fatal", "processing"))),
			says(400, outcome(issue("error", "invalid"))), status(410), html(403))}, 10_000)
	}},
}

var instants = []any{
	"2026-03-01T11:00:00", "2026-03-01T11:00:00+00:00Z",
	"Sun Mar 01 2026 11:00:00 GMT+0000 (Coordinated Universal Time)", "yesterday", 1772366400000,
	nil, "", true,
	map[string]any{"x": 1},
}

func edit(s *server, change func(m map[string]any)) { s.manifest = append(s.manifest, change) }

var manifestQuirks = []quirk{
	{"manifest: no output", false, func(s *server, r *rand.Rand) {
		v := pick[any](r, nil, map[string]any{}, "", 0, true)
		edit(s, func(m map[string]any) {
			if m["output"] = v; v == true {
				delete(m, "output")
			}
		})
	}},
	{"manifest: Output", false, func(s *server, _ *rand.Rand) {
		edit(s, func(m map[string]any) { m["Output"] = m["output"]; delete(m, "output") })
	}},
	{"manifest: two outputs", false, func(s *server, r *rand.Rand) {
		second := pick(r, `,"output":[]}`, `,"output":null}`)
		s.text = append(s.text, func(t string) string {
			if !strings.Contains(t, `"output":`) {
				return t
			}
			return strings.TrimSuffix(t, "}") + second
		})
	}},
	{"manifest: odd transactionTime", false, func(s *server, r *rand.Rand) {
		v := pick(r, instants...)
		edit(s, func(m map[string]any) { m["transactionTime"] = v })
	}},
	{"manifest: impossible transactionTime", false, func(s *server, r *rand.Rand) {
		v := pick(r, "10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "9000-01-01T00:00:00Z",
			"0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "+12026-03-01T11:00:00Z")
		edit(s, func(m map[string]any) { m["transactionTime"] = v })
	}},
	{"manifest: more members", true, func(s *server, r *rand.Rand) {
		v := pick[any](r, marker, []any{map[string]any{"note": marker}},
			map[string]any{"outcome": map[string]any{
				"resourceType": "OperationOutcome",
				"issue": []any{map[string]any{
					"severity": "information", "code": "informational", "diagnostics": marker,
				}},
			}}, 1e300, nil)
		edit(s, func(m map[string]any) { m["extension"] = v })
		for _, f := range s.files {
			f.entry["extension"] = v
		}
	}},
	{"manifest: without error", true, func(s *server, _ *rand.Rand) {
		edit(s, func(m map[string]any) {
			if list, ok := m["error"].([]any); ok && len(list) == 0 {
				delete(m, "error")
			}
		})
	}},
	{"manifest: a mark before it", true, func(s *server, _ *rand.Rand) {
		s.text = append(s.text, func(t string) string { return "\xef\xbb\xbf \n" + t + "\n" })
	}},
	{"manifest: cut", false, func(s *server, r *rand.Rand) {
		at := r.Float64()
		s.text = append(s.text, func(t string) string { return t[:int(float64(len(t))*at)] })
	}},
	{"manifest: something after it", false, func(s *server, r *rand.Rand) {
		more := pick(r, "}", "{}", marker, `,"output":[]`)
		s.text = append(s.text, func(t string) string { return t + more })
	}},
	{"manifest: pages", true, func(s *server, r *rand.Rand) {
		if s.next = pick(r, "BASE/status/2", "2"); r.IntN(2) == 0 {
			s.second = several(r, html(500), html(200), hangUp, cut, retry(r, 503), retry(r, 429))
		}
	}},
	{"manifest: pages elsewhere", false, func(s *server, r *rand.Rand) {
		s.next = pick(r, "http://127.0.0.2:1/status/2", "https://other.invalid/2", "1",
			"BASE/status/1", "mailto:x", "BASE/nowhere")
	}},
	{"manifest: packed", true, func(s *server, _ *rand.Rand) { s.packed = true }},
	{"manifest: packed and damaged", true, func(s *server, r *rand.Rand) {
		at := r.Float64()
		s.poll = []respond{func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			b := pack([]byte(s.page(1)))
			write(w, 200, string(b[:int(float64(len(b))*at)]))
		}}
	}},
	{"manifest: counts", true, func(s *server, r *rand.Rand) {
		for _, f := range s.files {
			if _, counted := f.entry["count"]; counted {
				continue
			}
			n := len(f.lines)
			f.entry["count"] = pick[any](r, n, fmt.Sprint(n), nil, "many", -1, map[string]any{},
				1.5)
		}
	}},
	{"manifest: a type of another form", false, func(s *server, r *rand.Rand) {
		if f := s.output(r); f != nil {
			f.entry["type"] = pick[any](r, strings.ToLower(f.typ), strings.ToUpper(f.typ), nil, "",
				"../x", "Patient/1", 7, "Ünit")
		}
	}},
	{"manifest: another type", false, func(s *server, r *rand.Rand) {
		if f := s.output(r); f != nil {
			f.entry["type"] = pick[any](r, "Patient", "Observation", "Bundle", "Group",
				"OperationOutcome")
		}
	}},
	{"manifest: no url", false, func(s *server, r *rand.Rand) {
		if f := s.output(r); f != nil {
			f.entry["url"] = pick[any](r, nil, "", 7, "gs://bucket/x", "file:///etc/passwd",
				"http://127.0.0.2:1/x")
		}
	}},
	{"manifest: an entry that is none", false, func(s *server, r *rand.Rand) {
		v := pick[any](r, nil, "x", 7, []any{}, map[string]any{})
		edit(s, func(m map[string]any) {
			if list, ok := m["output"].([]any); ok {
				m["output"] = append(list, v)
			}
		})
	}},
}

func onFile(name string, harmless bool, apply func(f *file, r *rand.Rand)) quirk {
	return quirk{name, harmless, func(s *server, r *rand.Rand) {
		if f := s.output(r); f != nil {
			apply(f, r)
		}
	}}
}

var fileQuirks = []quirk{
	onFile("file: passing faults", true, func(f *file, r *rand.Rand) {
		f.first = several(r, status(404), retry(r, 503), retry(r, 429), html(500), html(200),
			hangUp, cut)
	}),
	onFile("file: never there", false, func(f *file, r *rand.Rand) {
		f.always = pick(r, status(404), status(410), html(200), status(403), status(401), html(500),
			cut, says(400, outcome(issue("error", "processing"))))
	}),
	onFile("file: elsewhere", true, func(f *file, r *rand.Rand) {
		f.first = []respond{status(pick(r, 301, 302, 303, 307, 308), "Location", "?again=1")}
	}),
	onFile("file: elsewhere for ever", false, func(f *file, r *rand.Rand) {
		f.always = status(pick(r, 302, 307, 304), "Location",
			pick(r, "?again=1", "http://127.0.0.2:1/", "mailto:x", ""))
	}),
	onFile("file: packed", true, func(f *file, r *rand.Rand) {
		f.zipped, f.suffix = true, pick(r, "", ".gz")
	}),
	onFile("file: packed and cut", false, func(f *file, r *rand.Rand) {
		f.zipped = true
		at := r.Float64()
		f.change = func(b []byte) []byte { return b[:1+int(float64(len(b)-1)*at)] }
	}),
	onFile("file: other ends of lines", true, func(f *file, r *rand.Rand) {
		end := pick(r, "\r\n", "\n\n", "\n \n")
		f.change = func(b []byte) []byte {
			if f.zipped {
				return b
			}
			return []byte(strings.ReplaceAll(string(b), "\n", end))
		}
	}),
	onFile("file: no end of line", true, func(f *file, _ *rand.Rand) {
		f.change = func(b []byte) []byte {
			if f.zipped {
				return b
			}
			return []byte(strings.TrimSuffix(string(b), "\n"))
		}
	}),
	onFile("file: twice the same", true, func(f *file, _ *rand.Rand) {
		if _, counted := f.entry["count"]; !counted {
			f.lines = append(slices.Clone(f.lines), f.lines[0])
		}
	}),
	onFile("file: a bad line", false, func(f *file, r *rand.Rand) {
		f.lines, f.spoilt = slices.Clone(f.lines), f.spoilt+1
		f.lines[r.IntN(len(f.lines))] = pick(r, "{", `{"resourceType":"`+f.typ+`"}`, marker, "[]",
			outcome(issue("error", "processing")), `{"resourceType":"Device","id":"1"}`, "null")
	}),
	onFile("file: fewer than counted", false, func(f *file, _ *rand.Rand) {
		f.entry["count"] = len(f.lines)
		f.lines, f.spoilt = f.lines[:len(f.lines)-1], f.spoilt+1
	}),
	onFile("file: more than counted", false, func(f *file, _ *rand.Rand) {
		f.entry["count"] = len(f.lines) - 1
	}),
	onFile("file: no resources at all", false, func(f *file, r *rand.Rand) {
		f.spoilt += len(f.lines)
		f.lines = []string{pick(r, "<html>"+marker+"</html>", outcome(issue("fatal", "exception")),
			"[", "Service Unavailable")}
	}),
}

// loss removes resources from the export and reports the loss in one of many ways.
func loss(name string, report func(s *server, r *rand.Rand, typ string)) quirk {
	return quirk{"loss: " + name, false, func(s *server, r *rand.Rand) {
		if typ, ok := s.withhold(r); ok {
			report(s, r, typ)
		}
	}}
}

// reported adds an error file.
func (s *server) reported(r *rand.Rand, lines ...string) *file {
	f := &file{
		member: pick(r, "error", "error", "outcome"),
		typ:    pick(r, "OperationOutcome", "OperationOutcome", "OperationOutcome", ""),
		lines:  lines, entry: map[string]any{},
	}
	s.files = append(s.files, f)
	return f
}

func grave(r *rand.Rand) string {
	return issue(pick(r, "error", "fatal", "error", "fatal", "Error", "critical", ""),
		pick(r, "processing", "exception", "zz", "informational", ""))
}

var lossQuirks = []quirk{
	loss("by an error", func(s *server, r *rand.Rand, _ string) {
		s.reported(r, outcome(grave(r)))
	}),
	loss("among warnings", func(s *server, r *rand.Rand, _ string) {
		s.reported(r, outcome(issue("warning", "processing"),
			issue("information", "informational")), "",
			outcome(issue("warning", "processing"), grave(r)))
	}),
	loss("of a type", func(s *server, r *rand.Rand, typ string) {
		s.reported(r, outcome(issue("error", "processing",
			pick(r, `,"expression":["`+typ+`.subject"]`, `,"location":["`+typ+`/1"]`,
				`,"details":{"coding":[{"code":"`+typ+`"}]}`))))
	}),
	loss("of an unknown type", func(s *server, r *rand.Rand, _ string) {
		s.reported(r, outcome(issue("error", "processing",
			pick(r, `,"expression":["Zz.x"]`, `,"expression":"Patient"`, `,"location":[7]`,
				`,"details":[]`))))
	}),
	loss("by a page", func(s *server, r *rand.Rand, _ string) {
		s.reported(r, "<html>"+marker+"</html>")
	}),
	loss("by something else", func(s *server, r *rand.Rand, _ string) {
		s.reported(r, pick(r, `{"resourceType":"OperationOutcome"}`,
			`{"resourceType":"OperationOutcome","issue":[]}`, `{"issue":[]}`, "{", "null", "[]",
			marker))
	}),
	loss("by a file that is not there", func(s *server, r *rand.Rand, _ string) {
		s.reported(r, outcome(grave(r))).always = pick(r, status(404), status(410), html(200),
			html(500), status(403), cut, hangUp)
	}),
	loss("by a packed file", func(s *server, r *rand.Rand, _ string) {
		s.reported(r, outcome(grave(r))).zipped = true
	}),
	loss("by a file that is cut", func(s *server, r *rand.Rand, _ string) {
		f, at := s.reported(r, outcome(issue("error", "processing"))), 0.9*r.Float64()
		f.change = func(b []byte) []byte { return b[:1+int(float64(len(b))*at)] }
	}),
	loss("in the manifest", func(s *server, r *rand.Rand, _ string) {
		where, text := pick(r, "issues", "extension", "x"), grave(r)
		s.text = append(s.text, func(t string) string {
			value := `{"a":[` + outcome(text) + `]}`
			if where == "issues" {
				value = "[" + text + "]"
			}
			return strings.Replace(t, "{", `{"`+where+`":`+value+`,`, 1)
		})
	}),
	{"warnings only", true, func(s *server, r *rand.Rand) {
		s.reported(r, outcome(issue("warning", "processing"),
			issue("information", "informational")))
	}},
}
