package serverless

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/tds"
)

// cohort is the members of a schema: a file of memberships for each concluded export, the newest of
// which the view etl_cohort_member reads.
type cohort struct {
	w      *Warehouse
	schema string
}

// memberFile is one file of memberships. The newest one is the last by its path.
type memberFile struct {
	path, stamp, export string
	empty               bool
}

const membersFolder = "members/"

// keptFiles is the number of files that stay, for queries that began before the view moved.
const keptFiles = 10

var (
	memberPath  = regexp.MustCompile(`^[^/]+/members/(\d{8}T\d{9}Z)-([\w.-]+)-[0-9a-f]+\.lines$`)
	exportName  = regexp.MustCompile(`^[\w.-]+$`)
	membersTime = "2006-01-02T15:04:05.000"
)

// Conclude implements pipeline.Concluder: the members become the members of the export, and the
// views of the plan show the resources of members only. It removes nothing: the lines stay
// published.
//
// The order is: the file of memberships, the view of the members, the views of types that no commit
// of this process has created. An export that was requested before the newest file's changes
// nothing.
func (w *Warehouse) Conclude(
	ctx context.Context, c pipeline.Conclusion,
) (pipeline.Concluded, error) {
	done := pipeline.NewConcluded()
	if c.Members == nil {
		return done, nil
	}
	err := warehouse.CheckConclusion(c)
	if err == nil {
		m := cohort{w, c.Schema}
		done.Joined, done.Gone, err = m.conclude(ctx, c)
	}
	if err != nil {
		return done, fmt.Errorf("end export %s in schema %s: %w", c.Record.Export, c.Schema, err)
	}
	return done, nil
}

// concluder is a Warehouse as the pipeline's Concluder.
type concluder struct{ *Warehouse }

var (
	_ pipeline.Concluder = concluder{}
	_ pipeline.Adder     = concluder{}
)

// OnlyAdds implements pipeline.Adder.
func (concluder) OnlyAdds() {}

func (m cohort) conclude(
	ctx context.Context, c pipeline.Conclusion,
) (joined, gone int64, err error) {
	joined, gone, err = m.join(ctx, c)
	if err != nil {
		return 0, 0, err
	}
	if err := m.show(ctx, true); err != nil {
		return joined, gone, err
	}
	if err := m.filter(ctx, c.Plan); err != nil {
		return joined, gone, err
	}
	if err := m.tidy(ctx); err != nil {
		m.w.o.Log.WarnContext(ctx, "old files of members are left for the next export", "schema",
			m.schema, "error", err)
	}
	return joined, gone, nil
}

// files lists the files of memberships, oldest first.
func (m cohort) files(ctx context.Context) ([]memberFile, error) {
	var out []memberFile
	for f, err := range m.w.o.Published.List(ctx, area, m.schema+"/"+membersFolder) {
		if err != nil {
			return nil, fmt.Errorf("list the files of members: %w", err)
		}
		if p := memberPath.FindStringSubmatch(f.Path); p != nil {
			out = append(out, memberFile{f.Path, p[1], p[2], f.Size == 0})
		}
	}
	slices.SortFunc(out, func(a, b memberFile) int { return cmp.Compare(a.path, b.path) })
	return out, nil
}

// join writes the memberships after an export, unless its file is there, or the file of an export
// that was requested later.
func (m cohort) join(
	ctx context.Context, c pipeline.Conclusion,
) (joined, gone int64, err error) {
	at := c.Record.RequestedAt.UTC()
	next := memberFile{
		stamp:  strings.ReplaceAll(at.Format("20060102T150405.000Z"), ".", ""),
		export: c.Record.Export,
	}
	if !exportName.MatchString(next.export) {
		return 0, 0, fault.Permanentf("%q is not a valid name of an export", next.export)
	}
	there, err := m.files(ctx)
	if err != nil {
		return 0, 0, err
	}
	var former []membership
	if len(there) > 0 {
		last := there[len(there)-1]
		if cmp.Or(cmp.Compare(next.stamp, last.stamp),
			cmp.Compare(next.export, last.export)) <= 0 {
			return 0, 0, nil
		}
		if former, err = m.read(ctx, last.path); err != nil {
			return 0, 0, err
		}
	}
	next.path = fmt.Sprintf("%s/%s%s-%s-%s%s", m.schema, membersFolder, next.stamp, next.export,
		c.Attempt, linesEnding)
	all, joined, gone := joinedTo(former, c)
	return joined, gone, m.write(ctx, next.path, all)
}

// membership is one time in which a patient was in a cohort; to is empty while it lasts.
type membership struct{ cohort, patient, from, to string }

