package cli

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// revealed returns the value of env:NAME or file:PATH, without white space around it. For another
// text, is is false and the text is returned unchanged.
func revealed(text string, getenv func(string) string) (value string, is bool, err error) {
	kind, place, _ := strings.Cut(text, ":")
	switch {
	case kind == "env" && place != "":
		value = getenv(place)
	case kind == "file" && place != "":
		data, err := os.ReadFile(place)
		if err != nil {
			return "", true, err
		}
		value = string(data)
	default:
		return text, false, nil
	}
	if value = strings.TrimSpace(value); value == "" {
		return "", true, fmt.Errorf("%s is empty or not there", text)
	}
	return value, true, nil
}

// scheme matches the name of a kind of warehouse. A text that does not match may be part of a
// password, so it is not repeated.
var scheme = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// warehouseOf splits the value of --to, or the value that it refers to, into the scheme of a
// warehouse and the rest.
func warehouseOf(text string, getenv func(string) string) (name, rest string, err error) {
	value, _, err := revealed(text, getenv)
	if err != nil {
		return "", "", fmt.Errorf("--to: %w", err)
	}
	name, rest, ok := strings.Cut(value, ":")
	if !ok || rest == "" || !scheme.MatchString(name) {
		return "", "", fmt.Errorf(
			"--to must name a warehouse, for example duckdb:fhir.duckdb, or be env:NAME or file:PATH that has its name")
	}
	return name, rest, nil
}

// databaseOf returns the DuckDB file that --db names, or refers to.
func databaseOf(text string, getenv func(string) string) (string, error) {
	value, is, err := revealed(text, getenv)
	if err != nil {
		return "", fmt.Errorf("--db: %w", err)
	}
	if is {
		value = strings.TrimPrefix(value, "duckdb:")
	}
	return value, nil
}
