package serverless

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
)

// cohortName returns the name of the view of a type's newest resources of members.
func cohortName(resource string) string { return "_cohort_" + resource }

// compartmentOf returns the view of the patients of a type's resources; nil if the plan has no
// cohort, or if the type is outside of the Patient compartment.
func compartmentOf(views []*sof.View, resource string) *sof.View {
	for _, v := range views {
		if v.Resource == resource && v.Name == warehouse.CompartmentTable(resource) {
			return v
		}
	}
	return nil
}

// viewsFor returns the statements of the views of a type, and whether they show the resources of
// members only.
func viewsFor(
	schema, resource string, all []*sof.View,
) (out []statement, filtered bool, err error) {
	from := newestName(resource)
	var faults []error
	if c := compartmentOf(all, resource); c != nil {
		st, err := membersOnly(schema, c)
		out, faults = append(out, st), append(faults, err)
		from, filtered = cohortName(resource), true
	}
	for _, v := range all {
		if v.Resource != resource {
			continue
		}
		st, err := view(schema, from, v)
		out, faults = append(out, st), append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, filtered, &fault.Error{Class: fault.Permanent, Err: err}
	}
	return out, filtered, nil
}

// membersView returns the view of the memberships of the newest file. Without a file nobody is a
// member.
func membersView(schema string, there []memberFile) statement {
	const key = " AS varchar(128)) COLLATE " + utf8Collation + " AS "
	body := "SELECT CAST(NULL" + key + "[cohort], CAST(NULL" + key + "[patient_id], " +
		"CAST(NULL AS datetime2(3)) AS [valid_from], CAST(NULL AS datetime2(3)) AS [valid_to]\n" +
		"WHERE 1 = 0"
	if n := len(there); n > 0 && !there[n-1].empty {
		const text = " varchar(128) COLLATE " + utf8Collation
		body = fmt.Sprintf(`SELECT m.[cohort], m.[patient_id], TRY_CAST(m.[valid_from] AS datetime2(3)) AS [valid_from], TRY_CAST(NULLIF(m.[valid_to], '') AS datetime2(3)) AS [valid_to]
FROM OPENROWSET(
  BULK '%s', DATA_SOURCE = '%s', FORMAT = 'CSV', PARSER_VERSION = '1.0',
  FIELDTERMINATOR = '0x0b', FIELDQUOTE = '0x1f', ROWTERMINATOR = '0x0a'
) WITH (
  [cohort]%[3]s 1, [patient_id]%[3]s 2, [valid_from]%[3]s 3, [valid_to]%[3]s 4
) AS m`, there[n-1].path, source, text)
	}
	return statement{
		"members",
		"CREATE OR ALTER VIEW " + quoted(schema, warehouse.CohortMembersTable) + " AS\n" + body,
	}
}

// membersOnly returns the view of the newest resources that belong to a member, or to nobody. The
// patients come from the document itself, so that the lines are read once.
func membersOnly(schema string, compartment *sof.View) (statement, error) {
	body, err := tsql.Body(compartment, tsql.Serverless, tsql.Shape{
		From: "(SELECT n.[doc] AS [doc])",
	})
	if err != nil {
		return statement{}, fmt.Errorf("view %s: %w", compartment.Name, err)
	}
	var keys []string
	for _, name := range append(slices.Clone(sourceKeys), "doc") {
		keys = append(keys, tsql.Quote(name))
	}
	patient := tsql.Quote(warehouse.PatientColumn)
	return statement{
		"members of " + compartment.Resource,
		fmt.Sprintf(`CREATE OR ALTER VIEW %[1]s AS
SELECT k.%[2]s
FROM (
  SELECT n.%[3]s,
    ROW_NUMBER() OVER (PARTITION BY n.[_id] ORDER BY c.%[4]s) AS [place]
  FROM %[5]s AS n
  OUTER APPLY (
    %[6]s
  ) AS c
  LEFT JOIN %[7]s AS m ON m.[patient_id] = c.%[4]s AND m.[valid_to] IS NULL
  WHERE c.%[4]s IS NULL OR m.[patient_id] IS NOT NULL
) AS k
WHERE k.[place] = 1`, quoted(schema, cohortName(compartment.Resource)), strings.Join(keys, ", k."),
			strings.Join(keys, ", n."), patient,
			quoted(schema, newestName(compartment.Resource)),
			strings.ReplaceAll(strings.TrimSpace(body), "\n", "\n    "),
			quoted(schema, warehouse.CohortMembersTable)),
	}, nil
}

// CohortScript returns the statements of the plan of a cohort for a type with their steps: the
// view of the members before the first export and after it, and the views of the type. views has
// the compartment's view.
func CohortScript(schema string, views ...*sof.View) (steps, texts []string, err error) {
	all := []statement{membersView(schema, nil), membersView(schema, []memberFile{{
		path: schema + "/" + membersFolder + "20260301T000000000Z-plan-000001-0a1b2c3d.lines",
	}})}
	more, _, err := viewsFor(schema, views[0].Resource, views)
	for _, st := range append(all, more...) {
		steps, texts = append(steps, st.step), append(texts, st.text)
	}
	return steps, texts, err
}
