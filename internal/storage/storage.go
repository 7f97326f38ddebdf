// Package storage holds the ways in which a plan may want its tables to be stored.
package storage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Options are the choices of a plan. The zero value leaves all to the engine's default.
type Options struct {
	// Columnstore stores rows by columns. Longer texts than Longest are cut.
	Columnstore bool
	// ByPatient distributes the rows of a table by their patient instead of by their resource.
	ByPatient bool
	// ClusterBy lists columns, as table.column. Rows with similar values are stored together.
	ClusterBy []string
}

// The settings, by their names in exports.yaml and in connection strings.
const (
	SettingStorage    = "storage"
	SettingDistribute = "distribute"
	SettingClusterBy  = "clusterBy"
)

// Settings are the names of all settings.
var Settings = []string{SettingStorage, SettingDistribute, SettingClusterBy}

// Fault holds an error about a setting.
type Fault struct {
	Setting string
	Err     error
}

// Join joins faults to one error that names the settings. It returns nil for no faults.
func Join(faults []Fault) error {
	errs := make([]error, len(faults))
	for i, f := range faults {
		errs[i] = fmt.Errorf("%s: %w", f.Setting, f.Err)
	}
	return errors.Join(errs...)
}

// Parse returns the options of the texts of the settings; an empty text leaves the default.
func Parse(storage, distribute string, clusterBy []string) (o Options, faults []Fault) {
	add := func(setting, format string, args ...any) {
		faults = append(faults, Fault{setting, fmt.Errorf(format, args...)})
	}
	switch storage {
	case "":
	case "columnstore":
		o.Columnstore = true
	default:
		add(SettingStorage,
			"%q: write columnstore, which stores tables by columns, or leave it out", storage)
	}
	switch distribute {
	case "":
	case "patient":
		o.ByPatient = true
	default:
		add(SettingDistribute,
			"%q: write patient, which distributes rows by their patient, or leave it out",
			distribute)
	}
	columns := map[string]int{}
	for _, name := range clusterBy {
		table, column, ok := strings.Cut(name, ".")
		if !ok || table == "" || column == "" || slices.Contains(o.ClusterBy, name) {
			add(SettingClusterBy, "%q: name each column once, as in observation.patient_id", name)
			continue
		}
		if columns[table]++; columns[table] == mostClustered+1 {
			add(SettingClusterBy, "table %s has more than %d columns: choose those that queries filter by",
				table, mostClustered)
		}
		o.ClusterBy = append(o.ClusterBy, name)
	}
	return o, faults
}

// mostClustered is the number of columns that Fabric takes for a table.
const mostClustered = 4

// The engines that have a choice, by the schemes of the setting Warehouse.
const (
	sqlServer  = "sqlserver"
	dedicated  = "synapse-dedicated"
	serverless = "synapse-serverless"
	fabric     = "fabric"
)

// Check returns what an engine cannot do. Transforms is set if the engine computes the rows of
// views.
func (o Options) Check(engine string, transforms bool) (faults []Fault) {
	add := func(setting, format string, args ...any) {
		faults = append(faults, Fault{setting, fmt.Errorf(format, args...)})
	}
	if o.Columnstore {
		switch {
		case engine == serverless:
			add(SettingStorage, "%s has no tables: it reads files", engine)
		case engine != dedicated && engine != sqlServer:
			add(SettingStorage, "%s stores its tables by columns anyway: remove it", engine)
		case transforms:
			add(SettingStorage, "long texts are cut while files are prepared, and with the transform tsql "+
				"%s computes the rows itself: use the transform native", engine)
		}
	}
	if o.ByPatient && engine != dedicated {
		add(SettingDistribute, "%s does not let a table choose its distribution, only %s does: remove it",
			engine, dedicated)
	}
	if len(o.ClusterBy) > 0 && engine != fabric {
		add(SettingClusterBy, "%s has no CLUSTER BY, only %s has: remove it", engine, fabric)
	}
	return faults
}

// Or returns the options of a plan, with others where it leaves the default.
func (o Options) Or(other Options) Options {
	o.Columnstore = o.Columnstore || other.Columnstore
	o.ByPatient = o.ByPatient || other.ByPatient
	if len(o.ClusterBy) == 0 {
		o.ClusterBy = other.ClusterBy
	}
	return o
}

// Of returns the columns of a table in ClusterBy.
func (o Options) Of(table string) (columns []string) {
	for _, name := range o.ClusterBy {
		if of, column, _ := strings.Cut(name, "."); of == table {
			columns = append(columns, column)
		}
	}
	return columns
}

// Longest is the greatest length of a text in a columnstore, in UTF-16 units: the most of an
// nvarchar with a limit. The dedicated pool takes no other in a columnstore.
const Longest = 4000

// Cut returns the longest beginning of a text that a columnstore holds. It ends at a character.
func Cut(text []byte) []byte {
	if len(text) <= Longest {
		return text // a character needs at least as many bytes as units
	}
	units := 0
	for i := 0; i < len(text); {
		n, size := 1, 1
		if text[i] >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRune(text[i:]); r > 0xffff {
				n = 2 // a surrogate pair
			}
		}
		if units += n; units > Longest {
			return text[:i]
		}
		i += size
	}
	return text
}
