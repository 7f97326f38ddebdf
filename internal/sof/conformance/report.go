package conformance

import (
	"encoding/json"
	"io"
)

// Result is the result of one case.
type Result struct {
	Title string
	Err   error // nil means passed
}

// FileResult is the results of one file.
type FileResult struct {
	Name    string
	Results []Result
}

// Passed counts the cases that passed.
func (f FileResult) Passed() int {
	n := 0
	for _, r := range f.Results {
		if r.Err == nil {
			n++
		}
	}
	return n
}

// RunAll runs every case of every file.
func RunAll(files []File, run Runner) []FileResult {
	var out []FileResult
	for _, f := range files {
		r := FileResult{Name: f.Name}
		for _, c := range f.Cases {
			r.Results = append(r.Results, Result{c.Title, Run(f, c, run)})
		}
		out = append(out, r)
	}
	return out
}

// Report writes the results in the format of the suite's registry.
func Report(w io.Writer, results []FileResult) error {
	type result struct {
		Passed bool   `json:"passed"`
		Error  string `json:"error,omitempty"`
	}
	type test struct {
		Name   string `json:"name"`
		Result result `json:"result"`
	}
	type file struct {
		Tests []test `json:"tests"`
	}
	out := map[string]file{}
	for _, f := range results {
		var tests []test
		for _, r := range f.Results {
			t := test{Name: r.Title, Result: result{Passed: r.Err == nil}}
			if r.Err != nil {
				t.Result.Error = r.Err.Error()
			}
			tests = append(tests, t)
		}
		out[f.Name] = file{tests}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}
