package sof

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// definition is a parsed ViewDefinition. Only its form has been checked.
type definition struct {
	name, resource, description string
	constants                   []constantDef
	selects                     []*selectDef
	where                       []exprDef
}

type exprDef struct {
	path string // JSON path of the element with the text
	text string
}

type constantDef struct {
	path, name string
	fhirType   string // of value[x]
	value      value
}

type selectDef struct {
	path                   string
	columns                []columnDef
	selects                []*selectDef
	unions                 []*selectDef
	forEach, forEachOrNull *exprDef
	repeat                 []exprDef
}

type columnDef struct {
	path, name, description, fhirType, ansiType string
	ansiPath                                    string
	expr                                        exprDef
	collection                                  bool
}

// longestName bounds the names of tables and columns in characters, as on SQL Server, Synapse and
// Fabric. It applies to every engine, so that views are portable.
const longestName = 128

// sqlName is the specification's constraint sql-name.
var sqlName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

var (
	viewElements = strings.Fields(
		`resourceType resourceDefinition id meta implicitRules language text contained extension
		modifierExtension url identifier version versionAlgorithmString versionAlgorithmCoding name title status
		experimental date publisher contact description useContext jurisdiction purpose copyright copyrightLabel
		approvalDate lastReviewDate effectivePeriod topic author editor reviewer endorser relatedArtifact profile
		resource fhirVersion constant select where`)
	selectElements = strings.Fields(
		"id extension modifierExtension column select forEach forEachOrNull repeat unionAll")
	columnElements = strings.Fields(
		"id extension modifierExtension name path description collection type tag")
	tagElements   = strings.Fields("id extension name value")
	whereElements = strings.Fields("id extension modifierExtension path description")
)

// canonicalPrefix is FHIR's prefix of a type's URL.
const canonicalPrefix = "http://hl7.org/fhir/StructureDefinition/"

// formChecker turns JSON into a definition and collects faults of form.
type formChecker struct {
	fault func(path, msg, hint string)
}

func (f formChecker) known(v value, allowed []string) {
	for _, m := range v.members {
		if !slices.Contains(allowed, m.name) && !strings.HasPrefix(m.name, "_") {
			f.fault(m.path, fmt.Sprintf("unknown element %q", m.name), didYouMean(m.name, allowed))
		}
	}
}

func (f formChecker) text(v value, name string) (string, string) {
	m, ok := v.member(name)
	if !ok {
		return "", ""
	}
	if m.kind != 's' {
		f.fault(m.path, "must be a string, not "+m.describe(), "")
		return "", m.path
	}
	if strings.TrimSpace(m.text) == "" {
		f.fault(m.path, "must not be empty", "")
	}
	return m.text, m.path
}

func (f formChecker) list(v value, name string) []value {
	m, ok := v.member(name)
	if !ok {
		return nil
	}
	if m.kind != 'a' {
		f.fault(m.path, "must be a list, not "+m.describe(), "")
		return nil
	}
	return m.items
}

func (f formChecker) objects(v value, name string) []value {
	var out []value
	for _, item := range f.list(v, name) {
		if item.kind != 'o' {
			f.fault(item.path, "must be an object, not "+item.describe(), "")
			continue
		}
		out = append(out, item)
	}
	return out
}

func (f formChecker) view(v value) *definition {
	if v.kind != 'o' {
		f.fault("", "a ViewDefinition is a JSON object, not "+v.describe(), "")
		return nil
	}
	f.known(v, viewElements)
	// version 3.0 of the guide uses ViewDefinition, 2.0 used the canonical URL
	if t, path := f.text(v, "resourceType"); t != "" && t != "ViewDefinition" &&
		!strings.HasSuffix(t, "/ViewDefinition") {
		f.fault(path, fmt.Sprintf("this is a %s", t), `resourceType must be "ViewDefinition"`)
	}
	d := &definition{}
	var path string
	if d.name, path = f.text(v, "name"); d.name != "" && !sqlName.MatchString(d.name) {
		f.fault(path, fmt.Sprintf("%q cannot name a table", d.name),
			"letters, digits and underscores, a letter first")
	}
	f.length(d.name, path)
	d.description, _ = f.text(v, "description")
	if d.resource, path = f.text(v, "resource"); path == "" {
		f.fault("resource", "is missing",
			`name the resource type that the view reads, for example "Patient"`)
	}
	for _, c := range f.objects(v, "constant") {
		d.constants = append(d.constants, f.constant(c))
	}
	for _, s := range f.objects(v, "select") {
		d.selects = append(d.selects, f.selection(s))
	}
	if len(d.selects) == 0 {
		f.fault("select", "is missing or empty", "a view needs at least one select with a column")
	}
	for _, w := range f.objects(v, "where") {
		f.known(w, whereElements)
		if e := f.expr(w, "path"); e != nil {
			d.where = append(d.where, *e)
		} else if _, ok := w.member("path"); !ok {
			f.fault(w.path, "has no path", "")
		}
	}
	return d
}