// joinedTo makes the patients of a conclusion the members.
func joinedTo(
	former []membership, c pipeline.Conclusion,
) (all []membership, joined, gone int64) {
	at := c.Record.RequestedAt.UTC().Format(membersTime)
	is := map[string]bool{}
	for _, one := range former {
		switch {
		case one.to != "":
		case one.cohort != c.Record.Cohort || !c.Members.Has([]byte(one.patient)):
			one.to = at
			gone++
		default:
			is[one.patient] = true
		}
		all = append(all, one)
	}
	for _, id := range slices.Sorted(maps.Keys(c.Members)) {
		if !is[id] {
			all = append(all, membership{c.Record.Cohort, id, at, ""})
			joined++
		}
	}
	return all, joined, gone
}

const memberFields = "\x0b"

// errNoMembers hides the content of a line, which has ids of patients.
var errNoMembers = errors.New("a line has another form")

func (m cohort) write(ctx context.Context, path string, all []membership) error {
	var text strings.Builder
	for _, one := range all {
		line := strings.Join([]string{one.cohort, one.patient, one.from, one.to}, memberFields)
		if strings.Count(line, memberFields) != 3 || strings.ContainsAny(line, "\r\n\x1f") {
			return fault.Permanentf("write the members: the id of one of them is no FHIR id")
		}
		text.WriteString(line + "\n")
	}
	_, err := m.w.o.Published.Put(ctx, area, path, strings.NewReader(text.String()))
	if err != nil {
		return fmt.Errorf("write the members: %w", err)
	}
	return nil
}

func (m cohort) read(ctx context.Context, path string) ([]membership, error) {
	r, err := m.w.o.Published.Open(ctx, area, path, "")
	if err != nil {
		return nil, fmt.Errorf("read the members: %w", err)
	}
	all, err := membershipsOf(r)
	if err = errors.Join(err, r.Close()); errors.Is(err, errNoMembers) {
		return nil, fault.Permanentf("read the members: %s is not written by this program: %w",
			path, err)
	} else if err != nil {
		return nil, fmt.Errorf("read the members: %w", err)
	}
	return all, nil
}

func membershipsOf(r io.Reader) (all []membership, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Split(lines.Text(), memberFields)
		if len(f) != 4 {
			return nil, errNoMembers
		}
		all = append(all, membership{f[0], f[1], f[2], f[3]})
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, errNoMembers
	}
	return all, lines.Err()
}

// show moves the view of the members to the newest file. It repeats until no newer file comes.
// Unless forced it does nothing if this process has created the same view.
func (m cohort) show(ctx context.Context, forced bool) error {
	for range moves {
		there, err := m.files(ctx)
		if err != nil {
			return err
		}
		todo := []statement{membersView(m.schema, there)}
		if !forced && len(m.w.unmade(m.schema, append([]statement{{}}, todo...))) == 1 {
			return nil
		}
		if err := m.w.pool.Again(ctx, func(int) error {
			return m.w.pool.With(ctx, func(s *tds.Session) error {
				return m.w.make(ctx, s, m.schema, todo)
			})
		}); err != nil {
			return err
		}
		m.w.remember(m.schema, todo)
		forced = false
	}
	return fault.Transientf("other processes keep writing members")
}

// filter creates the views of the published types that this process has not created. Views of an
// earlier version, or from before the plan had a cohort, show everybody.
func (m cohort) filter(ctx context.Context, plan string) error {
	there, err := m.w.list(ctx, m.schema+"/")
	if err != nil {
		return err
	}
	for _, folder := range slices.Sorted(maps.Keys(there)) {
		if there[folder].parts.visible().bound == "" {
			continue
		}
		resource := strings.TrimPrefix(folder, m.schema+"/")
		views, filtered, err := m.w.viewsOf(plan, m.schema, resource)
		if err != nil {
			return err
		}
		if !filtered || len(m.w.unmade(m.schema, append([]statement{{}}, views...))) == 1 {
			continue
		}
		if err := m.w.show(ctx, m.schema, resource, folder, views); err != nil {
			return fmt.Errorf("type %s: %w", resource, err)
		}
	}
	return nil
}

// tidy removes old files.
func (m cohort) tidy(ctx context.Context) error {
	there, err := m.files(ctx)
	if err != nil || m.w.o.Remover == nil {
		return err
	}
	for _, f := range there[:max(0, len(there)-keptFiles)] {
		if err := m.w.o.Remover.Remove(ctx, area, f.path); err != nil {
			return fmt.Errorf("remove %s: %w", f.path, err)
		}
	}
	return nil
}
