package config

import (
	"fmt"
	"slices"

	"github.com/goccy/go-yaml/ast"

	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/schema"
)

// Cohort is a cohort in exports.yaml.
type Cohort struct {
	cohort.Definition
	// Source is the name of the FHIR server that has the patients.
	Source string
}

var cohortKeys = []string{
	"name", "source", "search", "among", "group", "match", "membership", "groups", "groupSize",
	"maxShrink",
}

// Cohort returns a cohort by name; false if there is none.
func (e Exports) Cohort(name string) (Cohort, bool) {
	i := slices.IndexFunc(e.Cohorts, func(c Cohort) bool { return c.Name == name })
	if i < 0 {
		return Cohort{}, false
	}
	return e.Cohorts[i], true
}

const defaultMaxShrink = "20%"

// cohorts reads the list of cohorts.
func (r *reader) cohorts(e *Exports, list *ast.SequenceNode) {
	for i, n := range list.Values {
		o, ok := r.object(n, fmt.Sprintf("cohort %d", i+1), cohortKeys...)
		if !ok {
			continue
		}
		c := Cohort{Definition: cohort.Definition{
			Name: o.text("name", ""), Search: o.text("search", ""), Among: o.text("among", ""),
			Group:     o.text("group", ""),
			Match:     cohort.Match(o.text("match", string(cohort.MatchEver))),
			GroupSize: cohort.DefaultGroupSize,
		}}
		if c.Name != "" {
			o.what = "cohort " + c.Name
		}
		c.Source = r.planSource(o, e).Name
		membership := cohort.Fixed
		if c.Group != "" {
			membership = cohort.Tracking
			for _, name := range []string{
				"membership", "match", "groups", "groupSize", "maxShrink",
			} {
				if o.has(name) {
					o.fault(name, "has no meaning with group: others maintain its members")
					delete(o.fields, name)
				}
			}
		}
		c.Membership = cohort.Membership(o.text("membership", string(membership)))
		if o.has("groupSize") {
			if size := o.number("groupSize", 1, cohort.MaxGroupSize); size > 0 {
				c.GroupSize = size
			}
		}
		c.Groupless = r.groupless(o, e.Sources[c.Source])
		share, err := parsePercent(o.text("maxShrink", defaultMaxShrink))
		if err != nil {
			o.fault("maxShrink", "%w", err)
		}
		c.MaxShrink = share
		for _, f := range c.Faults() {
			o.fault(f.Setting, "%w", f.Err)
		}
		if _, twice := e.Cohort(c.Name); twice && c.Name != "" {
			o.fault("name", "there is another cohort %s", c.Name)
		}
		e.Cohorts = append(e.Cohorts, c)
	}
}

// The values of groups.
const (
	groupsServer = "server"
	groupsNone   = "none"
)

// groupless reads whether a cohort has no Groups.
func (r *reader) groupless(o object, s Source) bool {
	switch value := o.text("groups", groupsServer); value {
	case groupsServer:
		return false
	case groupsNone:
	default:
		o.fault("groups", "%q: write server, or none for a server that takes no Groups", value)
		return false
	}
	switch {
	case s.Dialect != DialectBulk:
		o.fault("groups", "a server of dialect %s takes no list of patients in place of a Group",
			s.Dialect)
	case s.Method == "GET":
		o.fault("groups",
			"patients travel by POST only, and method of source %s is GET: remove one of both",
			s.Name)
	}
	return true
}

// planCohort reads the cohort of a plan, which implies its level.
func (r *reader) planCohort(o object, p *pipeline.Plan, e *Exports, source Source) {
	if p.Cohort = o.text("cohort", ""); p.Cohort == "" {
		return
	}
	c, known := e.Cohort(p.Cohort)
	switch {
	case !known:
		var names []string
		for _, one := range e.Cohorts {
			names = append(names, one.Name)
		}
		if len(names) == 0 {
			o.fault("cohort", "unknown cohort %q: the file has no list cohorts", p.Cohort)
		} else {
			o.fault("cohort", "unknown cohort %q%s", p.Cohort, hint(p.Cohort, names))
		}
	case c.Source != source.Name:
		o.fault("cohort", "its patients are at source %s, and the plan exports from %s", c.Source,
			source.Name)
	}
	for _, name := range []string{"group", "patients"} {
		if o.has(name) {
			o.fault(name, "has no meaning with cohort, which names the patients: remove it")
			delete(o.fields, name)
		}
	}
	if level := o.text("level", pipeline.LevelGroup); level != pipeline.LevelGroup {
		o.fault("level", "has no meaning with cohort: remove it")
	}
	delete(o.fields, "level")
	p.Level = pipeline.LevelGroup
	switch mode := o.text("mode", pipeline.ModeGroupFull); {
	case !slices.Contains(modes, mode):
		o.fault("mode", "unknown mode %q%s", mode, hint(mode, modes))
	case mode != pipeline.ModeGroupFull:
		p.Mode = mode
	}
}

var modes = []string{
	pipeline.ModeGroupFull, pipeline.ModeGroupSince, pipeline.ModeSystemFiltered,
}

// defaultFullEvery is how often a plan whose cohort is exported by changes is exported in full: no
// other export tells of resources that a server deletes without a trace.
const defaultFullEvery = 6

// outside reads what becomes of types outside of the Patient compartment, such as Practitioner.
func outside(o object, p *pipeline.Plan) {
	const keep, leaveOut = "keep", "leave-out"
	switch value := o.text("outside", keep); {
	case p.Cohort == "" && o.has("outside"):
		o.fault("outside", "has no meaning without cohort: remove it")
	case value != keep && value != leaveOut:
		o.fault("outside", "%q: write keep, or leave-out", value)
	case value == keep:
	case len(p.Types) == 0:
		p.Types = schema.PatientTypes()
	default:
		for _, t := range p.Types {
			if !slices.Contains(schema.PatientTypes(), t) {
				o.fault("outside", "leaves %s out, which types names: remove one of them", t)
			}
		}
	}
}

// changesOnly completes a plan whose cohort is exported by changes.
func changesOnly(o object, p *pipeline.Plan, dialect string) {
	if p.Mode == "" {
		if p.Cohort == "" && o.has("mode") {
			o.fault("mode", "has no meaning without cohort: remove it")
		}
		return
	}
	if p.Deidentify != nil {
		o.fault("mode", "has no meaning with deidentify, where every export is full: remove it")
	}
	if p.Schedule != nil && p.FullEvery == 0 {
		p.FullEvery = defaultFullEvery
	}
	if p.Mode != pipeline.ModeSystemFiltered {
		return
	}
	p.Deleted = dialect == DialectAzure && p.Deidentify == nil
	if len(p.Types) == 0 {
		// Other types would bring the whole server into the tables.
		p.Types = schema.PatientTypes()
	}
}
