package statuspage

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// view is one page. Its value is the page's JSON.
type view interface {
	// template names the file of the page in templates/.
	template() string
	// title is the heading of the page.
	title() string
	// refresh is the time after which the page is out of date.
	refresh() time.Duration
}

// Times after which a page is out of date.
const (
	soon  = 3 * time.Second
	later = 30 * time.Second
)

//go:embed templates/*.html
var files embed.FS

// templates are parsed at the first page, because a handler must listen at once.
var templates = sync.OnceValue(parse)

func parse() map[string]*template.Template {
	out := map[string]*template.Template{}
	for _, name := range []string{
		"plans", "exports", "export", "files", "badlines", "quarantine", "cohorts", "tables",
		"activity", "problem",
	} {
		// The functions of a page are replaced for each request; here they tell their names.
		out[name] = template.Must(template.New("layout.html").Funcs(links{}.functions(time.Time{})).
			ParseFS(files, "templates/layout.html", "templates/parts.html",
				"templates/"+name+".html"))
	}
	return out
}

// links makes the links of one page. They are relative, because the host chooses the prefix of the
// path, and repeat the key of the app that the request has in its address.
type links struct {
	r *http.Request
	// depth is the number of folders between the first page and this one.
	depth int
}

func linksOf(r *http.Request) links { return links{r, strings.Count(r.URL.Path, "/")} }

// to returns the address of a page of ours. pairs are names and values of its query.
func (l links) to(page string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	path := "status"
	if page != "" {
		path += "/" + page
	}
	return l.with(path, q)
}

// act returns the address of a button.
func (l links) act(name string) string { return l.with(name, url.Values{}) }

func (l links) with(path string, q url.Values) string {
	if l.r != nil {
		if code := l.r.URL.Query().Get("code"); code != "" {
			q.Set("code", code)
		}
	}
	path = strings.Repeat("../", l.depth) + path
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return path
}

// functions returns the functions that the templates may call.
func (l links) functions(now time.Time) template.FuncMap {
	return template.FuncMap{
		"to":       l.to,
		"act":      l.act,
		"n":        func(n any) string { return grouped(n) },
		"when":     moment,
		"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"ago":      func(t time.Time) string { return ago(now.Sub(t)) },
		"until":    func(t time.Time) string { return until(t.Sub(now)) },
		"span":     span,
		"sentence": sentence, "clip": clip,
		"plural": func(n any, one, many string) string {
			if g := grouped(n); g == "1" {
				return "1 " + one
			} else {
				return g + " " + many
			}
		},
		"add":    func(a, b int) int { return a + b },
		"style":  func() template.CSS { return template.CSS(style) }, //nolint:gosec // our own file
		"script": func() template.JS { return template.JS(script) },  //nolint:gosec // our own file
	}
}

func grouped(n any) string {
	switch v := n.(type) {
	case int:
		return records.Grouped(int64(v))
	case int64:
		return records.Grouped(v)
	}
	return fmt.Sprint(n)
}

// frame holds a view with the parts that every page has.
type frame struct {
	Title   string
	Section string
	Now     time.Time
	Refresh int // milliseconds
	Version string
	View    any
}

// wantsJSON reports whether a request asks for JSON.
func wantsJSON(r *http.Request) bool {
	if f := r.URL.Query().Get("format"); f != "" {
		return f == "json"
	}
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}

func (s *Site) render(w http.ResponseWriter, r *http.Request, v view) error {
	if wantsJSON(r) {
		return s.writeJSON(w, http.StatusOK, v)
	}
	section, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return s.writeHTML(w, r, http.StatusOK, v.template(), frame{
		Title: v.title(), Section: cmp.Or(section, "plans"), View: v,
		Refresh: int(v.refresh().Milliseconds()),
	})
}

func (s *Site) renderProblem(w http.ResponseWriter, r *http.Request, p problem) {
	var err error
	if wantsJSON(r) {
		err = s.writeJSON(w, p.Status, map[string]string{"error": p.What, "remedy": p.Remedy})
	} else {
		err = s.writeHTML(w, r, p.Status, "problem", frame{Title: "This did not work", View: p})
	}
	if err != nil {
		s.Log.WarnContext(r.Context(), "status page failed", "error", err)
	}
}

func (s *Site) writeHTML(
	w http.ResponseWriter, r *http.Request, status int, name string, f frame,
) error {
	f.Now, f.Version = s.Now().UTC(), s.Version
	t, err := templates()[name].Clone()
	if err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	var b bytes.Buffer
	if err := t.Funcs(linksOf(r).functions(f.Now)).Execute(&b, f); err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	return send(w, status, "text/html; charset=utf-8", b.Bytes())
}

func (s *Site) writeJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	return send(w, status, "application/json", append(b, '\n'))
}

func send(w http.ResponseWriter, status int, kind string, body []byte) error {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a browser that has left needs no answer
	return nil
}
