package serverless

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/tds"
)

// Snapshots says whether the newest versions are written down now and then, so that
// readers need not read all parts. The zero value says no.
type Snapshots struct {
	// Every is after how many parts of a type there is another; 0 means never.
	Every int
	// Grace is how long a snapshot is kept that no view reads any more: longer than
	// any query.
	Grace time.Duration
}

// Remover deletes files of a lake.
type Remover interface {
	// Remove deletes a file; one that is gone is no error.
	Remove(ctx context.Context, area pipeline.Area, path string) error
}

// The parameters of a connection string that are the pool's alone.
const (
	paramSnapshot = "snapshot"
	paramGrace    = "snapshotGrace"
)

// The bounds of the parameters: the pool ends a query after half an hour.
const (
	fewestParts   = 2
	shortestGrace = time.Hour
	usualGrace    = 24 * time.Hour
)

// ParseServer reads the rest of the setting Warehouse behind "synapse-serverless:".
func ParseServer(rest string) (tds.Server, Snapshots, error) {
	var o Snapshots
	rest, own := tds.Take(rest, paramSnapshot, paramGrace)
	server, err := tds.ParseServer(tsql.Serverless, rest)
	if err != nil {
		return server, o, err
	}
	every, snapshots := own[paramSnapshot]
	grace, given := own[paramGrace]
	if !snapshots {
		if given {
			return server, o, fault.Permanentf("warehouse %s: %s: %s has no meaning without %s=PARTS", server.Engine, server, paramGrace, paramSnapshot)
		}
		return server, o, nil
	}
	if o.Every, err = strconv.Atoi(every); err != nil || o.Every < fewestParts {
		return server, o, fault.Permanentf("warehouse %s: %s: %s is the number of parts after which a snapshot is made: at least %d", server.Engine, server, paramSnapshot, fewestParts)
	}
	o.Grace = usualGrace
	if given {
		if o.Grace, err = time.ParseDuration(grace); err != nil || o.Grace < shortestGrace {
			return server, o, fault.Permanentf("warehouse %s: %s: %s is how long an old snapshot is kept, as in 24h: at least 1h", server.Engine, server, paramGrace)
		}
	}
	return server, o, nil
}

const (
	intentName   = "_intent.json"
	retiredName  = "_retired.json"
	dataFolder   = "data/"
	snapshotFile = ".parquet"
)

// snapshot is what a listing tells of one.
type snapshot struct {
	intent, ready, retired bool
	data                   []string // paths
}

// snapshots is the snapshots of one type by name.
type snapshots map[string]snapshot

var snapshotPath = regexp.MustCompile(`^([^/]+)/([^/]+)/snapshot=(\d{6,}-[0-9a-f]+)/(.+)$`)

func snapshotFolder(folder, name string) string { return folder + "/snapshot=" + name + "/" }

func (s snapshots) add(name, file, path string) {
	one := s[name]
	switch {
	case file == intentName:
		one.intent = true
	case file == readyName:
		one.ready = true
	case file == retiredName:
		one.retired = true
	case strings.HasPrefix(file, dataFolder):
		one.data = append(one.data, path)
	}
	s[name] = one
}

// current is the name of the snapshot that is to be read, or "".
func (s snapshots) current() string {
	var last string
	for name, one := range s {
		if one.ready && !one.retired {
			last = max(last, name)
		}
	}
	return last
}

// cover is what a snapshot stands for.
type cover struct {
	// Parts are those whose resources it has, but for the large ones, in order.
	Parts []string  `json:"parts"`
	At    time.Time `json:"at"`
}

// retirement is when a snapshot was replaced.
type retirement struct {
	At time.Time `json:"at"`
}

// visible is what readers are to see of what is published.
func (w *Warehouse) visible(ctx context.Context, folder string, p published) (visible, error) {
	v := p.parts.visible()
	name := p.snapshots.current()
	if name == "" {
		return v, nil
	}
	var c cover
	if err := w.get(ctx, snapshotFolder(folder, name)+readyName, "snapshot", &c); err != nil {
		return v, err
	}
	if len(c.Parts) == 0 {
		return v, fault.Permanentf("snapshot %s of %s covers no parts: it is none of ours", name, folder)
	}
	v.snapshot, v.after = name, slices.Max(c.Parts)
	for _, part := range p.parts.shown(v) {
		if part <= v.after && !slices.Contains(c.Parts, part) {
			v.late = append(v.late, part) // whole only after the snapshot was begun
		}
	}
	return v, nil
}

// shown is the names of the visible parts, in order.
func (p parts) shown(v visible) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if p[name].ready && name <= v.bound {
			out = append(out, name)
		}
	}
	return out
}

// due says whether enough has been published since a snapshot was last tried: one
// that fails costs as much as one that does not.
func (p published) due(every int) bool {
	last, n := 0, 0
	for name := range p.snapshots {
		last = max(last, numberOf(name))
	}
	for name, one := range p.parts {
		if one.ready && numberOf(name) > last {
			n++
		}
	}
	return every > 0 && n >= every
}

