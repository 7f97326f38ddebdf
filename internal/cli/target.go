package cli

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// revealed returns what env:NAME or file:PATH stands for, without white space around it.
// Other texts are no references: they are returned as they are, and is is false.
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

// scheme is how the kinds of warehouses are named. What is none may be part of a password
// and is not repeated.
var scheme = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// warehouseOf splits the value of --to, or what it refers to, into the scheme of a
// warehouse and the rest.
func warehouseOf(text string, getenv func(string) string) (name, rest string, err error) {
	value, _, err := revealed(text, getenv)
	if err != nil {
		return "", "", fmt.Errorf("--to: %w", err)
	}
	name, rest, ok := strings.Cut(value, ":")
	if !ok || rest == "" || !scheme.MatchString(name) {
		return "", "", fmt.Errorf("--to must name a warehouse, for example duckdb:fhir.duckdb, or be env:NAME or file:PATH that has its name")
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
