package app

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/cohort"
)

// A person tries the search of a file before anything is deployed.
func TestTheCohortsOfAFileAreTriedWithoutAStorageAccount(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/Patient" {
			w.WriteHeader(http.StatusNotFound) // also of its Groups
			return
		}
		_, _ = io.WriteString(w, `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"a"}}]}`)
	}))
	t.Cleanup(srv.Close)
	file := filepath.Join(t.TempDir(), "mine.yaml")
	text := `version: 1
sources:
  ehr: {url: "` + srv.URL + `", auth: {kind: none}}
cohorts:
  - {name: women, source: ehr, search: "Patient?gender=female"}
plans:
  - {name: study, cohort: women, schedule: manual}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o := Operator{
		Environment: Environment{ReadFile: os.ReadFile, Now: time.Now},
		Log:         slog.New(slog.DiscardHandler),
	}
	list, err := o.Cohorts(t.Context(), file)
	if err != nil || len(list) != 1 || list[0].Name != "women" || list[0].Plans[0] != "study" {
		t.Errorf("listed %+v %v", list, err)
	}
	r, err := o.RefreshCohort(t.Context(), file, "women", cohort.Options{DryRun: true})
	if err != nil || r.Members != 1 || r.Joins != 1 || r.Groups[0].Does != cohort.Created {
		t.Errorf("the report is %+v %v", r, err)
	}
	_, err = o.RefreshCohort(t.Context(), file, "women", cohort.Options{})
	if err == nil || !strings.Contains(err.Error(), "LakeStorage") {
		t.Errorf("a refresh without a journal: %v", err)
	}
	_, err = o.RefreshCohort(t.Context(), file, "men", cohort.Options{DryRun: true})
	if err == nil {
		t.Error("there is a cohort men")
	}
}
