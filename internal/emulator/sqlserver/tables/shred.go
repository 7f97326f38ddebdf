package tables

import (
	"fmt"
	"regexp"
	"strings"

	"fhirsynapse/internal/emulator/sqlserver"
)

// shredding matches a statement that fills or creates a table from the body of a view over
// documents.
var shredding = regexp.MustCompile(`(?s)^(INSERT INTO|CREATE TABLE) (\[[^\]]+\]\.\[[^\]]+\])[^\n]*\n(?:WITH [^\n]*\n)?(SELECT\s.*?FROM (\[[^\]]+\]\.\[[^\]]+_doc\]) AS d.*)$`)

func (s *session) shred(m []string) (sqlserver.Result, error) {
	var none sqlserver.Result
	verb, target, body, from := m[1], m[2], m[3], m[4]
	body, _, _ = strings.Cut(body, "\nOPTION (LABEL = ")
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if s.open {
		return none, fail(40517, "the stand-in shreds outside of transactions")
	}
	docs, err := s.named(from)
	if err != nil {
		return none, err
	}
	var columns []string
	for _, c := range docs.columns {
		columns = append(columns, c.Name)
	}
	var rows [][]string
	for _, r := range docs.visible(s) {
		texts := make([]string, len(r.cells))
		for i, v := range r.cells {
			texts[i] = fmt.Sprint(v)
		}
		rows = append(rows, texts)
	}
	names, out, err := s.db.o.Shred(strings.Replace(body, from, "[docs]", 1), columns, rows)
	if err != nil {
		return none, fail(245, "%v", err)
	}
	t, err := s.named(target)
	if verb == "CREATE TABLE" {
		if err == nil {
			return none, fail(2714, "There is already an object named '%s' in the database.", target)
		}
		schema, name, _ := strings.Cut(strings.Trim(target, "[]"), "].[")
		t, err = &table{schema: schema, name: name, byKey: map[string][]*row{}}, nil
		for _, n := range names {
			t.columns = append(t.columns, column{Column: sqlserver.Column{Name: n, Type: "variant"}})
		}
		s.db.tables[key(schema, name)] = t
	}
	if err == nil {
		err = s.insertAll(t, names, out)
	}
	s.end(err == nil)
	return sqlserver.Result{Affected: int64(len(out))}, err
}