// compact makes a snapshot when one is due, has the views read it, and removes those
// that no query reads any more. The order is: intent, the files, _ready, the bound,
// _retired for the one before; after the grace period its files and last its intent.
// The intent's name is new for every try: the pool writes into an empty folder only.
func (w *Warehouse) compact(ctx context.Context, b pipeline.Batch, folder string, views []statement) error {
	there, err := w.list(ctx, folder+"/")
	if err != nil {
		return err
	}
	if p := there[folder]; p.due(w.o.Snapshots.Every) {
		if err := w.snapshot(ctx, b, folder, p); err != nil {
			return err
		}
		if err := w.show(ctx, b.Schema, b.Type, folder, views); err != nil {
			return err
		}
		if there, err = w.list(ctx, folder+"/"); err != nil {
			return err
		}
	}
	return w.retire(ctx, folder, there[folder].snapshots)
}

// snapshot writes the newest version of each resource, tombstones with them, since
// later parts are compared with it.
func (w *Warehouse) snapshot(ctx context.Context, b pipeline.Batch, folder string, p published) error {
	v, err := w.visible(ctx, folder, p)
	if err != nil {
		return err
	}
	c := cover{Parts: p.parts.shown(v)}
	name := ""
	err = w.pool.Again(ctx, func(try int) error {
		name = fmt.Sprintf("%06d-%s%02x", numberOf(v.bound), b.Attempt, try)
		c.At = w.o.Now().UTC()
		if err := w.put(ctx, snapshotFolder(folder, name)+intentName, c); err != nil {
			return err
		}
		return w.pool.With(ctx, func(s *tds.Session) error { return w.export(ctx, s, b, name, v) })
	})
	if err != nil {
		return err
	}
	there, err := w.list(ctx, snapshotFolder(folder, name))
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(there[folder].snapshots[name].data, func(path string) bool { return strings.HasSuffix(path, snapshotFile) }) {
		return fault.Transientf("snapshot %s of %s has no files", name, b.Type)
	}
	return w.put(ctx, snapshotFolder(folder, name)+readyName, c)
}

// notThere is the server's number for something to be dropped that is gone.
const notThere = 3701

// export has the pool write a snapshot. The external table is but the way to say so:
// views read the files, so that it is dropped at once, and nothing waits for it.
func (w *Warehouse) export(ctx context.Context, s *tds.Session, b pipeline.Batch, name string, v visible) error {
	format, _, err := s.Number(ctx, formatThere.step, formatThere.text)
	if err != nil {
		return err
	}
	var todo []statement
	if format == 0 {
		todo = append(todo, createFormat)
	}
	left := leftTables(b.Schema, b.Type)
	if err := s.Query(ctx, left.step, left.text, func(scan func(...any) error) error {
		var table string
		err := scan(&table)
		todo = append(todo, dropTable(b.Schema, table))
		return err
	}); err != nil {
		return err
	}
	for _, st := range append(todo, createSnapshot(b.Schema, b.Type, name, v)) {
		if _, err := s.Exec(ctx, st.step, st.text); err != nil && (st.step != stepDrop || tds.Number(err) != notThere) {
			return err
		}
		s.GoOn()
	}
	drop := dropTable(b.Schema, snapshotTable(b.Type, name))
	if _, err := s.Exec(ctx, drop.step, drop.text); err != nil {
		w.o.Log.WarnContext(ctx, "an external table is left for the next snapshot", "type", b.Type, "error", err)
	}
	return nil
}

// retire dates the end of snapshots that are not read any more, and removes those
// whose time is over; so also what a try has left that came to nothing.
func (w *Warehouse) retire(ctx context.Context, folder string, all snapshots) error {
	current, now := all.current(), w.o.Now().UTC()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		one, dir := all[name], snapshotFolder(folder, name)
		var since retirement
		var err error
		switch {
		case name == current:
			continue
		case one.retired:
			err = w.get(ctx, dir+retiredName, "snapshot", &since)
		case one.ready:
			if err := w.put(ctx, dir+retiredName, retirement{now}); err != nil {
				return err
			}
			continue
		case one.intent:
			err = w.get(ctx, dir+intentName, "snapshot", &since)
		default:
			continue // the pool is still at what was given up, or someone else's
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // another committer removes it
		}
		if err != nil {
			return err
		}
		if now.Sub(since.At) < w.o.Snapshots.Grace {
			continue
		}
		for _, path := range append(one.data, dir+readyName, dir+retiredName, dir+intentName) {
			if err := w.o.Remover.Remove(ctx, area, path); err != nil {
				return fmt.Errorf("remove snapshot %s of %s: %w", name, folder, err)
			}
		}
	}
	return nil
}
