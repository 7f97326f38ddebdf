package fhirserver_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"fhirsynapse/internal/emulator/fhirserver"
)

func (w *world) putGroup(path, body string, headers ...string) reply {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPut, w.base+path,
		strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, string(text)}
}

func TestGroupsAreWrittenWithPreconditions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	group := func(member string) string {
		return `{"resourceType":"Group","id":"g","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/` +
			member + `"}}]}`
	}
	for _, tt := range []struct {
		name, path, body string
		headers          []string
		status           int
		etag             string
	}{
		{"create", "/Group/g", group("a"), []string{"If-None-Match", "*"}, 201, `W/"1"`},
		{"create again", "/Group/g", group("b"), []string{"If-None-Match", "*"}, 412, ""},
		{"replace", "/Group/g", group("b"), []string{"If-Match", `W/"1"`}, 200, `W/"2"`},
		{"replace an old version", "/Group/g", group("c"), []string{"If-Match", `W/"1"`}, 412, ""},
		{
			"replace what is not there", "/Group/h", strings.Replace(group("c"), `"g"`, `"h"`, 1),
			[]string{"If-Match", `W/"1"`},
			412, "",
		},
		{"without a condition", "/Group/g", group("d"), nil, 200, `W/"3"`},
		{"of another id", "/Group/h", group("d"), nil, 400, ""},
		{"of another type", "/Patient/p", patient("p"), nil, 405, ""},
	} {
		r := w.putGroup(tt.path, tt.body, tt.headers...)
		if r.status != tt.status || tt.etag != "" && r.header.Get("ETag") != tt.etag {
			t.Errorf("%s: answered %d with ETag %s, want %d %s", tt.name, r.status,
				r.header.Get("ETag"), tt.status, tt.etag)
		}
	}
	if r := w.get("/Group/g"); !strings.Contains(r.body, "Patient/d") ||
		r.header.Get("ETag") != `W/"3"` {
		t.Errorf("the Group is %s %s", r.header.Get("ETag"), r.body)
	}
}

func TestGroupWritesMayBeForbidden(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *fhirserver.Options) { o.GroupWrites = http.StatusForbidden })
	if r := w.putGroup("/Group/g", `{"resourceType":"Group","id":"g"}`); r.status != 403 {
		t.Errorf("answered %d", r.status)
	}
}

func TestAGroupExportHasItsMembersOfThatTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, patient("a"), patient("b"), observation("x", "a", "1"),
		observation("y", "b", "1"))
	members := func(ids ...string) {
		var list []string
		for _, id := range ids {
			list = append(list, `{"entity":{"reference":"Patient/`+id+`"}}`)
		}
		if r := w.putGroup("/Group/g", `{"resourceType":"Group","id":"g","type":"person","actual":true,"member":[`+
			strings.Join(list, ",")+`]}`); r.status >= 300 {
			t.Fatalf("answered %d %s", r.status, r.body)
		}
	}
	for _, tt := range []struct{ member, want string }{
		{"a", "Observation/x/1"}, {"b", "Observation/y/1"},
	} {
		members(tt.member)
		if rows := w.export("/Group/g/$export", "_type", "Observation"); len(rows) != 1 ||
			rows[0] != tt.want {
			t.Errorf("member %s: %v", tt.member, rows)
		}
	}
}
