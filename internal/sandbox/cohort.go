package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/emulator/fhirserver/search"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/functionshost"
)

// FormerSmokers is the cohort of the demo: patients whose newest smoking status is former smoker.
const FormerSmokers = "former-smokers"

// Codes of the smoking status.
const (
	smokingStatus = "72166-2"   // LOINC
	formerSmoker  = "8517006"   // SNOMED CT
	dailySmoker   = "449868002" // SNOMED CT
)

// cohortText returns the cohort of exports.yaml.
const cohortText = `cohorts:
  - name: ` + FormerSmokers + `
    source: sandbox
    search: Observation?code=http://loinc.org|` + smokingStatus + `&value-concept=http://snomed.info/sct|` + formerSmoker + `
    match: latest
    membership: tracking
    groupSize: 20
    maxShrink: 50%
`

// runCohort exports the cohort, changes who belongs to it, deletes resources, and exports it twice
// again. It compares the members, the resources and the tables with the server's data each time.
func (d Demo) runCohort(
	ctx context.Context, w *World, host *functionshost.Host, data *store.Store,
) error {
	c := cohortDemo{Demo: d, w: w, host: host, data: data}
	if err := c.month(ctx, "the initial copy", 0, 0); err != nil {
		return err
	}
	left, joined, err := c.change()
	if err != nil {
		return fmt.Errorf("change the server's data: %w", err)
	}
	if err := c.vanish(); err != nil {
		return fmt.Errorf("delete resources of a member: %w", err)
	}
	d.say("changed at the server: %d relapse, %d new former smoker, 1 delete, 1 hard delete", left,
		joined)
	if err := c.month(ctx, "the next month", joined, left); err != nil {
		return err
	}
	c.vanished = nil
	if err := c.month(ctx, "the month after it", 0, 0); err != nil {
		return err
	}
	if err := c.listed(ctx); err != nil {
		return err
	}
	if err := c.planned(ctx); err != nil {
		return err
	}
	d.say("ok: members, resources and tables are as the server has them")
	return nil
}

// cohortDemo is one run of the demo with the cohort.
type cohortDemo struct {
	Demo
	w    *World
	host *functionshost.Host
	data *store.Store
	// began is set after the initial copy.
	began bool
	// vanished are the ids of Observations that were deleted since the last export. Below system
	// level no delete is told, so their rows stay until two exports lack them.
	vanished []string
}

// counted are the types whose tables have one row for each resource.
var counted = map[string]string{
	"Patient": "patient", "Observation": "observation", "Condition": "condition",
	"Encounter": "encounter",
}

// month exports the cohort once, and checks the result.
func (c *cohortDemo) month(ctx context.Context, what string, joins, leaves int) error {
	want := c.formerSmokers()
	if len(want) == 0 {
		return errors.New("the data has no former smokers: take other data, or another seed")
	}
	inside, err := c.compartments(want)
	if err != nil {
		return err
	}
	reports, err := c.export(ctx, c.w, c.host, what)
	if err != nil {
		return err
	}
	record, err := cohort.Read(ctx, c.w.App.Journal(), FormerSmokers)
	if err != nil {
		return err
	}
	var wrong []error
	check := func(what string, got, want int) {
		if got != want {
			wrong = append(wrong,
				fmt.Errorf("%s: %d, and the server's data says %d", what, got, want))
		}
	}
	groups := !c.World.WithoutGroups
	if got := c.groupMembers(); groups && !slices.Equal(got, want) {
		wrong = append(wrong,
			fmt.Errorf("the Groups do not have the members that the server's data says"))
	}
	check("members", record.Members, len(want))
	if joins+leaves > 0 && groups { // without Groups, only the sizes are compared
		check("joined", record.Joins, joins)
		check("left", record.Leaves, leaves)
	}
	// A server repeats a resource that is in the compartments of several members.
	exported, applied := map[string]int{}, map[string]int{}
	for _, r := range reports {
		exported[r.Type], applied[r.Type] = int(r.Manifest), int(r.Applied)
	}
	for _, typ := range slices.Sorted(maps.Keys(inside)) {
		// The cohort's own Groups are new, and in this export or in the next.
		if !c.began && typ != "Group" {
			check("new resources of "+typ, applied[typ], len(inside[typ]))
		}
		if exported[typ] < len(inside[typ]) {
			check("resources of "+typ, exported[typ], len(inside[typ]))
		}
	}
	c.began = true
	rows := make([]string, 0, len(counted))
	for _, typ := range slices.Sorted(maps.Keys(counted)) {
		n, err := ask(ctx, c.w.database(),
			fmt.Sprintf(`SELECT '', count(DISTINCT _id) FROM "%s"."%s"`, schema, counted[typ]))
		if err != nil {
			return err
		}
		rows = append(rows, fmt.Sprintf("%s %d", counted[typ], n[0].rows))
		expected := len(inside[typ])
		if typ == "Observation" {
			expected += len(c.vanished)
		}
		check("rows of "+counted[typ], int(n[0].rows), expected)
	}
	wrong = append(wrong, c.silentJournal(ctx, want))
	parts := "Groups"
	if !groups {
		parts = "shares"
	}
	c.say("%s: %d members in %d %s, %d joined, %d left; rows: %s", what, record.Members,
		len(record.Shards), parts, record.Joins, record.Leaves, strings.Join(rows, ", "))
	return errors.Join(wrong...)
}

