package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// server exports like Azure: it writes into our lake, each blob empty first and then the same
// bytes twice.
type server struct {
	w               *world
	data            []resource // every version ever
	jobs            map[string]*serverJob
	kickOffs        int
	pollsBeforeDone int
	fileSize        int
	// rewrite and orphan set what repeated child jobs leave behind.
	rewrite, orphan bool
	loseEvents      bool
	status          func() error
	noCount         bool
	// withheld lists types that the server cannot export, and reports has the lines of its
	// error file: severity/code, then types.
	withheld map[string]bool
	reports  []string
	// groups maps a Group to the first letters of the ids of the resources that its exports
	// contain; nil means that every export contains everything.
	groups map[string]string
	// members maps a Group to the last letters of the ids of the resources of its members.
	members map[string]map[string]bool
	// sinceByPatient compares _since with the Patient of a resource, below system level.
	sinceByPatient bool
	// honest makes exports contain deleted resources only if the request asks for them.
	honest bool
}

type serverJob struct {
	request pipeline.Request
	folder  string
	polls   int
	written bool
	output  []pipeline.OutputFile
	errors  []pipeline.OutputFile
	ended   bool
}

func (s *server) put(typ, id, value string, number int, deleted bool) {
	s.w.clock = s.w.clock.Add(time.Second)
	s.data = append(s.data, resource{
		Type: typ, ID: id, Updated: s.w.clock, Number: number, Deleted: deleted, Value: value,
	})
}

func (s *server) newest(typ string, since, till time.Time) []resource {
	last := map[string]resource{}
	for _, r := range s.data {
		if r.Type == typ && r.version() > last[r.ID].version() {
			last[r.ID] = r
		}
	}
	var out []resource
	for _, id := range slices.Sorted(maps.Keys(last)) {
		if r := last[id]; !r.Updated.Before(since) && (till.IsZero() || r.Updated.Before(till)) {
			out = append(out, r)
		}
	}
	return out
}

func (s *server) present() map[string]string {
	out := map[string]string{}
	for _, typ := range []string{"Patient", "Observation"} {
		for _, r := range s.newest(typ, time.Time{}, time.Time{}) {
			if !r.Deleted {
				out[typ+"/"+r.ID] = r.Value
			}
		}
	}
	return out
}

func (s *server) Now(context.Context) (time.Time, error) { return s.w.clock.Add(time.Second), nil }

func (s *server) KickOff(_ context.Context, r pipeline.Request) (pipeline.Accepted, error) {
	s.kickOffs++
	id := fmt.Sprint(100 + s.kickOffs)
	s.jobs["status/"+
		id] = &serverJob{request: r, folder: s.w.clock.Format("20060102T150405") + "-" + id}
	return pipeline.Accepted{StatusURL: "status/" + id, Folder: id}, nil
}

func (s *server) Status(_ context.Context, url string) (pipeline.Status, error) {
	j := s.jobs[url]
	if s.status != nil {
		if err := s.status(); err != nil {
			return pipeline.Status{}, err
		}
	}
	if j == nil || j.ended {
		return pipeline.Status{}, fault.Permanentf("no such job")
	}
	if j.polls++; j.polls <= s.pollsBeforeDone {
		if !j.written {
			s.write(j)
		}
		return pipeline.Status{Progress: "half way"}, nil
	}
	if !j.written {
		s.write(j)
	}
	if s.rewrite && len(j.output) > 0 {
		s.rewrite = false
		s.write(j) // a repeated child job: same names, same bytes
	}
	return pipeline.Status{
		Manifest: &pipeline.Manifest{
			TransactionTime: s.w.clock, Output: j.output, Errors: j.errors, Raw: []byte("{}"),
		},
	}, nil
}

func (s *server) Cancel(_ context.Context, url string) error {
	if j := s.jobs[url]; j != nil {
		j.ended = true
	}
	return nil
}

func (s *server) write(j *serverJob) {
	j.written, j.output, j.errors = true, nil, nil
	if len(s.reports) > 0 {
		path := j.folder + "/OperationOutcome-1.ndjson"
		s.blob(path, []byte(strings.Join(s.reports, "\n")))
		j.errors = []pipeline.OutputFile{{Type: "OperationOutcome", Path: path, Count: -1}}
	}
	for n, typ := range s.types(j.request) {
		resources := s.newest(typ, j.request.Since, j.request.Till)
		if s.groups != nil && j.request.Level != pipeline.LevelSystem {
			resources = slices.DeleteFunc(resources, func(r resource) bool {
				return r.Deleted || !strings.HasPrefix(r.ID, s.groups[j.request.Group])
			})
		}
		resources = slices.DeleteFunc(resources, func(r resource) bool {
			stranger := s.members != nil && j.request.Level != pipeline.LevelSystem &&
				!s.members[j.request.Group][r.ID[len(r.ID)-1:]]
			return stranger || s.honest && r.Deleted && !j.request.Deleted ||
				s.sinceByPatient && !s.patientChanged(r.ID, j.request)
		})
		size := max(s.fileSize, 1)
		for k := 0; k*size < len(resources); k++ {
			var b bytes.Buffer
			part := resources[k*size : min(len(resources), (k+1)*size)]
			for _, r := range part {
				line, _ := json.Marshal(r)
				b.Write(append(line, '\n'))
			}
			path := fmt.Sprintf("%s/%s-%d-%d.ndjson", j.folder, typ, n+1, k+1)
			s.blob(path, b.Bytes())
			count := int64(len(part))
			if s.noCount {
				count = -1
			}
			j.output = append(j.output, pipeline.OutputFile{
				Type: typ, URL: "https://lake/" + path, Path: path, Count: count,
			})
		}
	}
	if s.orphan {
		s.blob(j.folder+"/Patient-9-9.ndjson",
			[]byte(`{"resourceType":"Patient","id":"orphan","number":1}`+"\n"))
	}
}

// patientChanged reports whether the Patient of a resource, with the same id, is in the window.
func (s *server) patientChanged(id string, r pipeline.Request) bool {
	return r.Level == pipeline.LevelSystem ||
		slices.ContainsFunc(s.newest("Patient", r.Since, r.Till), func(p resource) bool {
			return p.ID == id
		})
}

// types lists the types that a request asks for and the server can export.
func (s *server) types(r pipeline.Request) []string {
	types := r.Types
	if len(types) == 0 {
		types = []string{"Patient", "Observation"}
	}
	return slices.DeleteFunc(slices.Clone(types), func(t string) bool { return s.withheld[t] })
}

func (s *server) blob(path string, data []byte) {
	for _, content := range [][]byte{nil, data, data} {
		f, err := s.w.lake.Put(context.Background(), pipeline.Landing, path,
			bytes.NewReader(content))
		if err != nil {
			panic(err)
		}
		if !s.loseEvents {
			s.w.events = append(s.w.events, event{f.Path, f.ETag, f.Size})
		}
	}
}
