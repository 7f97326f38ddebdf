package bulkfhir_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

func manifestVersions(t *testing.T) {
	for name, edit := range map[string]func(m map[string]any){
		"version 1, without error": func(m map[string]any) {
			delete(m, "error")
			delete(m, "deleted")
		},
		"version 4": func(m map[string]any) {
			m["outcome"] = m["error"]
			delete(m, "error")
			delete(m, "request")
			m["manifestType"] = "x"
		},
		"extensions of either form": func(m map[string]any) {
			m["extension"] = []any{map[string]any{"url": "x"}}
		},
		"members of another type": func(m map[string]any) {
			m["request"] = 7
			m["requiresAccessToken"] = "false"
			m["issues"] = nil
		},
		"entries with more than due": func(m map[string]any) {
			m["output"].([]map[string]any)[0]["fileSize"] = 12
		},
		"counts as text": func(m map[string]any) {
			m["output"].([]map[string]any)[0]["count"] = "2"
		},
		"no counts": func(m map[string]any) {
			delete(m["output"].([]map[string]any)[0], "count")
		},
		"a time without zone": func(m map[string]any) {
			m["transactionTime"] = begin.Format("2006-01-02T15:04:05")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
				r.server.edit = func(m map[string]any, _ int) { edit(m) }
			})
			r.loaded(firstExport)
			r.expectRows("patient", 2)
		})
	}
	for name, c := range map[string]struct {
		edit func(m map[string]any)
		want string
	}{
		"a year of five digits": {func(m map[string]any) {
			m["transactionTime"] = "10000-01-01T00:00:00Z"
		}, "in an impossible year"},
		"a negative year": {func(m map[string]any) {
			m["transactionTime"] = "-0001-01-01T00:00:00Z"
		}, "in an impossible year"},
		"the year 9000": {func(m map[string]any) {
			m["transactionTime"] = "9000-01-01T00:00:00Z"
		}, "ahead of the server's own clock"},
		"the year 1900": {func(m map[string]any) {
			m["transactionTime"] = "1900-01-01T00:00:00Z"
		}, "in the year 1900"},
		"no output": {func(m map[string]any) {
			delete(m, "output")
		}, "no list called output"},
		"output is null": {func(m map[string]any) {
			m["output"] = nil
		}, "no list called output"},
		"output is an object": {func(m map[string]any) {
			m["output"] = map[string]any{}
		}, "no list called output"},
		"types that differ in case": {func(m map[string]any) {
			m["output"].([]map[string]any)[1]["type"] = "PATIENT"
		}, "upper and lower case only"},
		"a type in lower case": {func(m map[string]any) {
			m["output"].([]map[string]any)[1]["type"] = "patient"
		}, "not a resource type"},
		"one of the future": {func(m map[string]any) {
			m["transactionTime"] = "2036-01-01T00:00:00Z"
		}, "ahead of the server's own clock"},
		"an entry without url": {func(m map[string]any) {
			delete(m["output"].([]map[string]any)[1], "url")
		}, "output[1] lacks"},
		"a file elsewhere": {func(m map[string]any) {
			m["output"].([]map[string]any)[1]["url"] = "gs://bucket/x"
		}, "a URL that is not http or https"},
		"a path for a type": {func(m map[string]any) {
			m["output"].([]map[string]any)[1]["type"] = "../../x"
		}, "not a resource type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newRig(t, bulkfhir.DialectBulk, func(r *rig) {
				r.server.edit = func(m map[string]any, _ int) { c.edit(m) }
			}).failed(firstExport, c.want)
		})
	}
}

func emptyOutput(t *testing.T) {
	bothDialects(t, func(t *testing.T, dialect string) {
		r := newRig(t, dialect, func(r *rig) { r.server.output = nil })
		r.loaded(firstExport)
		r.expectRows("patient", 0)
		r.loaded(secondExport)
		e, _ := r.export(secondExport)
		if e.Jobs[0].Since.IsZero() {
			t.Error("the watermark did not move")
		}
	})
}

