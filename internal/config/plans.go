package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // Functions images and bare containers have no zone database

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/storage"
	"fhirsynapse/internal/typefilter"

	"github.com/goccy/go-yaml/ast"
	"github.com/robfig/cron/v3"
)

// Defaults of a plan. The lag leaves writes in progress at the server to the next export. The
// overlap covers slower writes: Microsoft's transactionTime is the creation of the job, not a
// consistent snapshot.
const (
	defaultLag     = 3 * time.Minute
	defaultOverlap = 15 * time.Minute
	defaultMaxBad  = "5%"
	manual         = "manual"
)

// The values of urnReferences.
const (
	urnsNone = "none"
	urnsIDs  = "ids"
)

var (
	levels   = []string{pipeline.LevelSystem, pipeline.LevelPatient, pipeline.LevelGroup}
	planKeys = []string{
		"name", "source", "level", "group", "cohort", "types", "typeFilter", "patients", "elements",
		"deleted", "deidentify", "schema", "schedule", "timezone", "paused", "lag", "overlap",
		"maxBad", "urnReferences", "allowErrors", "fullEvery", "mode", "outside",
		storage.SettingStorage, storage.SettingDistribute, storage.SettingClusterBy,
	}
	planName   = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	schemaName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,62}$`)
	// fhirID matches FHIR R4 ids (§2.24.0.1), and also underscores and up to 128 characters,
	// because some servers use them.
	fhirID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)
	// reserved schemas belong to the engines.
	reserved = []string{"information_schema", "pg_catalog", "sys", "temp", "system"}
	fields5  = cron.NewParser(
		cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
)

func (r *reader) plans(e *Exports, list *ast.SequenceNode) {
	names, schemas := map[string]bool{}, map[string]string{}
	for i, n := range list.Values {
		what := fmt.Sprintf("plan %d", i+1)
		o, ok := r.object(n, what, planKeys...)
		if !ok {
			continue
		}
		p := pipeline.Plan{Name: o.text("name", "")}
		switch {
		case p.Name == "":
			o.fault("name", "is missing")
		case !planName.MatchString(p.Name):
			o.fault("name",
				"%q: a name has lower-case letters, digits and hyphens, starts with a letter and has at most 40 characters", p.Name)
		case names[p.Name]:
			o.fault("name", "there is another plan %s", p.Name)
		}
		names[p.Name] = true
		if p.Name != "" {
			o.what = "plan " + p.Name
		}
		source := r.planSource(o, e)
		r.scope(o, &p, e, source)
		r.schema(o, &p, schemas)
		p.Schedule = r.schedule(o)
		p.Paused = o.boolean("paused", false)
		fullEvery(o, &p)
		outside(o, &p)
		changesOnly(o, &p, source.Dialect)
		p.Lag = o.duration("lag", defaultLag)
		if p.OpenEnd = source.Dialect == DialectBulk && !source.Until; p.OpenEnd {
			if p.Lag = 0; o.has("lag") {
				o.fault("lag", "has no meaning: this server does not support _until: if it does, write until: true for the source")
			}
		}
		p.Overlap = o.duration("overlap", defaultOverlap)
		share, err := parsePercent(o.text("maxBad", defaultMaxBad))
		if err != nil {
			o.fault("maxBad", "%w", err)
		}
		p.MaxBad = share
		e.ReferencesOf[p.Name] = r.references(o)
		e.StorageOf[p.Name] = r.storage(o)
		p.AllowErrors = o.boolean("allowErrors", false)
		e.Plans = append(e.Plans, p)
		e.SourceOf[p.Name] = source.Name
	}
}

// mostFullEvery bounds how many exports are read to find the last full one.
const mostFullEvery = 1000

// fullEvery reads how often the schedule makes a full export.
func fullEvery(o object, p *pipeline.Plan) {
	if !o.has("fullEvery") {
		return
	}
	p.FullEvery = o.number("fullEvery", 2, mostFullEvery)
	switch {
	case p.Level != pipeline.LevelSystem && p.Mode == "":
		o.fault("fullEvery", "has no meaning at level %s, where every export is full: remove it",
			p.Level)
	case p.Deidentify != nil:
		o.fault("fullEvery", "has no meaning with deidentify, where every export is full: remove it")
	case p.Schedule == nil:
		o.fault("fullEvery",
			"has no meaning with schedule: manual: remove it, and type fhirsynapse exports start %s --full", p.Name)
	}
}

// references reads how the plan's views treat references that are not relative.
func (r *reader) references(o object) (out sof.References) {
	switch value := o.text("urnReferences", urnsNone); value {
	case urnsNone:
	case urnsIDs:
		out.URNs = true
	default:
		o.fault("urnReferences",
			"%q: write ids, which takes the UUID of a urn:uuid reference as the id, or none", value)
	}
	return out
}

// storage reads how the plan's tables are stored.
func (r *reader) storage(o object) storage.Options {
	s, faults := storage.Parse(o.text(storage.SettingStorage, ""),
		o.text(storage.SettingDistribute, ""), o.texts(storage.SettingClusterBy))
	for _, f := range faults {
		o.fault(f.Setting, "%w", f.Err)
	}
	return s
}

func (r *reader) planSource(o object, e *Exports) Source {
	name := o.text("source", "")
	s, known := e.Sources[name]
	switch {
	case known:
		return s
	case name == "" && !o.has("source"):
		if c, ok := e.Cohort(o.text("cohort", "")); ok {
			return e.Sources[c.Source]
		}
		if len(e.Sources) == 1 {
			for _, only := range e.Sources {
				return only
			}
		}
		o.fault("source", "is missing: name one of the sources")
	default:
		var names []string
		for n := range e.Sources {
			names = append(names, n)
		}
		slices.Sort(names)
		o.fault("source", "unknown source %q%s", name, hint(name, names))
	}
	return Source{Name: name}
}

// scope reads the scope of the export: level, group, types, filters, deletes.
func (r *reader) scope(o object, p *pipeline.Plan, e *Exports, source Source) {
	r.planCohort(o, p, e, source)
	if p.Cohort == "" {
		p.Level = o.text("level", pipeline.LevelSystem)
		p.Group = o.text("group", "")
	}
	switch {
	case p.Cohort != "":
	case !slices.Contains(levels, p.Level):
		o.fault("level", "unknown level %q%s", p.Level, hint(p.Level, levels))
	case p.Level == pipeline.LevelGroup && p.Group == "":
		o.fault("group", "is missing: level group needs the id of a Group")
	case p.Level != pipeline.LevelGroup && p.Group != "":
		o.fault("group", "has no meaning at level %s: remove it, or write level: group", p.Level)
	case p.Group != "" && !fhirID.MatchString(p.Group):
		o.fault("group",
			"must be the id of a Group: up to 128 letters, digits, hyphens, dots and underscores")
	}
	p.Types = r.types(o)
	p.TypeFilter = o.texts("typeFilter")
	if len(p.TypeFilter) > 0 {
		e.warn("%s: a resource that leaves the filter is never exported again, and its old row stays: prefer a view's where, which sees every change", o.what)
	}
	r.patients(o, p, e, source.Dialect)
	if o.has("elements") {
		o.fault("elements",
			"is refused: incomplete resources would replace complete ones; choose columns by views")
	}
	r.deidentify(o, p, e, source.Dialect)
	r.deletes(o, p, source.Dialect)
	filters(o, p, source.Dialect)
	if p.Level != pipeline.LevelSystem && p.Cohort == "" && slices.Contains(levels, p.Level) {
		// Servers apply _since to the Patient first.
		e.warn("%s: at level %s every export is full, since this server would leave new resources of unchanged patients out of incremental ones: prefer level system", o.what, p.Level)
	}
}

// deletes reads whether deletes are requested. Servers of dialect bulk report them without a
// request.
func (r *reader) deletes(o object, p *pipeline.Plan, dialect string) {
	asked := o.boolean("deleted", p.Level == pipeline.LevelSystem && p.Deidentify == nil)
	if dialect != DialectAzure {
		if o.has("deleted") && !asked {
			o.fault("deleted", "this server always reports deletes: remove it")
		}
		return
	}
	p.Deleted = asked
	// Microsoft's server supports includeAssociatedData at system level only.
	if p.Deleted && p.Level != pipeline.LevelSystem {
		o.fault("deleted",
			"this server reports deletes at level system only: write deleted: false, or level: system")
	}
}

// patients reads the list of patients that limits a plan.
func (r *reader) patients(o object, p *pipeline.Plan, e *Exports, dialect string) {
	ids := o.texts("patients")
	if len(ids) == 0 {
		return
	}
	switch {
	case dialect == DialectAzure:
		o.fault("patients", "this server takes no list of patients: write level: group and a Group")
	case p.Level == pipeline.LevelSystem:
		o.fault("patients", "has no meaning at level system: write level: patient, or group")
	}
	for i, id := range ids {
		if !fhirID.MatchString(id) {
			o.fault("patients",
				"entry %d is not the id of a Patient: up to 128 letters, digits, hyphens, dots and underscores, without Patient/", i+1)
		}
	}
	e.PatientsOf[p.Name] = ids
}

func (r *reader) types(o object) []string {
	types := o.texts("types")
	for i, t := range types {
		at := o.fields["types"].(*ast.SequenceNode)
		switch {
		case slices.Contains(types[:i], t):
			r.fault(at, "%s: types: %s is listed twice", o.what, t)
		case !slices.Contains(records.KnownTypes, t):
			r.fault(at, "%s: types: %q is not a resource type of FHIR R4%s", o.what, t,
				hint(t, records.KnownTypes))
		}
	}
	return types
}

// filters checks _typeFilter: one FHIR search per entry, "Type?param=value".
func filters(o object, p *pipeline.Plan, dialect string) {
	rules := typefilter.Bulk
	if dialect == DialectAzure {
		rules = typefilter.Azure
	}
	var known []string
	for _, f := range p.TypeFilter {
		if t, ok := typefilter.Type(f); ok && !slices.Contains(records.KnownTypes, t) {
			o.fault("typeFilter", "%q is not a resource type of FHIR R4%s", t,
				hint(t, records.KnownTypes))
			continue
		}
		known = append(known, f)
	}
	for _, err := range rules.Check(known, p.Types, p.Deleted) {
		o.fault("typeFilter", "%w", err)
	}
}

func (r *reader) schema(o object, p *pipeline.Plan, taken map[string]string) {
	p.Schema = o.text("schema", strings.ReplaceAll(p.Name, "-", "_"))
	key := strings.ToLower(p.Schema) // engines fold case
	switch {
	case p.Schema == "":
	case !schemaName.MatchString(p.Schema):
		o.fault("schema",
			"%q: a schema has letters, digits and underscores, starts with a letter and has at most 63 characters", p.Schema)
	case slices.Contains(reserved, key):
		o.fault("schema", "%s belongs to the database: choose another", p.Schema)
	case taken[key] != "":
		o.fault("schema", "%s is the schema of %s: two plans must not write the same tables",
			p.Schema, taken[key])
	default:
		for other, what := range taken {
			if other+loadSuffix == key || key+loadSuffix == other {
				o.fault("schema",
					"%s and the schema of %s differ by %s only, and the loader keeps its own tables in a schema of that name: choose another",
					p.Schema, what, loadSuffix)
			}
		}
		taken[key] = o.what
	}
}

// loadSuffix ends the name of the schema with the loader's own tables of a plan, see package
// warehouse.
const loadSuffix = "_load"

// schedule reads a cron line of five fields, a descriptor such as @daily or @every 6h, or "manual"
// (nil).
func (r *reader) schedule(o object) pipeline.Schedule {
	text, zone := strings.TrimSpace(o.text("schedule", "")), o.text("timezone", "")
	location := time.UTC
	if zone != "" {
		l, err := time.LoadLocation(zone)
		if err != nil || zone == "Local" {
			o.fault("timezone",
				"unknown time zone %q: write a name of the IANA database, for example Europe/Berlin", zone)
		} else {
			location = l
		}
	}
	switch text {
	case "":
		o.fault("schedule",
			`is missing: write five cron fields such as "0 2 * * *", @every 6h, or manual`)
		return nil
	case manual:
		if zone != "" {
			o.fault("timezone", "has no meaning without a schedule")
		}
		return nil
	}
	if n := len(strings.Fields(text)); n != 5 && !strings.HasPrefix(text, "@") {
		o.fault("schedule",
			"%q has %d fields: write five (minute hour day month weekday), unlike the host's NCRONTAB of six", text, n)
		return nil
	}
	s, err := fields5.Parse(text)
	if err != nil {
		o.fault("schedule", "%q: %w", text, err)
		return nil
	}
	if spec, ok := s.(*cron.SpecSchedule); ok {
		spec.Location = location
	}
	// The start does not matter: cron searches five years and finds no 30 February.
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		o.fault("schedule", "%q is never due", text)
		return nil
	}
	return s
}
