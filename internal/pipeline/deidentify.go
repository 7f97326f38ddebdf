package pipeline

import (
	"context"
	"fmt"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// stepRules is the step of an export that compares its rules with the rules of the tables.
const stepRules = "rules"

// builds reports whether an export of the plan asks only for changes since earlier ones. Below
// system level servers apply _since to the Patient first; a de-identified export may have ids that
// no earlier one had.
func (p Plan) builds() bool {
	return p.Deidentify == nil && (p.Level == LevelSystem || p.changesOnly())
}

// checkRules refuses an export whose tables have rows by other rules of de-identification. Rows of
// unchanged resources would stay as they are, because their version is the same.
func (st *starter) checkRules(ctx context.Context, plan Plan) error {
	exports, err := st.records.LastExports(ctx, plan.Name, farBack)
	if err != nil {
		return err
	}
	for _, key := range exports {
		d, err := records.Read[records.Export](ctx, st.Journal, key)
		if err != nil {
			return err
		}
		e := d.Value
		if e.Schema != plan.Schema || len(e.Jobs) == 0 {
			continue
		}
		before := e.Jobs[0].Deidentify
		if before.Equal(plan.Deidentify) {
			return nil // it was compared with those before it
		}
		if st.replaces(e) && plan.Deidentify != nil {
			return nil // all rows are replaced
		}
		rows, err := st.Warehouse.Ledger(ctx, plan.Schema, e.ID)
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			return &fault.Error{
				Class: fault.Permanent, Whose: fault.OurSetting,
				Err: fmt.Errorf(
					"the tables of schema %s were exported with %s, and this export has %s: rows of unchanged resources would stay as they are", plan.Schema, before, plan.Deidentify),
				Remedy: "write another schema for this plan, or drop the schema and its " +
					plan.Schema + "_load, and start an export",
			}
		}
	}
	return nil
}

// deidentified adds the rules of a de-identified export to its server's refusal.
func deidentified(r Request, err error) error {
	if r.Deidentify == nil || fault.Of(err) != fault.Permanent ||
		fault.Whose(err) != fault.OurSetting {
		return err
	}
	return &fault.Error{
		Class: fault.Permanent,
		Err:   fmt.Errorf("de-identified by %s: %w", r.Deidentify, err),
		Remedy: "check that the service supports de-identified exports, and that it has this " +
			"configuration in the container anonymization of its export storage account",
	}
}
