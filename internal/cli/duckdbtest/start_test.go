package duckdbtest_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/signin"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/internal/sandbox"
	"fhirsynapse/internal/warehouse/duckdb"
)

// bulkServer serves synthetic data according to the Bulk Data guide.
type bulkServer struct {
	*fhirserver.Server
	data *store.Store
	base string
	db   string
	dir  string
}

func newBulkServer(t *testing.T, b fhirserver.Bulk, maxCount int) *bulkServer {
	t.Helper()
	s := &bulkServer{dir: t.TempDir()}
	s.db = filepath.Join(s.dir, "out", "x.duckdb")
	var err error
	if s.data, err = store.New(store.Options{}); err != nil {
		t.Fatal(err)
	}
	add := func(_ string, line []byte) error { return s.data.Add(line) }
	if err := synthetic.Generate(synthetic.Options{Seed: 1, Patients: 12}, add); err != nil {
		t.Fatal(err)
	}
	s.Server, err = fhirserver.New(fhirserver.Options{
		Store: s.data, Blobs: &jobs.Memory{}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Bulk: &b, MaxCount: maxCount,
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.base, err = s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

type ended struct {
	code     int
	out, err string
}

// start runs the command as a person would, into the server's own database.
func (s *bulkServer) start(ctx context.Context, args ...string) ended {
	var out, errs bytes.Buffer
	args = append([]string{"start", "--once", "--source", s.base, "--to", "duckdb:" + s.db},
		args...)
	code := cli.Run(ctx, args, func(string) string {
		return ""
	}, cli.Streams{Out: &out, Err: &errs, Now: time.Now}, commands(time.Now))
	return ended{code, out.String(), errs.String()}
}

func (s *bulkServer) counts(t *testing.T, tables ...string) string {
	t.Helper()
	var all []string
	for _, table := range tables {
		all = append(all, s.count(t, table))
	}
	return strings.Join(all, ", ")
}

// count returns a table's name and its number of rows; a missing table has none.
func (s *bulkServer) count(t *testing.T, table string) string {
	t.Helper()
	ask := func(statement string) (n int) {
		rows, err := duckdb.Query(t.Context(), s.db, statement, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if !rows.Next() || rows.Scan(&n) != nil || rows.Close() != nil {
			t.Fatalf("no count of %s: %v", table, rows.Err())
		}
		return n
	}
	if _, err := os.Stat(s.db); err != nil ||
		ask("SELECT count(*) FROM information_schema.tables WHERE table_name = '"+table+"'") == 0 {
		return table + " 0"
	}
	return fmt.Sprintf("%s %d", table, ask(`SELECT count(*) FROM main."`+table+`"`))
}

// sameAsFresh compares the tables with the tables of another export into an empty file.
func (s *bulkServer) sameAsFresh(t *testing.T) {
	t.Helper()
	here := s.db
	s.db = filepath.Join(t.TempDir(), "fresh.duckdb")
	if got := s.start(t.Context()); got.code != 0 {
		t.Fatalf("a fresh export: %+v", got)
	}
	if err := sandbox.SameTables(t.Context(), here, s.db, "main"); err != nil {
		t.Error("beside a fresh export: ", err)
	}
	s.db = here
}

func TestStartOnceEndsWithTheReconciliation(t *testing.T) {
	t.Parallel()
	s := newBulkServer(t, fhirserver.Bulk{Progress: []string{"some of it"}}, 0)
	release := s.HoldJobs()
	timer := time.AfterFunc(3*time.Second, release)
	defer timer.Stop()
	got := s.start(t.Context(), "--level", "patient", "--types", "Patient,Observation")
	if got.code != 0 {
		t.Fatalf("%+v", got)
	}
	counts := s.data.Counts()
	for _, want := range []string{
		// A patient who is linked to another patient is in both compartments, so the server sends
		// the patient twice.
		fmt.Sprintf(`│ Patient +│ +1 │ +\d+ │ +\d+ │ +%d │`, counts["Patient"]),
		fmt.Sprintf(`│ Observation +│ +1 │ +%d │`, counts["Observation"]),
		`is loaded: \d+ resources, 0 deletes, 0 quarantined, .* seconds; every line is accounted for`,
	} {
		if !regexp.MustCompile(want).MatchString(got.out) {
			t.Errorf("output lacks %s:\n%s", want, got.out)
		}
	}
	for _, want := range []string{
		"asking the server for an export\n", "its job is " + s.base, "loaded: 2 files",
	} {
		if !strings.Contains(got.err, want) {
			t.Errorf("progress lacks %q:\n%s", want, got.err)
		}
	}
	if rows, want := s.counts(t, "patient"),
		fmt.Sprintf("patient %d", counts["Patient"]); rows != want {
		t.Errorf("%s, want %s", rows, want)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(s.db), ".fhirsynapse*")); err != nil ||
		len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestStartOnceAgainWithDeletes(t *testing.T) {
	t.Parallel()
	s := newBulkServer(t, fhirserver.Bulk{PageSize: 3}, 25)
	if got := s.start(t.Context()); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	since := time.Now().UTC()
	changed, err := s.data.Change(7,
		store.Shares{Update: 0.2, Add: 0.1, Delete: 0.2, Recreate: 0.3}, since)
	if err != nil {
		t.Fatal(err)
	}
	got := s.start(t.Context(), "--since", since.Format(time.RFC3339Nano))
	if got.code != 0 || len(changed.Deleted) == 0 {
		t.Fatalf("%v %+v", changed, got)
	}
	if strings.Contains(got.out, " 0 deletes") {
		t.Errorf("no deletes came:\n%s", got.out)
	}
	s.sameAsFresh(t)
}

func TestStartOnceNarrowsTheExport(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"a patient": {
			[]string{"--level", "patient", "--patient", "only"},
			"patient 1, observation 2, organization 0",
		},
		"a group": {
			[]string{"--level", "group", "--group", "g"},
			"patient 1, observation 2, organization 0",
		},
		"a filter": {[]string{
			"--types", "Observation", "--type-filter", "Observation?code=http://example.org|x,y",
		}, "patient 0, observation 2, organization 0"},
		"until long ago": {
			[]string{"--until", "2019-01-01T00:00:00Z"},
			"patient 0, observation 0, organization 0",
		},
		"until after it": {[]string{
			"--until", "2025-01-01T00:00:00Z", "--types", "Organization",
		}, "patient 0, observation 0, organization all"},
		"lenient and by POST": {[]string{
			"--lenient", "--method", "POST", "--types", "Organization",
		}, "patient 0, observation 0, organization all"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newBulkServer(t, fhirserver.Bulk{}, 0)
			for _, line := range []string{
				`{"resourceType":"Patient","id":"only"}`,
				`{"resourceType":"Group","id":"g","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/only"}}]}`,
				`{"resourceType":"Observation","id":"x","code":{"coding":[{"system":"http://example.org","code":"x"}]},"subject":{"reference":"Patient/only"}}`,
				`{"resourceType":"Observation","id":"y","code":{"coding":[{"code":"y"}]},"subject":{"reference":"Patient/only"}}`,
			} {
				if err := s.data.Add([]byte(line)); err != nil {
					t.Fatal(err)
				}
			}
			if got := s.start(t.Context(), tt.args...); got.code != 0 {
				t.Fatalf("%+v", got)
			}
			var counts []string
			expected := strings.ReplaceAll(tt.want, "all",
				fmt.Sprint(s.data.Counts()["Organization"]))
			for want := range strings.SplitSeq(expected, ", ") {
				table, _, _ := strings.Cut(want, " ")
				counts = append(counts, s.count(t, table))
			}
			if got := strings.Join(counts, ", "); got != expected {
				t.Errorf("%s, want %s", got, expected)
			}
		})
	}
}

func TestStartOnceSignsIn(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sign, err := signin.New(signin.Options{Now: time.Now, Clients: map[string]signin.Client{
		"app": {Keys: map[string]crypto.PublicKey{"k1": &key.PublicKey}}, "old": {Secret: "s3cret"},
	}, Bearer: []string{"fixed"}})
	if err != nil {
		t.Fatal(err)
	}
	s := newBulkServer(t, fhirserver.Bulk{SignIn: sign}, 0)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name, text string) string {
		path := filepath.Join(s.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file:" + path
	}
	pemFile := file("key.pem",
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	for _, tt := range []struct {
		name string
		args []string
		says string // a text in the errors; empty means success
	}{
		{"smart", []string{
			"--auth", "smart", "--client-id", "app", "--key", pemFile, "--key-id", "k1",
		}, ""},
		{
			"smart with another key id",
			[]string{"--auth", "smart", "--client-id", "app", "--key", pemFile, "--key-id", "k2"},
			"invalid_client",
		},
		{
			"client secret",
			[]string{
				"--auth", "client-secret", "--client-id", "old", "--secret",
				file("secret", "s3cret\n"),
			},
			"",
		},
		{"bearer", []string{"--auth", "bearer", "--token", file("token", "fixed")}, ""},
		{"a bad token", []string{"--auth", "bearer", "--token", file("bad", "other-token")}, "401"},
		{"nothing", nil, "401"},
	} {
		got := s.start(t.Context(), append(tt.args, "--types", "Patient")...)
		if ok := tt.says == ""; (got.code == 0) != ok || !strings.Contains(got.err, tt.says) {
			t.Errorf("%s: %+v", tt.name, got)
		}
		for _, secret := range []string{"s3cret", "fixed", "other-token", "BEGIN"} {
			if strings.Contains(got.out+got.err, secret) {
				t.Errorf("%s: the output holds a secret", tt.name)
			}
		}
	}
}

func TestStartOnceSurvives(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		bulk  fhirserver.Bulk
		count int
	}{
		"status in the query": {bulk: fhirserver.Bulk{QueryStatus: true, PageSize: 1}},
		"POST only":           {bulk: fhirserver.Bulk{Methods: []string{"POST"}}},
		"files that are cut": {bulk: fhirserver.Bulk{
			NoGzip: true, Faults: fhirserver.Faults{Files: []fhirserver.Answer{
				{CutAfter: 100}, {CutAfter: 50},
			}},
		}},
		"an error file": {bulk: fhirserver.Bulk{Faults: fhirserver.Faults{ErrorFile: 2}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newBulkServer(t, tt.bulk, tt.count)
			got := s.start(t.Context(), "--types", "Patient,Organization,Encounter")
			if errors := name == "an error file"; errors && got.code != 3 ||
				!errors && got.code != 0 {
				t.Fatalf("%+v", got)
			}
			counts := s.data.Counts()
			want := fmt.Sprintf("patient %d, organization %d, encounter %d", counts["Patient"],
				counts["Organization"], counts["Encounter"])
			if rows := s.counts(t, "patient", "organization", "encounter"); rows != want {
				t.Errorf("%s, want %s", rows, want)
			}
			if name == "an error file" &&
				!strings.Contains(got.out, "the server reported: 2 × error/exception") {
				t.Errorf("the server's errors are not told:\n%s", got.out)
			}
		})
	}
}

func TestStartOnceFailsAndSaysWhy(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		faults fhirserver.Faults
		args   []string
		says   string
	}{
		"the job fails": {
			faults: fhirserver.Faults{Failure: &jobs.Failure{
				Status: 400, Reason: "the index is broken",
			}}, args: []string{"--show-server-text"}, says: "the index is broken",
		},
		"an unknown group": {args: []string{"--level", "group", "--group", "none"}, says: "404"},
		"another warehouse": {
			args: []string{"--to", "bigquery:x"},
			says: "start writes to csv, duckdb, fabric, ndjson, parquet, sqlserver, synapse-dedicated",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newBulkServer(t, fhirserver.Bulk{Faults: tt.faults}, 0)
			got := s.start(t.Context(), append([]string{"--types", "Patient"}, tt.args...)...)
			if got.code != 1 || !strings.Contains(got.err, tt.says) {
				t.Errorf("%+v, want one that says %q", got, tt.says)
			}
		})
	}
}

func TestStartOnceBrokenOffLeavesNoJob(t *testing.T) {
	t.Parallel()
	s := newBulkServer(t, fhirserver.Bulk{Faults: fhirserver.Faults{NeverDone: true}}, 0)
	ctx, stop := context.WithCancel(t.Context())
	timer := time.AfterFunc(500*time.Millisecond, stop)
	defer timer.Stop()
	if got := s.start(ctx); got.code != 1 || !strings.Contains(got.err, "broken off") {
		t.Errorf("%+v", got)
	}
	if err := s.Wait(t.Context(), "1"); err == nil ||
		!strings.Contains(err.Error(), "no finished job") {
		t.Errorf("the job is still there: %v", err)
	}
	if diff := cmp.Diff(0,
		len(must(filepath.Glob(filepath.Join(filepath.Dir(s.db), ".fhirsynapse*"))))); diff != "" {
		t.Errorf("left behind (-want +got):\n%s", diff)
	}
}

func must(names []string, err error) []string {
	if err != nil {
		return []string{err.Error()}
	}
	return names
}