func expiredLinks(t *testing.T) {
	for _, status := range []int{401, 403, 404, 410} {
		r := newRig(t, bulkfhir.DialectBulk)
		r.server.output = nil
		for i := range 6 {
			r.server.output = append(r.server.output,
				ndjson("Patient", patient(fmt.Sprintf("p%d", i))))
		}
		age := 0
		r.server.edit = func(m map[string]any, _ int) {
			for _, f := range m["output"].([]map[string]any) {
				f["url"] = fmt.Sprintf("%v?age=%d", f["url"], age)
			}
		}
		r.server.on["file"] = func(w http.ResponseWriter, req *http.Request, n int) bool {
			if n == 3 {
				age = 1 // every link in the manifest expires
			}
			if req.URL.Query().Get("age") != strconv.Itoa(age) {
				w.WriteHeader(status)
				return true
			}
			return false
		}
		r.server.polls = 0
		r.loaded(firstExport)
		r.expectRows("patient", 6)
		if n := len(r.server.requests("status")); n != 2 {
			t.Errorf("HTTP %d: the manifest was read %d times, want 2", status, n)
		}
	}
	r := newRig(t, bulkfhir.DialectBulk)
	r.server.on["status"] = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("Expires", begin.Add(48*time.Hour).Format(http.TimeFormat))
		return false
	}
	r.loaded(firstExport)
	if m := document[pipeline.Manifest](r,
		"manifests/"+firstExport+".1"); !m.Expires.Equal(begin.Add(48 * time.Hour)) {
		t.Errorf("Expires is kept as %v", m.Expires)
	}
}

func allMembers(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.server.deleted = []scriptFile{ndjson("Bundle", deletedBundle("Patient/p9"))}
		r.server.errors = []scriptFile{ndjson("OperationOutcome",
			outcome("processing", "secret-name"), outcome("not-found", "x"),
			outcome("processing", "y"))}
	})
	if e := r.run(firstExport); e.State != records.Incomplete || len(e.Shortfall.Types) != 2 {
		t.Errorf("%s: %+v", e.State, e.Shortfall)
	}
	r.settle()
	issues, err := records.IssueCounts(t.Context(), r.journal, firstExport)
	if err != nil || fmt.Sprint(issues) != "map[error/not-found:1 error/processing:2]" {
		t.Errorf("issues: %v, %v", issues, err)
	}
	if strings.Contains(r.said.String(), "secret-name") {
		t.Error("the words of an error file came into the log")
	}
	kept := 0
	for f, err := range r.lake.List(t.Context(), pipeline.Landing, "") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(f.Path, "OperationOutcome") {
			kept++
		}
	}
	if kept != 1 {
		t.Errorf("%d error files kept, want 1", kept)
	}
}