// length reports a name that is too long for a table or column.
func (f formChecker) length(name, path string) {
	if len(name) > longestName {
		f.fault(path, fmt.Sprintf("the name has %d characters", len(name)),
			fmt.Sprintf("names have at most %d on SQL Server, Synapse and Fabric", longestName))
	}
}

func (f formChecker) expr(v value, name string) *exprDef {
	text, path := f.text(v, name)
	if strings.TrimSpace(text) == "" {
		return nil
	}
	return &exprDef{path, text}
}

func (f formChecker) constant(v value) constantDef {
	c := constantDef{path: v.path}
	var path string
	if c.name, path = f.text(v, "name"); path == "" {
		f.fault(v.path, "has no name", "")
	} else if !sqlName.MatchString(c.name) {
		f.fault(path, fmt.Sprintf("%q cannot name a constant", c.name),
			"letters, digits and underscores, a letter first")
	}
	n := 0
	for _, m := range v.members {
		switch {
		case strings.HasPrefix(m.name, "value"):
			n++
			c.value = m.value
			if t := m.name[len("value"):]; t != "" {
				c.fhirType = strings.ToLower(t[:1]) + t[1:]
			}
		case m.name != "name" && m.name != "id" && m.name != "extension":
			f.fault(m.path, fmt.Sprintf("unknown element %q", m.name),
				"a constant has a name and one value, for example valueString")
		}
	}
	if n != 1 {
		f.fault(v.path, fmt.Sprintf("has %d values", n),
			"a constant has exactly one, for example valueString")
		c.fhirType = ""
	}
	return c
}

func (f formChecker) selection(v value) *selectDef {
	f.known(v, selectElements)
	s := &selectDef{path: v.path}
	for _, c := range f.objects(v, "column") {
		s.columns = append(s.columns, f.column(c))
	}
	for _, n := range f.objects(v, "select") {
		s.selects = append(s.selects, f.selection(n))
	}
	for _, n := range f.objects(v, "unionAll") {
		s.unions = append(s.unions, f.selection(n))
	}
	s.forEach = f.expr(v, "forEach")
	s.forEachOrNull = f.expr(v, "forEachOrNull")
	for _, p := range f.list(v, "repeat") {
		switch {
		case p.kind != 's':
			f.fault(p.path, "must be a string, not "+p.describe(), "")
		case strings.TrimSpace(p.text) == "":
			f.fault(p.path, "must not be empty", "")
		default:
			s.repeat = append(s.repeat, exprDef{p.path, p.text})
		}
	}
	var iterations []string
	for _, name := range []string{"forEach", "forEachOrNull", "repeat"} {
		if _, ok := v.member(name); ok {
			iterations = append(iterations, name)
		}
	}
	if len(iterations) > 1 {
		f.fault(v.path, "has "+strings.Join(iterations, " and "),
			"a select has at most one of them; nest a second select")
	}
	if len(s.columns)+len(s.selects)+len(s.unions) == 0 {
		f.fault(v.path, "yields no columns", "add column, select or unionAll")
	}
	return s
}

func (f formChecker) column(v value) columnDef {
	f.known(v, columnElements)
	c := columnDef{path: v.path}
	var path string
	if c.name, path = f.text(v, "name"); path == "" {
		f.fault(v.path, "has no name", "")
	} else if !sqlName.MatchString(c.name) {
		f.fault(path, fmt.Sprintf("%q cannot name a column", c.name),
			"letters, digits and underscores, a letter first")
	}
	f.length(c.name, path)
	if e := f.expr(v, "path"); e != nil {
		c.expr = *e
	} else if _, ok := v.member("path"); !ok {
		f.fault(v.path, "has no path", "")
	}
	c.description, _ = f.text(v, "description")
	c.fhirType, _ = f.text(v, "type")
	c.fhirType = strings.TrimPrefix(c.fhirType, canonicalPrefix)
	if m, ok := v.member("collection"); ok {
		if m.kind != 'b' {
			f.fault(m.path, "must be true or false, not "+m.describe(), "")
		}
		c.collection = m.truth
	}
	for _, t := range f.objects(v, "tag") {
		f.known(t, tagElements)
		name, _ := f.text(t, "name")
		text, path := f.text(t, "value")
		if name == "ansi/type" {
			if c.ansiType != "" {
				f.fault(t.path, "a second ansi/type", "")
			}
			c.ansiType, c.ansiPath = text, path
		}
	}
	return c
}
