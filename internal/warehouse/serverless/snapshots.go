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
	"fhirsynapse/internal/storage"
	"fhirsynapse/internal/warehouse/tds"
)

// Snapshots controls whether the newest versions are written now and then, so that readers need not
// read all parts. The zero value disables them.
type Snapshots struct {
	// Every is the number of parts of a type between snapshots; 0 disables them.
	Every int
	// Grace is the time for which an unused snapshot is kept. It must exceed the longest query.
	Grace time.Duration
}

// Remover deletes files of a lake.
type Remover interface {
	// Remove deletes a file. A missing file is not an error.
	Remove(ctx context.Context, area pipeline.Area, path string) error
}

// Connection string parameters for the pool only.
const (
	paramSnapshot = "snapshot"
	paramGrace    = "snapshotGrace"
)

// Limits of the parameters. The pool ends a query after half an hour.
const (
	fewestParts   = 2
	shortestGrace = time.Hour
	usualGrace    = 24 * time.Hour
)

// ParseServer parses the setting Warehouse after "synapse-serverless:".
func ParseServer(rest string) (tds.Server, Snapshots, error) {
	var o Snapshots
	rest, own := tds.Take(rest, append([]string{paramSnapshot, paramGrace}, storage.Settings...)...)
	server, err := tds.ParseServer(tsql.Serverless, rest)
	if err != nil {
		return server, o, err
	}
	for _, name := range storage.Settings {
		if _, given := own[name]; given {
			return server, o, fault.Permanentf("warehouse %s: %s: %s has no meaning: "+
				"the pool has no tables, it reads files", server.Engine, server, name)
		}
	}
	every, snapshots := own[paramSnapshot]
	grace, given := own[paramGrace]
	if !snapshots {
		if given {
			return server, o,
				fault.Permanentf("warehouse %s: %s: %s has no meaning without %s=PARTS",
					server.Engine, server, paramGrace, paramSnapshot)
		}
		return server, o, nil
	}
	if o.Every, err = strconv.Atoi(every); err != nil || o.Every < fewestParts {
		return server, o,
			fault.Permanentf(
				"warehouse %s: %s: %s is the number of parts after which a snapshot is made: at least %d", server.Engine, server, paramSnapshot, fewestParts)
	}
	o.Grace = usualGrace
	if given {
		if o.Grace, err = time.ParseDuration(grace); err != nil || o.Grace < shortestGrace {
			return server, o,
				fault.Permanentf(
					"warehouse %s: %s: %s is how long an old snapshot is kept, as in 24h: at least 1h", server.Engine, server, paramGrace)
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

// snapshot is the listing of one snapshot.
type snapshot struct {
	intent, ready, retired bool
	data                   []string // paths
}

// snapshots maps names to the snapshots of one type.
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

// current returns the name of the snapshot to be read, or "".
func (s snapshots) current() string {
	var last string
	for name, one := range s {
		if one.ready && !one.retired {
			last = max(last, name)
		}
	}
	return last
}

// cover lists the parts that a snapshot replaces.
type cover struct {
	// Parts are the parts whose resources it has, except large ones, in order.
	Parts []string  `json:"parts"`
	At    time.Time `json:"at"`
}

// retirement records when a snapshot was replaced.
type retirement struct {
	At time.Time `json:"at"`
}

// visible returns the content for readers, from the listing.
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
		return v, fault.Permanentf(
			"snapshot %s of %s replaces no parts: it was not made by this program", name,
			folder)
	}
	v.snapshot, v.after = name, slices.Max(c.Parts)
	for _, part := range p.parts.shown(v) {
		if part <= v.after && !slices.Contains(c.Parts, part) {
			v.late = append(v.late, part) // completed only after the snapshot was begun
		}
	}
	return v, nil
}

// shown returns the names of the visible parts, in order.
func (p parts) shown(v visible) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if p[name].ready && name <= v.bound {
			out = append(out, name)
		}
	}
	return out
}

// due reports whether enough parts were published since the last try of a snapshot. A failed try
// counts, because it costs as much.
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

// compact writes a snapshot if one is due, makes the views read it, and removes snapshots that no
// query reads any more. The order is: intent, the files, _ready, the bound, _retired for the
// previous one; after the grace period its files and last its intent. Each try has a new name,
// because the pool writes into empty folders only.
func (w *Warehouse) compact(
	ctx context.Context, b pipeline.Batch, folder string, views []statement,
) error {
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

// snapshot writes the newest version of each resource. Tombstones are included, because later parts
// are compared with them.
func (w *Warehouse) snapshot(
	ctx context.Context, b pipeline.Batch, folder string, p published,
) error {
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
	if !slices.ContainsFunc(there[folder].snapshots[name].data, func(path string) bool {
		return strings.HasSuffix(path, snapshotFile)
	}) {
		return fault.Transientf("snapshot %s of %s has no files", name, b.Type)
	}
	return w.put(ctx, snapshotFolder(folder, name)+readyName, c)
}

// notThere is the error number for dropping an object that does not exist.
const notThere = 3701

// export makes the pool write a snapshot. The statement needs an external table, which is dropped
// at once because views read the files.
func (w *Warehouse) export(
	ctx context.Context, s *tds.Session, b pipeline.Batch, name string, v visible,
) error {
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
		if _, err := s.Exec(ctx, st.step, st.text); err != nil &&
			(st.step != stepDrop || tds.Number(err) != notThere) {
			return err
		}
		s.GoOn()
	}
	drop := dropTable(b.Schema, snapshotTable(b.Type, name))
	if _, err := s.Exec(ctx, drop.step, drop.text); err != nil {
		w.o.Log.WarnContext(ctx, "an external table is left for the next snapshot", "type", b.Type,
			"error", err)
	}
	return nil
}

// retire records the end of unused snapshots, and removes them after the grace period. It also
// removes the remains of failed tries.
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
			continue // the pool or another process may still write it
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
