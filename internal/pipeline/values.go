package pipeline

import (
	"context"
	"reflect"

	"fhirsynapse/internal/pipeline/records"
)

// recordValues writes the counts of a part of an export into its document. It runs before the
// commit, so that a loaded export always has them.
func (d *deps) recordValues(
	ctx context.Context, export, part string, v records.PreparedValues,
) error {
	_, err := d.updateExport(ctx, export, func(e *records.Export) error {
		if old := e.Values[part]; v.Empty() && old.Empty() || reflect.DeepEqual(old, v) {
			return records.ErrUnchanged
		}
		if e.Values == nil {
			e.Values = map[string]records.PreparedValues{}
		}
		e.Values[part] = v
		return nil
	})
	return err
}

// valuesOf sums the counts of the files of a commit. It counts elements unknown to R4 by type
// only, because their names come from resources and must not enter the journal.
func valuesOf(b Batch) (sum records.PreparedValues) {
	var resources map[string]int64
	for _, f := range b.Files {
		sum.Add(records.PreparedValues{ValueCounts: f.Done.ValueCounts, Rows: f.Done.Rows})
		records.Count(&resources, b.Type, f.Done.Heads)
	}
	if sum.OtherVersion[b.Type] > 0 {
		sum.Resources = resources
	}
	sum.Trim()
	return sum
}
