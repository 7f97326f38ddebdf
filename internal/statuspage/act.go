package statuspage

import (
	"net/http"

	"fhirsynapse/internal/pipeline/records"
)

// Start returns the handler of the button that starts an export of the plan in the form.
func (s *Site) Start() http.Handler {
	return s.acting(func(r *http.Request) (string, error) {
		return s.begin(r, r.PostFormValue("plan"), records.Window{})
	})
}

// Cancel returns the handler of the button that ends the export in the form.
func (s *Site) Cancel() http.Handler {
	return s.acting(func(r *http.Request) (string, error) {
		export := r.PostFormValue("export")
		return export, s.Operator.Cancel(r.Context(), export)
	})
}

// Retry returns the handler of the button that starts an export in place of the failed one in the
// form. It has the window that a person asked for, or begins where the last loaded export ended.
func (s *Site) Retry() http.Handler {
	return s.acting(func(r *http.Request) (string, error) {
		plan, n, ok := records.CutExportID(r.PostFormValue("export"))
		if !ok {
			return "", problem{http.StatusBadRequest, "the form names no export", ""}
		}
		d, err := s.store.Plan(r.Context(), plan)
		if err != nil {
			return "", err
		}
		var window records.Window
		if d.Value.Seq == n {
			window = d.Value.Window
		}
		return s.begin(r, plan, window)
	})
}

// begin starts an export. An export that is in the journal has a page, which tells of its troubles.
func (s *Site) begin(r *http.Request, plan string, window records.Window) (string, error) {
	id, err := s.Operator.Start(r.Context(), plan, window)
	if id == "" {
		return "", err
	}
	if err != nil {
		s.Log.WarnContext(r.Context(), "export begins later", "export", id, "error", err)
	}
	return id, nil
}

// formLimit bounds the form of a button, in bytes.
const formLimit = 4 << 10

// acting answers a button: it does the work, then sends the browser to the page of the export.
func (s *Site) acting(do func(r *http.Request) (export string, err error)) http.Handler {
	return s.guarded(func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			return problem{http.StatusMethodNotAllowed, "this address takes only POST", ""}
		}
		r.Body = http.MaxBytesReader(w, r.Body, formLimit)
		if err := r.ParseForm(); err != nil {
			return problem{http.StatusBadRequest, "the form cannot be read", ""}
		}
		export, err := do(r)
		if err != nil {
			return err
		}
		s.Log.InfoContext(r.Context(), "asked for on the status page", "export", export)
		if wantsJSON(r) {
			return s.writeJSON(w, http.StatusAccepted, map[string]string{"export": export})
		}
		to := links{r: r, depth: 0}.to("exports/" + export)
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusSeeOther)
		return nil
	})
}
