package serverless_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/pipelinetest"
)

// The following runs the pool's two statements over published files: it parses their conditions and
// does the ranking in Go.

// shortened extracts the operation and object of a statement.
var shortened = regexp.MustCompile(
	`^(?:SELECT SCHEMA_ID|SELECT .* FROM \[sys\]\.\[[a-z_]+\]|[A-Z ]+\[?[a-zA-Z_]+\]?(?:\.\[[A-Za-z_]+)?)`)

// ranking is the newest version of an id.
type ranking struct {
	fields []string
	part   string
	large  bool
}

var (
	branch = regexp.MustCompile(
		`(?s)^    SELECT p\.\[_id\], p\.\[_version\], p\.\[_deleted\], p\.\[_export\], p\.\[doc\], (CAST\(p\.filepath\(1\) AS varchar\(128\)\) COLLATE Latin1_General_100_BIN2_UTF8|'') AS \[_part\](, [01] AS \[_large\])?
    FROM OPENROWSET\(
      BULK '([^'*]*)(part=\*/)?\*(\.[a-z]+)', .*
    \) AS p(?:
    WHERE (.*))?$`)
	term = regexp.MustCompile(
		`^(NOT )?CAST\(p\.filepath\(1\) AS varchar\(128\)\) COLLATE Latin1_General_100_BIN2_UTF8 (<=|>|IN) (.*)$`)
)

// ranked returns the newest versions by id of a statement's input.
func ranked(lake *pipelinetest.MemoryLake, text string) (map[string]ranking, error) {
	_, from, ok := strings.Cut(text,
		"ORDER BY r.[_version] DESC, r.[_part]) AS [place]\n  FROM (\n")
	from, _, ok2 := strings.Cut(from, "\n  ) AS r\n) AS q\nWHERE ")
	if !ok || !ok2 {
		return nil, fmt.Errorf("no ranking in %s", text)
	}
	best := map[string]ranking{}
	for _, one := range strings.Split(from, "\n    UNION ALL\n") {
		m := branch.FindStringSubmatch(one)
		if m == nil {
			return nil, fmt.Errorf("not understood: %s", one)
		}
		files := 0
		for f, err := range lake.List(context.Background(), pipeline.Staging, m[3]) {
			if err != nil {
				return nil, err
			}
			if !strings.HasSuffix(f.Path, m[5]) {
				continue
			}
			files++
			part := ""
			if m[4] != "" {
				part, _, _ = strings.Cut(strings.TrimPrefix(f.Path, m[3]+"part="), "/")
				if is, err := holds(m[6], part); err != nil {
					return nil, err
				} else if !is {
					continue
				}
			}
			if err := best1(best, lake, f.Path, ranking{
				part: part, large: strings.Contains(m[2], "1"),
			}); err != nil {
				return nil, err
			}
		}
		if files == 0 {
			return nil, &sqlserver.Error{
				Number: 13807, Message: "content of directory on path cannot be listed",
			}
		}
	}
	return best, nil
}

// holds evaluates a condition on the name of a part.
func holds(condition, part string) (bool, error) {
	for _, c := range strings.Split(condition, " AND ") {
		any := false
		for _, alternative := range strings.Split(strings.Trim(c, "("), " OR ") {
			m := term.FindStringSubmatch(alternative)
			if m == nil {
				return false, fmt.Errorf("not understood: %s", alternative)
			}
			var is bool
			switch value := strings.Trim(m[3], "()'"); m[2] {
			case "<=":
				is = part <= value
			case ">":
				is = part > value
			default:
				is = slices.Contains(strings.Split(value, "', '"), part)
			}
			any = any || is != (m[1] != "")
		}
		if !any {
			return false, nil
		}
	}
	return true, nil
}

func best1(best map[string]ranking, lake *pipelinetest.MemoryLake, path string, as ranking) error {
	r, err := lake.Open(context.Background(), pipeline.Staging, path, "")
	if err != nil {
		return err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		as.fields = strings.Split(strings.TrimSuffix(line, "\n"), "\x0b")
		if len(as.fields) != 5 {
			return fmt.Errorf("%s: %d fields", path, len(as.fields))
		}
		was, there := best[as.fields[0]]
		if !there || as.fields[1] > was.fields[1] ||
			as.fields[1] == was.fields[1] && as.part < was.part {
			best[as.fields[0]] = as
		}
	}
	return nil
}

var cetas = regexp.MustCompile(`^CREATE EXTERNAL TABLE \[fhir\]\.\[([^]]+)\]
WITH \(LOCATION = '([^']+)', DATA_SOURCE = \[fhirsynapse\], FILE_FORMAT = \[fhirsynapse\]\)
AS
`)

// longestLOB bounds one value that the pool writes.
const longestLOB = 1_000_000

// writeSnapshot runs CREATE EXTERNAL TABLE AS SELECT. Its files have the fields of published lines.
func (p *pool) writeSnapshot(text string) error {
	m := cetas.FindStringSubmatch(text)
	switch {
	case m == nil || !p.format || p.location == "":
		return &sqlserver.Error{Number: 15868, Message: "not supported"}
	case p.tables[m[1]]:
		return &sqlserver.Error{Number: 2714, Message: "there is already such an object"}
	}
	for _, err := range p.lake.List(context.Background(), pipeline.Staging, m[2]) {
		if err != nil {
			return err
		}
		return &sqlserver.Error{Number: 15842, Message: "the location is not empty"}
	}
	best, err := ranked(p.lake, text)
	if err != nil {
		return err
	}
	var out strings.Builder
	for _, id := range slices.Sorted(maps.Keys(best)) {
		if best[id].large {
			if !strings.HasSuffix(text, "\nWHERE q.[place] = 1 AND q.[_large] = 0") {
				return errors.New("large resources are in no snapshot")
			}
			continue
		}
		if 2*len(best[id].fields[4]) > longestLOB {
			return &sqlserver.Error{Number: 15815, Message: "too long"}
		}
		out.WriteString(strings.Join(best[id].fields, "\x0b") + "\n")
	}
	p.tables[m[1]] = true
	if p.broken {
		return nil
	}
	_, err = p.lake.Put(context.Background(), pipeline.Staging, m[2]+"0A1B_1_0-1.parquet",
		strings.NewReader(out.String()))
	return err
}

// remover deletes files of a lake, unless the committer's lake fails.
type remover struct {
	from *pipelinetest.MemoryLake
	seen pipeline.Lake
}

func (r remover) Remove(ctx context.Context, area pipeline.Area, path string) error {
	if f, ok := r.seen.(failing); ok &&
		f.suffix == "remove "+path[strings.LastIndex(path, "/")+1:] {
		return errDown
	}
	return r.from.Remove(ctx, area, path)
}
