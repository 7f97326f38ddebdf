package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/pipelinetest"
)

// The kick-offs of a cohort without Groups name the patients; nothing that is kept does.
func TestAKickOffNamesThePatientsOfAShare(t *testing.T) {
	t.Parallel()
	const marker = "MARK-4711"
	body, found := "", marker
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/fhir/Patient" && found == "":
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/fhir/Patient":
			_, _ = io.WriteString(w, `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"`+found+`"}}]}`)
		case r.URL.Path == "/fhir/Patient/$export" && r.Method == http.MethodPost:
			text, _ := io.ReadAll(r.Body)
			body = string(text)
			w.Header().Set("Content-Location", "http://"+r.Host+"/fhir/status/1")
			w.WriteHeader(http.StatusAccepted)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(srv.Close)
	o := bulkfhir.Options{
		Dialect: config.DialectBulk, BaseURL: srv.URL + "/fhir", HTTP: srv.Client(), Now: time.Now,
		Pause: func(context.Context, time.Duration) error { return nil },
	}
	searcher, err := bulkfhir.NewSearcher(o)
	if err != nil {
		t.Fatal(err)
	}
	journal := pipelinetest.NewMemoryJournal()
	k := cohort.Keeper{
		Server: searcher, Journal: journal, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	of := cohorts{
		exports: config.Exports{
			Plans: []pipeline.Plan{{Name: "study", Cohort: "all"}},
			Cohorts: []config.Cohort{{Source: "ehr", Definition: cohort.Definition{
				Name: "all", Search: "Patient?active=true", Match: cohort.MatchEver,
				Membership: cohort.Tracking, GroupSize: 10, MaxShrink: 0.2, Groupless: true,
			}}},
		},
		keepers: map[string]cohort.Keeper{"ehr": k},
	}
	parts, err := of.Parts(t.Context(), "all")
	if err != nil || len(parts) != 1 || parts[0].Share != 1 {
		t.Fatalf("parts %+v: %v", parts, err)
	}
	members, err := of.Members(t.Context(), "all", parts)
	if err != nil || len(members) != 1 {
		t.Fatalf("%d members: %v", len(members), err)
	}
	shared, err := bulkfhir.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := of.shares("study", shared.Server, o)
	request := pipeline.Request{Level: pipeline.LevelPatient, Share: 1}
	accepted, err := server.KickOff(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(body, "Patient/"+marker) {
		t.Errorf("the kick-off has the body %s", body)
	}
	if strings.Contains(accepted.Exchange.Body+accepted.Exchange.URL, marker) {
		t.Errorf("the record names a patient: %+v", accepted.Exchange)
	}
	if of.shares("another", shared.Server, o) != shared.Server {
		t.Error("a plan without a cohort has another server")
	}
	// A search that fails starts no job, so the kick-off is made again without a look for it.
	found = ""
	if _, err := server.KickOff(t.Context(), request); !errors.Is(err, pipeline.ErrUnavailable) ||
		fault.Of(err) != fault.Transient || strings.Contains(err.Error(), marker) {
		t.Errorf("got %v", err)
	}
}
