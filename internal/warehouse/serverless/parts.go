package serverless

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
)

// The published files are in the staging area of a separate lake.
const (
	area        = pipeline.Staging
	linesEnding = ".lines"
	largeEnding = ".large"
	readyName   = "_ready.json"
	donePrefix  = "_done-"
	doneEnding  = ".json"
)

// part is the listing of one part.
type part struct {
	ready bool
	large bool     // its files include resources that are too large for a snapshot
	done  []string // exports
	// doneAt is when the last of them was committed.
	doneAt time.Time
}

// parts maps names to the parts of one type.
type parts map[string]part

// published is the listing of one type.
type published struct {
	parts     parts
	snapshots snapshots
}

var partPath = regexp.MustCompile(`^([^/]+)/([^/]+)/part=(\d{6,}-[0-9a-f]+)/([^/]+)$`)

// list lists the published files below a prefix, by the folder of their type.
func (w *Warehouse) list(ctx context.Context, prefix string) (map[string]published, error) {
	return listParts(ctx, w.o.Published, prefix)
}

func listParts(
	ctx context.Context, lake pipeline.Lake, prefix string,
) (map[string]published, error) {
	out := map[string]published{}
	for f, err := range lake.List(ctx, area, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list the published parts: %w", err)
		}
		if m := partPath.FindStringSubmatch(f.Path); m != nil {
			folderOf(out, m[1]+"/"+m[2]).parts.add(m[3], m[4], f.Modified)
		} else if m := snapshotPath.FindStringSubmatch(f.Path); m != nil {
			folderOf(out, m[1]+"/"+m[2]).snapshots.add(m[3], m[4], f.Path)
		}
	}
	return out, nil
}

func folderOf(all map[string]published, folder string) published {
	p, there := all[folder]
	if !there {
		p = published{parts{}, snapshots{}}
		all[folder] = p
	}
	return p
}

func (p parts) add(name, file string, at time.Time) {
	one := p[name]
	one.ready = one.ready || file == readyName
	one.large = one.large || strings.HasSuffix(file, largeEnding)
	if export, ok := strings.CutPrefix(file, donePrefix); ok {
		one.done = append(one.done, strings.TrimSuffix(export, doneEnding))
		if at.After(one.doneAt) {
			one.doneAt = at
		}
	}
	p[name] = one
}

// numberOf returns the number at the start of a part's or snapshot's name.
func numberOf(name string) int {
	number, _, _ := strings.Cut(name, "-")
	n, _ := strconv.Atoi(number)
	return n
}

// next returns the name of a new part, after all existing ones.
func (p parts) next(attempt string) string {
	last := 0
	for name := range p {
		last = max(last, numberOf(name))
	}
	return fmt.Sprintf("%06d-%s", last+1, attempt)
}

// visible is the content for readers: the parts up to the bound without the unfinished ones, or a
// snapshot in place of the parts that it covers.
type visible struct {
	bound   string
	without []string
	// large is set if visible parts have resources that are in no snapshot.
	large bool
	// snapshot is the name of the snapshot that is read, or "". It covers the parts up to after,
	// except those in late.
	snapshot, after string
	late            []string
}

func (p parts) visible() visible {
	var v visible
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if p[name].ready {
			v.bound = name
			v.large = v.large || p[name].large
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if !p[name].ready && name < v.bound {
			v.without = append(v.without, name)
		}
	}
	return v
}

// put writes a small document.
func (w *Warehouse) put(ctx context.Context, path string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = w.o.Published.Put(ctx, area, path, strings.NewReader(string(data)))
	return err
}

// get reads a small document. what describes it in errors.
func (w *Warehouse) get(ctx context.Context, path, what string, into any) error {
	r, err := w.o.Published.Open(ctx, area, path, "")
	if err != nil {
		return err
	}
	data, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fault.Permanentf("read %s: it is not a %s of this program: %w", path, what, err)
	}
	return nil
}

// ledgerOf reads the entries of an export from a part's ledger.
func (w *Warehouse) ledgerOf(
	ctx context.Context, folder, name, export string,
) ([]pipeline.LedgerEntry, error) {
	var entries []pipeline.LedgerEntry
	err := w.get(ctx, folder+"/part="+name+"/"+donePrefix+export+doneEnding, "ledger", &entries)
	return entries, err
}

// largest bounds a resource in a snapshot, in bytes. The pool writes no value of more than 1 MB, at
// two bytes per character.
const largest = 500_000

// publish writes the lines of one file that are resources. Resources that are too large for a
// snapshot go into a separate file.
func (w *Warehouse) publish(
	ctx context.Context, export, path string, f pipeline.PreparedFile,
) error {
	var large int64
	small := func(r warehouse.Resource) bool {
		if len(r.JSON) > largest {
			large++
			return false
		}
		return true
	}
	if err := w.publishSome(ctx, export, path+linesEnding, f, small); err != nil || large == 0 {
		return err
	}
	return w.publishSome(ctx, export, path+largeEnding, f, func(r warehouse.Resource) bool {
		return len(r.JSON) > largest
	})
}

func (w *Warehouse) publishSome(
	ctx context.Context, export, path string, f pipeline.PreparedFile,
	take func(warehouse.Resource) bool,
) error {
	r, out := io.Pipe()
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		// The reader of the pipe returns this error as its own.
		_ = out.CloseWithError(w.copyLines(ctx, export, out, f, take))
	}()
	_, err := w.o.Published.Put(ctx, area, path, r)
	_ = r.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // stops a writer that continues
	<-copied                                                 // take will not be called any more
	if err != nil {
		return fmt.Errorf("publish file %s: %w", f.Path, err)
	}
	return nil
}

// copyLines writes the resources of a file for which take returns true.
func (w *Warehouse) copyLines(
	ctx context.Context, export string, out io.Writer, f pipeline.PreparedFile,
	take func(warehouse.Resource) bool,
) error {
	const field = "\x0b"
	for r, err := range warehouse.Resources(ctx, w.o.Lake, f, w.o.LineLimit) {
		if err != nil {
			return err
		}
		if !take(r) {
			continue
		}
		deleted := "0"
		if r.Deleted {
			deleted = "1"
		}
		if _, err := io.WriteString(out,
			r.ID+field+r.Version+field+deleted+field+export+field+string(r.JSON)+"\n"); err != nil {
			return err
		}
	}
	return nil
}