// planned asks for a plan as a person would: after an export, a refresh has nothing to do.
func (c *cohortDemo) planned(ctx context.Context) error {
	var environ []string
	for name, value := range c.w.Settings() {
		environ = append(environ, name+"="+value)
	}
	operator := app.Operator{
		Environment: app.Environment{Environ: environ, ReadFile: os.ReadFile, Now: c.World.Now},
		Log:         c.World.Log,
	}
	list, err := operator.Cohorts(ctx, "")
	if err != nil {
		return err
	}
	if len(list) != 1 || len(list[0].Plans) != 1 || list[0].Record.Members == 0 {
		return errors.New("the list of cohorts is not that of exports.yaml")
	}
	r, err := operator.RefreshCohort(ctx, "", FormerSmokers, cohort.Options{DryRun: true})
	if err != nil {
		return err
	}
	if r.Joins+r.Leaves > 0 || r.Members != list[0].Record.Members {
		return fmt.Errorf("a refresh after the export would change %d members", r.Joins+r.Leaves)
	}
	return nil
}

// silentJournal checks that no document of the journal names a member.
func (c *cohortDemo) silentJournal(ctx context.Context, members []string) error {
	j := c.w.App.Journal()
	for key, err := range j.List(ctx, "") {
		if err != nil {
			return err
		}
		doc, err := j.Read(ctx, key)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(members, func(id string) bool {
			return strings.Contains(string(doc.Data), id)
		}) {
			return fmt.Errorf("the journal's document %s names a member", key)
		}
	}
	return nil
}

// status is a smoking status of the server's data.
type status struct {
	Status string
	Code   coded
	Value  coded `json:"valueCodeableConcept"`
	Meta   struct{ LastUpdated time.Time }

	Subject struct{ Reference string }
	Instant string                      `json:"effectiveInstant"`
	Date    string                      `json:"effectiveDateTime"`
	Period  struct{ Start, End string } `json:"effectivePeriod"`
}

type coded struct{ Coding []coding }

type coding struct{ Code string }

func (c coded) has(code string) bool {
	return slices.ContainsFunc(c.Coding, func(x coding) bool { return x.Code == code })
}