func deletedBundle(ids ...string) string {
	var entries []string
	for _, id := range ids {
		entries = append(entries, `{"request":{"method":"DELETE","url":"`+id+`"}}`)
	}
	return `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join(entries, ",") +
		`]}`
}

func deletesApplied(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.server.output = []scriptFile{ndjson("Patient", patient("p1"), patient("p2"),
			patient("p3"), patient("p4"))}
	})
	r.loaded(firstExport)
	r.expectRows("patient", 4)
	r.server.output = []scriptFile{ndjson("Patient", patient("p4"))}
	r.server.deleted = []scriptFile{
		ndjson("Bundle",
			deletedBundle("Patient/p1", "Observation/o7",
				"http://elsewhere.example/fhir/Patient/p2"), deletedBundle(), ""),
		ndjson("Bundle", deletedBundle("Patient/p3")),
	}
	r.server.deleted[0].count = 2 // blank lines are not counted
	r.loaded(secondExport)
	r.expectRows("patient", 2) // the delete of p2 names another server
	r.server.output, r.server.deleted = []scriptFile{ndjson("Patient", patient("p1"))}, nil
	r.loaded("nightly-000003") // p3 is created again
	r.expectRows("patient", 3)

	for name, line := range map[string]string{
		"no Bundle":            patient("p1"),
		"no JSON":              "{",
		"a conditional delete": deletedBundle("Patient?name=x"),
		"an id that is none":   deletedBundle("Patient/a b"),
		"another method":       strings.Replace(deletedBundle("Patient/p1"), "DELETE", "PUT", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
				r.server.deleted = []scriptFile{ndjson("Bundle", line)}
			})
			r.failed(firstExport, "line 1 of the deletes cannot be applied")
			r.expectRows("patient", 0)
		})
	}
}

func pages(t *testing.T) {
	many := func(r *rig) {
		r.server.output = nil
		for i := range 7 {
			r.server.output = append(r.server.output,
				ndjson("Patient", patient(fmt.Sprintf("p%d", i))))
		}
		r.server.perPage = 2
	}
	r := newRig(t, bulkfhir.DialectBulk, many)
	r.loaded(firstExport)
	r.expectRows("patient", 7)
	asked := map[string]int{}
	for _, s := range r.server.requests("status") {
		asked[s.uri]++
	}
	for page := 1; page <= 3; page++ {
		if n := asked[fmt.Sprintf("/fhir/status/1?page=%d", page)]; n != 1 {
			t.Errorf("page %d was read %d times: %v", page, n, asked)
		}
	}
	raw := document[struct {
		Manifest string
		Pages    []string
	}](r, "manifests/"+firstExport+".1.raw")
	if len(raw.Pages) != 3 || !strings.Contains(raw.Manifest, "transactionTime") {
		t.Errorf("%d further pages kept, want 3", len(raw.Pages))
	}
	for name, c := range map[string]struct {
		edit func(m map[string]any, page int)
		want string
	}{
		"a loop": {func(m map[string]any, page int) {
			if page == 2 {
				m["link"] = []map[string]any{{"relation": "next", "url": "/fhir/status/1?page=1"}}
			}
		}, "leads back to a page before it"},
		"another time": {func(m map[string]any, page int) {
			if page == 1 {
				m["transactionTime"] = "2026-01-01T00:00:00Z"
			}
		}, "page 2 has another transactionTime"},
		"another need of tokens": {func(m map[string]any, page int) {
			m["requiresAccessToken"] = page == 1
		}, "another requiresAccessToken"},
		"no URL": {func(m map[string]any, page int) {
			m["link"] = []map[string]any{{"relation": "next", "url": "mailto:x"}}
		}, "is not a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newRig(t, bulkfhir.DialectBulk, many, func(r *rig) {
				r.server.edit = c.edit
			}).failed(firstExport, c.want)
		})
	}
	// A page with a transient error is requested again. A 202 that carries a manifest still means
	// running: the client does not ask for partial manifests.
	r = newRig(t, bulkfhir.DialectBulk, many)
	r.server.on["status"] = func(w http.ResponseWriter, req *http.Request, n int) bool {
		switch {
		case n == 1:
			says(202, `{"transactionTime":"2026-11-23T08:00:00Z","output":[],"link":[{"relation":"next","url":"x"}]}`)(w, req)
		case strings.Contains(req.RequestURI, "page=2") && n < 8:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			return false
		}
		return true
	}
	r.loaded(firstExport)
	r.expectRows("patient", 7)
}

func oneType(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.server.output = []scriptFile{ndjson("Patient", patient("p1"),
			observation("o1", "Patient/p1"))}
	})
	r.failed(firstExport, "1 of 2 lines are bad")
	r.expectRows("patient", 0)
	r = newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.server.output = []scriptFile{ndjson("Patient", patient("p1"), outcome("exception", "x"))}
		r.plan.MaxBad = 0.5
	})
	r.loaded(firstExport)
	r.expectRows("patient", 1)
	bothDialects(t, func(t *testing.T, dialect string) {
		newRig(t, dialect, func(r *rig) {
			r.server.edit = func(m map[string]any, _ int) { m["outputOrganizedBy"] = "Patient" }
		}).failed(firstExport, `organised by "Patient", which was not requested`)
	})
}

func watermark(t *testing.T) {
	for _, until := range []bool{false, true} {
		r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
			r.options.Until, r.plan.OpenEnd = until, !until
			r.plan.Lag, r.plan.Overlap = 3*time.Minute, 15*time.Minute
		})
		on := r.server.on["file"]
		r.always("file", says(410, ""))
		r.failed(firstExport, "410")
		r.server.on["file"] = on
		r.loaded(secondExport)
		failed, _ := r.export(firstExport)
		loaded, _ := r.export(secondExport)
		if !failed.Jobs[0].Since.IsZero() || !loaded.Jobs[0].Since.IsZero() {
			t.Error("an export that failed moved the watermark")
		}
		r.loaded("nightly-000003")
		third, _ := r.export("nightly-000003")
		mark := r.job(secondExport + ".1").TransactionTime
		if until {
			mark = loaded.Jobs[0].Till
		}
		if want := mark.Add(-15 * time.Minute); mark.IsZero() || !third.Jobs[0].Since.Equal(want) {
			t.Errorf("until %v: since is %v, want %v", until, third.Jobs[0].Since, want)
		}
		k := r.server.requests("kick-off")
		if got := strings.Contains(k[0].uri, "_until="); got != until {
			t.Errorf("until %v: asked for %s", until, k[0].uri)
		}
		if strings.Contains(k[1].uri, "_since=") || !strings.Contains(k[2].uri, "_since=") {
			t.Errorf("asked for %s, then %s", k[1].uri, k[2].uri)
		}
	}
}

func severalFiles(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.server.output = nil
		for i := range 5 {
			r.server.output = append(r.server.output,
				ndjson("Patient", patient(fmt.Sprintf("p%d", i)), patient("twice")))
		}
	})
	r.loaded(firstExport)
	r.expectRows("patient", 6)
	seen := map[string]bool{}
	for f, err := range r.lake.List(t.Context(), pipeline.Landing, "") {
		if err != nil || seen[f.Path] {
			t.Errorf("%s, %v", f.Path, err)
		}
		seen[f.Path] = true
	}
	if len(seen) != 5 {
		t.Errorf("%d files landed, want 5", len(seen))
	}
}
