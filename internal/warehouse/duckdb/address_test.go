package duckdb

import "testing"

func TestAnAddressMayHaveAMemoryLimit(t *testing.T) {
	t.Parallel()
	for rest, want := range map[string][2]string{
		"x.duckdb":                    {"x.duckdb", ""},
		"x.duckdb?memory_limit=256MB": {"x.duckdb", "256MB"},
		"odd?name.duckdb":             {"odd?name.duckdb", ""},
	} {
		if path, memory := parseAddress(rest); path != want[0] || memory != want[1] {
			t.Errorf("%s: %q, %q", rest, path, memory)
		}
	}
}
