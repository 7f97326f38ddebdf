package flatten

import (
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/storage"
)

// Stored is Native with the storage of the tables of each plan.
type Stored struct {
	Native
	Storage func(plan string) storage.Options
}

// Tables implements PlanViews.
func (s Stored) Tables(plan string) ([]Table, error) {
	tables, err := s.Native.Tables(plan)
	if err != nil {
		return nil, err
	}
	o := s.Storage(plan)
	for i := range tables {
		Store(&tables[i], o)
	}
	for _, name := range o.ClusterBy {
		table, column, _ := strings.Cut(name, ".")
		if !slices.ContainsFunc(tables, func(t Table) bool {
			return t.Name == table && t.column(column) != nil
		}) {
			return nil, fault.Permanentf("%s: no view of plan %s has the column %s: correct the name",
				storage.SettingClusterBy, plan, name)
		}
	}
	return tables, nil
}

// ViewSet implements PlanViews.
func (s Stored) ViewSet(plan string) (string, error) {
	views, err := s.Native(plan)
	if err != nil {
		return "", err
	}
	tables, err := s.Tables(plan)
	if err != nil {
		return "", err
	}
	return viewSet(views, tables), nil
}

// Compiled returns the compiled views of a plan, for engines that generate SELECT bodies from them.
func (n Native) Compiled(plan string) ([]*sof.View, error) { return n(plan) }

// Store sets how a table is stored.
func Store(t *Table, o storage.Options) {
	t.Columnstore, t.ClusterBy = o.Columnstore, o.Of(t.Name)
	if !o.ByPatient {
		return
	}
	key := "patient_id"
	if t.Resource == "Patient" && t.column(key) == nil {
		key = "id"
	}
	if c := t.column(key); c != nil && c.Kind == sof.Text && c.Class == sof.Key &&
		c.Length != sof.Unlimited {
		t.Spread = key
	}
}

func (t *Table) column(name string) *sof.Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// Clips reports whether long texts of a column are cut. Keys, codes and URIs never are.
func (t *Table) Clips(c sof.Column) bool {
	return t.Columnstore && c.Kind == sof.Text && c.Class != sof.Key && c.Class != sof.Code &&
		c.Class != sof.URI
}
