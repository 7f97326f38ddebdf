// Package views holds the bundled ViewDefinitions: one file per table, with its name. Users add or
// replace tables with files of the same form in their own folder.
package views

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/flatview"
	"fhirsynapse/internal/sof/schema"
)

//go:embed *.json
var bundled embed.FS

// FS returns the folder of the bundled views.
func FS() fs.FS { return bundled }

// Bundled returns the compiled bundled views, ordered by table name.
func Bundled() ([]*sof.View, error) { return Dir(bundled) }

// Load returns the views of a plan, ordered by table name: the bundled views, the views in extra,
// and a flat view for every resource type that has neither; see package flatview. A file of extra
// replaces the bundled one with the same name, and a nil extra adds nothing. All faults of all
// files are reported together. The options go to the compiler.
func Load(extra fs.FS, options ...sof.Option) ([]*sof.View, error) {
	files := map[string][]byte{}
	var faults []error
	for _, dir := range []fs.FS{bundled, extra} {
		if dir == nil {
			continue
		}
		found, err := read(dir)
		if err != nil {
			faults = append(faults, err)
		}
		maps.Copy(files, found)
	}
	views, err := compile(files, options...)
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	flat, err := flatViews(views, options...)
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(slices.Values(append(views, flat...)), func(a, b *sof.View) int {
		return strings.Compare(a.Name, b.Name)
	}), nil
}

// flatViews returns a flat view for each resource type that the views have no table of. A table
// name that a view has for another type stays with that view.
func flatViews(views []*sof.View, options ...sof.Option) ([]*sof.View, error) {
	types, tables := map[string]bool{}, map[string]bool{}
	for _, v := range views {
		types[v.Resource], tables[strings.ToLower(v.Name)] = true, true
	}
	files := map[string][]byte{}
	for _, resource := range schema.R4().Names(schema.Resource) {
		table := flatview.TableName(resource)
		if !schema.R4().IsResource(resource) || types[resource] || tables[table] {
			continue
		}
		definition, err := flatview.Definition(resource)
		if err != nil {
			return nil, err
		}
		files[table+".json"] = definition
	}
	return compile(files, options...)
}

// Named returns the view of a table: the bundled one, or else the flat view of the resource type
// that the table is named after. Other names give an error that is fs.ErrNotExist.
func Named(table string, options ...sof.Option) (*sof.View, error) {
	text, err := bundled.ReadFile(table + ".json")
	for _, resource := range schema.R4().Names(schema.Resource) {
		if err != nil && schema.R4().IsResource(resource) && flatview.TableName(resource) == table {
			text, err = flatview.Definition(resource)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("no view has the table %q: %w", table, fs.ErrNotExist)
	}
	return sof.Compile(table+".json", text, options...)
}

// WithFolder returns the views of a plan with the views in a folder, like Load. An empty name means
// no folder.
func WithFolder(name string, options ...sof.Option) ([]*sof.View, error) {
	if name == "" {
		return Load(nil, options...)
	}
	return Load(os.DirFS(name), options...)
}

// Dir returns the views of one folder without the bundled ones.
func Dir(dir fs.FS) ([]*sof.View, error) {
	files, err := read(dir)
	if err != nil {
		return nil, err
	}
	return compile(files)
}

func read(dir fs.FS) (map[string][]byte, error) {
	names, err := fs.Glob(dir, "*.json")
	if err != nil {
		return nil, fmt.Errorf("list the views: %w", err)
	}
	out := map[string][]byte{}
	var faults []error
	for _, name := range names {
		b, err := fs.ReadFile(dir, name)
		if err != nil {
			faults = append(faults, fmt.Errorf("read the view: %w", err))
			continue
		}
		out[name] = b
	}
	return out, errors.Join(faults...)
}

// hl7Prefix begins the names of HL7's published files. Table names do not have it.
const hl7Prefix = "ViewDefinition-"

// isReserved reports whether a table is not made from a file: the tables about exports, and of the
// patients of resources.
func isReserved(table string) bool {
	return strings.HasPrefix(table, "etl_") ||
		slices.ContainsFunc(schema.PatientTypes(), func(resource string) bool {
			return flatview.CompartmentName(resource) == table
		})
}

func compile(files map[string][]byte, options ...sof.Option) ([]*sof.View, error) {
	var out []*sof.View
	var faults []error
	tables := map[string]string{}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		v, err := sof.Compile(file, files[file], options...)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		table := strings.TrimSuffix(path.Base(file), ".json")
		if v.Name != table && !strings.HasPrefix(table, hl7Prefix) {
			faults = append(faults, &sof.Fault{
				File: file, Path: "name",
				Msg:  fmt.Sprintf("the file is named %s, the view %s", table, v.Name),
				Hint: "name both after the table",
			})
		}
		key := strings.ToLower(v.Name)
		if isReserved(key) {
			faults = append(faults, &sof.Fault{
				File: file, Path: "name", Msg: "fhirsynapse makes a table of this name itself",
				Hint: "give the view another name; names that begin with etl_ are all taken",
			})
		}
		if first, twice := tables[key]; twice {
			faults = append(faults, &sof.Fault{
				File: file, Path: "name", Msg: "the table is made by " + first + " already",
			})
		}
		tables[key] = file
		out = append(out, v)
	}
	return out, errors.Join(faults...)
}
