package pipeline_test

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"fhirsynapse/internal/pipeline"
)

// mark is a resource that a full export lacked.
type mark struct {
	version string
	till    time.Time
}

// ends holds what the ends of exports leave in the tables.
type ends struct {
	marks   map[string]mark // by type and id
	records map[string]pipeline.Conclusion
	// owner returns the patient of a resource by its id; nil if each is its own.
	owner func(id string) string
}

func (d *tables) Conclude(
	ctx context.Context, c pipeline.Conclusion,
) (pipeline.Concluded, error) {
	done := pipeline.NewConcluded()
	seen := map[string]bool{}
	for _, t := range c.Types {
		for _, f := range t.Files {
			r, err := d.lake.Open(ctx, pipeline.Staging, f.Dir+"/rows.json", "")
			if err != nil {
				return done, err
			}
			var rows []row
			if err := json.NewDecoder(r).Decode(&rows); err != nil {
				return done, err
			}
			for _, one := range rows {
				seen[t.Type+"/"+one.Resource.ID] = true
			}
		}
	}
	if _, there := d.records[c.Record.Export]; there {
		return done, nil
	}
	if d.records == nil {
		d.records, d.marks = map[string]pipeline.Conclusion{}, map[string]mark{}
	}
	d.records[c.Record.Export] = c
	d.removeLeavers(c, &done)
	for _, t := range c.Types {
		d.judge(c, t, seen, &done)
	}
	return done, nil
}

func (d *tables) removeLeavers(c pipeline.Conclusion, done *pipeline.Concluded) {
	if c.Members == nil {
		return
	}
	owner := d.owner
	if owner == nil {
		owner = func(id string) string { return id }
	}
	members := map[string]bool{}
	for id := range c.Members {
		members[owner(id)] = true
	}
	for key := range d.heads {
		typ, id, _ := strings.Cut(key, "/")
		if !members[owner(id)] && !d.heads[key].resource.Deleted {
			delete(d.heads, key)
			delete(d.marks, key)
			done.Left[typ]++
		}
	}
}

func (d *tables) judge(
	c pipeline.Conclusion, t pipeline.ConclusionType, seen map[string]bool,
	done *pipeline.Concluded,
) {
	var over []string
	live := 0
	for key, h := range d.heads {
		if strings.HasPrefix(key, t.Type+"/") && !h.resource.Deleted {
			live++
		}
	}
	for key, k := range d.marks {
		h, there := d.heads[key]
		switch {
		case !strings.HasPrefix(key, t.Type+"/"):
		case !there, h.resource.Deleted, h.resource.version() != k.version, seen[key]:
			delete(d.marks, key)
		case t.Whole && k.till.Before(t.Till):
			over = append(over, key)
		}
	}
	if float64(len(over)) > c.MostMissing*float64(live) {
		done.Kept[t.Type], over = int64(len(over)), nil
	}
	for _, key := range over {
		delete(d.heads, key)
		delete(d.marks, key)
		done.Missing[t.Type]++
	}
	if !t.Full {
		return
	}
	for key, h := range d.heads {
		_, marked := d.marks[key]
		if strings.HasPrefix(key, t.Type+"/") && !h.resource.Deleted && !marked && !seen[key] &&
			!h.resource.Updated.After(t.Till) {
			d.marks[key] = mark{h.resource.version(), t.Till}
			done.Marked[t.Type]++
		}
	}
}