// when returns the time of a status; a partial date is its first instant.
func (s status) when() time.Time {
	for _, text := range []string{s.Instant, s.Date, s.Period.End, s.Period.Start} {
		for _, layout := range []string{time.RFC3339, time.DateOnly, "2006-01", "2006"} {
			if t, err := time.Parse(layout, text); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}

// statuses returns the newest smoking status of each patient. It reads the server's data, not the
// server's answers, and shares no code with the product.
func (c *cohortDemo) statuses() map[string]status {
	newest := map[string]status{}
	for _, v := range c.data.In("Observation", store.Window{}) {
		line, err := c.data.Line(v)
		var s status
		if err != nil || json.Unmarshal(line, &s) != nil || s.Status == "entered-in-error" ||
			!s.Code.has(smokingStatus) {
			continue
		}
		id, ok := strings.CutPrefix(s.Subject.Reference, "Patient/")
		last, known := newest[id]
		if !ok || known && (last.when().After(s.when()) ||
			last.when().Equal(s.when()) && last.Meta.LastUpdated.After(s.Meta.LastUpdated)) {
			continue
		}
		newest[id] = s
	}
	return newest
}

// formerSmokers returns the sorted ids of the members that the cohort should have.
func (c *cohortDemo) formerSmokers() (ids []string) {
	for id, s := range c.statuses() {
		if s.Value.has(formerSmoker) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// groupMembers returns the sorted ids of the members of the cohort's Groups.
func (c *cohortDemo) groupMembers() (ids []string) {
	for _, v := range c.data.In("Group", store.Window{}) {
		line, err := c.data.Line(v)
		if err != nil || !strings.HasPrefix(v.ID, "cohort-"+FormerSmokers+"-") {
			continue
		}
		members, err := search.Members(line, c.World.Now(), func(string) []byte { return nil })
		if err == nil {
			ids = append(ids, members...)
		}
	}
	slices.Sort(ids)
	return ids
}

// compartments returns the ids of the resources in the compartments of patients, by type.
func (c *cohortDemo) compartments(patients []string) (map[string]map[string]bool, error) {
	inside := map[string]map[string]bool{}
	for _, typ := range c.data.Types() {
		if !search.InCompartment(typ) && typ != "Patient" {
			continue
		}
		for _, v := range c.data.In(typ, store.Window{}) {
			line, err := c.data.Line(v)
			if err != nil {
				return nil, err
			}
			for _, of := range search.Patients(typ, v.ID, line) {
				if _, member := slices.BinarySearch(patients, of); member {
					if inside[typ] == nil {
						inside[typ] = map[string]bool{}
					}
					inside[typ][v.ID] = true
				}
			}
		}
	}
	return inside, nil
}

// change makes one member smoke again, and one patient a former smoker.
func (c *cohortDemo) change() (left, joined int, err error) {
	at := Lately(c.World.Now)
	put := func(patient, code string) error {
		line := fmt.Sprintf(`{"resourceType":"Observation","id":"demo-status-%s","status":"final","code":{"coding":[{"system":"http://loinc.org","code":%q}]},"subject":{"reference":"Patient/%s"},"effectiveDateTime":%q,"valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct","code":%q}]}}`,
			code, smokingStatus, patient, at.Format(time.RFC3339), code)
		_, err := c.data.Put([]byte(line), at)
		return err
	}
	newest := c.statuses()
	for _, id := range slices.Sorted(maps.Keys(newest)) {
		switch former := newest[id].Value.has(formerSmoker); {
		case former && left == 0:
			left++
			err = errors.Join(err, put(id, dailySmoker))
		case !former && joined == 0:
			joined++
			err = errors.Join(err, put(id, formerSmoker))
		}
	}
	return left, joined, err
}

// vanish deletes one Observation of a member, and purges another.
func (c *cohortDemo) vanish() error {
	inside, err := c.compartments(c.formerSmokers())
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(inside["Observation"])) {
		v, there := c.data.Current("Observation", id)
		line, err := c.data.Line(v)
		// Without its smoking status a patient would be no member.
		if !there || err != nil || strings.Contains(string(line), smokingStatus) {
			continue
		}
		if c.vanished = append(c.vanished, id); len(c.vanished) == 1 {
			if _, err := c.data.Delete("Observation", id, Lately(c.World.Now)); err != nil {
				return err
			}
			continue
		}
		return c.data.Purge("Observation", id)
	}
	return errors.New("the members have too few Observations: take other data, or another seed")
}

// listed checks what the tables tell readers about exports, members and deletes.
func (c *cohortDemo) listed(ctx context.Context) error {
	for _, q := range []struct {
		what, query string
		want        int64
	}{
		{"exports", `SELECT '', count(*) FROM "%s".etl_exports WHERE state = 'loaded'`, 3},
		{
			"present members",
			`SELECT '', count(*) FROM "%s".etl_cohort_member WHERE valid_to IS NULL`,
			int64(len(c.formerSmokers())),
		},
		{
			"former members",
			`SELECT '', count(*) FROM "%s".etl_cohort_member WHERE valid_to IS NOT NULL`, 1,
		},
		{"missing", `SELECT '', count(*) FROM "%s".etl_deleted WHERE reason = 'missing'`, 2},
	} {
		n, err := ask(ctx, c.w.database(), fmt.Sprintf(q.query, schema))
		if err != nil {
			return err
		}
		if n[0].rows != q.want {
			return fmt.Errorf("the tables list %d %s, want %d", n[0].rows, q.what, q.want)
		}
	}
	return nil
}
