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

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
)

// The published files are in the staging area of a lake of their own.
const (
	area        = pipeline.Staging
	linesEnding = ".lines"
	readyName   = "_ready.json"
	donePrefix  = "_done-"
	doneEnding  = ".json"
)

// part is what a listing tells of one.
type part struct {
	ready bool
	done  []string // exports
}

// parts is the parts of one type by name.
type parts map[string]part

var partPath = regexp.MustCompile(`^([^/]+)/([^/]+)/part=(\d{6,}-[0-9a-f]+)/([^/]+)$`)

// list reads which parts there are below a prefix, by the folder of their type.
func (w *Warehouse) list(ctx context.Context, prefix string) (map[string]parts, error) {
	out := map[string]parts{}
	for f, err := range w.o.Published.List(ctx, area, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list the published parts: %w", err)
		}
		m := partPath.FindStringSubmatch(f.Path)
		if m == nil {
			continue
		}
		folder := m[1] + "/" + m[2]
		if out[folder] == nil {
			out[folder] = parts{}
		}
		p := out[folder][m[3]]
		p.ready = p.ready || m[4] == readyName
		if export, ok := strings.CutPrefix(m[4], donePrefix); ok {
			p.done = append(p.done, strings.TrimSuffix(export, doneEnding))
		}
		out[folder][m[3]] = p
	}
	return out, nil
}

// next is the name of a new part: after all that there are.
func (p parts) next(attempt string) string {
	last := 0
	for name := range p {
		number, _, _ := strings.Cut(name, "-")
		n, _ := strconv.Atoi(number)
		last = max(last, n)
	}
	return fmt.Sprintf("%06d-%s", last+1, attempt)
}

// visible is the parts that readers see: those up to the bound, without the
// unfinished ones.
type visible struct {
	bound   string
	without []string
}

func (p parts) visible() visible {
	var v visible
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if p[name].ready {
			v.bound = name
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

// ledgerOf reads what a part's ledger says of an export.
func (w *Warehouse) ledgerOf(ctx context.Context, folder, name, export string) ([]pipeline.LedgerEntry, error) {
	path := folder + "/part=" + name + "/" + donePrefix + export + doneEnding
	r, err := w.o.Published.Open(ctx, area, path, "")
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	var entries []pipeline.LedgerEntry
	if err := json.Unmarshal(data, &entries); err != nil {
		return nil, fault.Permanentf("read %s: it is no ledger of ours: %w", path, err)
	}
	return entries, nil
}

// publish writes the lines of one file that are resources.
func (w *Warehouse) publish(ctx context.Context, export, path string, f pipeline.PreparedFile) error {
	r, out := io.Pipe()
	go func() {
		// The reader of the pipe hears of it as its own error.
		_ = out.CloseWithError(w.copyLines(ctx, export, out, f))
	}()
	_, err := w.o.Published.Put(ctx, area, path, r)
	_ = r.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // a writer that goes on is told
	if err != nil {
		return fmt.Errorf("publish file %s: %w", f.Path, err)
	}
	return nil
}

// copyLines writes the resources of a file.
func (w *Warehouse) copyLines(ctx context.Context, export string, out io.Writer, f pipeline.PreparedFile) error {
	const field = "\x0b"
	for r, err := range warehouse.Resources(ctx, w.o.Lake, f, w.o.LineLimit) {
		if err != nil {
			return err
		}
		deleted := "0"
		if r.Deleted {
			deleted = "1"
		}
		if _, err := io.WriteString(out, r.ID+field+r.Version+field+deleted+field+export+field+string(r.JSON)+"\n"); err != nil {
			return err
		}
	}
	return nil
}
