package warehouse

import (
	"fmt"
	"strings"

	"fhirsynapse/internal/fault"
)

// Drift is the difference between the tables of a plan and its views.
type Drift struct {
	Plan PlanTables
	// New is the number of tables that the first commit of their type makes.
	New int
	// Pending are the changes that the next commit makes, such as a column to add.
	Pending []string
	// Refused are the differences that a commit refuses, one for each resource type.
	Refused []error
}

// Finding returns the difference for a person.
func (d Drift) Finding() Finding {
	of := fmt.Sprintf("%d tables in schema %s", len(d.Plan.Tables), d.Plan.Schema)
	switch {
	case len(d.Refused) > 0:
		var texts []string
		remedy := ""
		for _, err := range d.Refused {
			if remedy == "" {
				remedy = fault.Remedy(err)
			}
			texts = append(texts, strings.TrimSuffix(err.Error(), ": "+fault.Remedy(err)))
		}
		return Finding{
			Level: Wrong, Remedy: remedy,
			Text: "the next commit is refused: " + fault.Clip(strings.Join(texts, "; ")),
		}
	case len(d.Pending) > 0:
		const most = 5
		texts := d.Pending
		if len(texts) > most {
			texts = append(texts[:most:most], fmt.Sprintf("and %d more", len(texts)-most))
		}
		return Finding{
			Level: Worth,
			Text: of + " differ from the views; the next commit of the type changes them: " +
				strings.Join(texts, ", "),
			Remedy: "nothing, unless old rows need the new columns too: docs/warehouses.md, Rebuilding",
		}
	case d.New == len(d.Plan.Tables):
		return Finding{Text: of + " do not exist yet: the first commit makes them"}
	case d.New > 0:
		return Finding{Text: fmt.Sprintf("%s match the views; the first commit of their type makes %d of them",
			of, d.New)}
	}
	return Finding{Text: of + " match the views"}
}
