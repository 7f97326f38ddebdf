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
)

//go:embed *.json
var bundled embed.FS

// FS returns the folder of the bundled views.
func FS() fs.FS { return bundled }

// Bundled returns the compiled bundled views, ordered by table name.
func Bundled() ([]*sof.View, error) { return Load(nil) }

// Load returns the bundled views and the views in extra, ordered by table name. A file of extra
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
	return views, nil
}

// WithFolder returns the bundled views and the views in a folder, like Load. An empty name means no
// folder.
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
