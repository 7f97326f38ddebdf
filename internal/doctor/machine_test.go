package doctor

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestMachine(t *testing.T) {
	t.Parallel()
	tools := map[string]string{
		"go": "go version go1.26.1 linux/amd64\n", "c++": "a compiler 12\nand more",
		"node": "v20.1.0\n", "func": "4.12.0\n",
	}
	m := Machine{
		Dir: "/src", GoLeast: "1.26.0", Azurite: "127.0.0.1:10000",
		DuckDB: func(context.Context) (string, error) { return "v1.5.6", nil },
		Dial:   func(context.Context, string) error { return nil },
		Exists: func(string) bool { return true },
		Tool: func(_ context.Context, name string, _ ...string) (string, error) {
			if text, ok := tools[name]; ok {
				return text, nil
			}
			return "", errors.New("not found")
		},
	}
	examine := func(m Machine) map[string]Result {
		out := map[string]Result{}
		for _, r := range Run(t.Context(), machine(m), Options{Now: noon}) {
			out[r.Check] = r
		}
		return out
	}
	for name, r := range examine(m) {
		if r.Status != OK {
			t.Errorf("%s is %s: %s", name, r.Status, r.Why)
		}
	}
	tools["go"] = "go version go1.25.9 linux/amd64"
	if r := examine(m)["go"]; r.Status != Warning || !strings.Contains(r.Why, "older than") {
		t.Errorf("an old Go: %+v", r)
	}
	clear(tools)
	m.Exists = func(string) bool { return false }
	m.Dial = func(context.Context, string) error { return errors.New("refused") }
	for name, r := range examine(m) { // a laptop that lacks all is told what to type, and no more
		if name == "duckdb" {
			continue
		}
		if r.Status != Warning || r.Remedy == "" {
			t.Errorf("%s is %s: %s -> %s", name, r.Status, r.Why, r.Remedy)
		}
	}
	m.DuckDB = func(context.Context) (string, error) { return "", errors.New("no memory") }
	m.Dir = ""
	if got := examine(m); len(got) != 1 || got["duckdb"].Status != Failed {
		t.Errorf("outside a checkout: %+v", got)
	}
}
