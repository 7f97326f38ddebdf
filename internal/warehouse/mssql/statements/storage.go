package statements

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/storage"
)

// Storable refuses a batch that the storage of its tables has no room for, and storage that the
// engine does not have. It names the columns, as Permanent.
func Storable(t Target) error {
	var faults []error
	for _, v := range t.Views {
		o := storage.Options{
			Columnstore: v.Columnstore, ByPatient: v.Spread != "", ClusterBy: v.ClusterBy,
		}
		if err := storage.Join(o.Check(string(t.Name), false)); err != nil {
			return &fault.Error{Class: fault.Permanent, Err: err}
		}
		for _, name := range v.ClusterBy {
			if !slices.ContainsFunc(v.Columns, func(c sof.Column) bool { return c.Name == name }) {
				faults = append(faults, fmt.Errorf("%s: view %s has no column %s: correct the name",
					storage.SettingClusterBy, v.Name, name))
			}
		}
		for _, c := range v.Columns {
			faults = append(faults, tooLong(t, v, c), unclustered(t, v, c))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return &fault.Error{Class: fault.Permanent, Err: err}
	}
	return nil
}

// tooLong refuses texts that a columnstore has no room for.
func tooLong(t Target, v flatten.Table, c sof.Column) error {
	longest := t.Longest[v.Name+"."+c.Name]
	switch {
	case !v.Columnstore || longest.Characters <= storage.Longest:
	case tsql.Bytewise(c) && longest.Characters < math.MaxInt: // unless nobody has measured it
		return fmt.Errorf("column %s.%s has a %s of %d characters, and a columnstore holds %d: "+
			"keys, codes and URIs are never cut: leave the column out of the view, or take %s: columnstore away",
			v.Name, c.Name, c.Class, longest.Characters, storage.Longest, storage.SettingStorage)
	default:
		return fmt.Errorf(
			"column %s.%s has a text that was not cut for a columnstore: prepare the file again",
			v.Name, c.Name)
	}
	return nil
}

// unclustered refuses columns by which the engine cannot cluster.
func unclustered(t Target, v flatten.Table, c sof.Column) error {
	if !slices.Contains(v.ClusterBy, c.Name) {
		return nil
	}
	typ := columnType(t, v, c)
	if strings.Contains(typ, "(max)") || typ == "bit" {
		return fmt.Errorf("%s: column %s.%s is %s, by which %s cannot cluster: choose another column",
			storage.SettingClusterBy, v.Name, c.Name, typ, t.Name)
	}
	return nil
}
