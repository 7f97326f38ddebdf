package flatten

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"fhirsynapse/internal/ndjson"
	"fhirsynapse/internal/sof/native"
)

// Room is the memory class of an Evaluator for one line.
type Room int

// Lines are evaluated concurrently in LittleRoom. A line that does not fit is evaluated again
// alone, in order, in the largest room.
const (
	LittleRoom Room = iota
	FullRoom
)

// limits returns a line's limits in a room.
func (r Room) limits() native.Limits {
	l := native.DefaultLimits()
	if r == LittleRoom {
		l.Values, l.Memory, l.Items, l.Text, l.Row, l.Rows, l.Output = 4<<20, 4<<20, 1<<16, 2<<20,
			2<<20, 1<<15, resultSize
	}
	return l
}

const (
	// resultSize is the size in bytes at which a result accepts no more lines.
	resultSize = 4 << 20
	// garbageLimit is the number of row bytes after which the garbage of large lines is collected.
	// The collector alone would let it grow to the size of the lines.
	garbageLimit = 16 << 20
	// largeLine is the size in bytes above which a line is read only while no other line is being
	// flattened.
	largeLine = inFlight
)

// isTooLarge reports whether a line exceeded a limit of its evaluator.
func isTooLarge(err error) bool {
	var bad *native.LineError
	return errors.As(err, &bad) && bad.Limit
}

// inTurn evaluates the remaining lines of a block one by one, while no other run has a large line.
func (x *run) inTurn(ctx context.Context, j *job) (err error) {
	if !j.large {
		if err := x.f.largeTurn.Acquire(ctx, 1); err != nil {
			return err
		}
		defer x.f.largeTurn.Release(1)
	}
	e := newEvaluation(x.in, x.typeTables, FullRoom, nil)
	defer caught(&err, e.place)
	e.r = x.shape.result()
	written := 0
	flush := func() error {
		e.r.measure()
		err := x.shape.write(e.r)
		e.r.reset()
		if written += e.size; written >= garbageLimit {
			written = 0
			runtime.GC()
		}
		e.size = 0
		return err
	}
	for line, lineErr := range j.rest.Lines() {
		wanted, err := e.begin(line, lineErr)
		if err != nil {
			return err
		}
		if !wanted {
			continue
		}
		if err := e.inTurn(ctx, line, flush); err != nil {
			return fmt.Errorf("line %d: %w", line.Number, err)
		}
		if e.size >= resultSize {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	x.shape.done(e.r)
	return nil
}

// inTurn evaluates a line twice. The first pass checks that it is good, so that the second can
// write its rows immediately.
func (e *evaluation) inTurn(ctx context.Context, line ndjson.Line, flush func() error) error {
	res, err := e.eval(ctx, line.JSON, func(view int, cells [][]byte) error {
		e.noteMember(view, cells)
		return e.checkRow(view, cells)
	})
	lastUpdated, reason, err := e.judge(&res, err)
	switch {
	case err != nil:
		return err
	case reason != "":
		return e.refuse(line, reason)
	case res.Subsetted || e.isStranger(&res):
		e.r.filtered++
		return nil
	case res.Deleted:
		e.r.deleted++
		e.keep(&res, lastUpdated)
		return nil
	}
	id := append([]byte(nil), res.ID...)
	version := appendVersion(nil, lastUpdated, res.VersionID, false)
	res, err = e.ev.Eval(ctx, line.JSON, func(view int, cells [][]byte) error {
		if err := e.row(view, cells); err != nil || e.size < resultSize {
			return err
		}
		e.keepRows(id, version)
		return flush()
	})
	if err != nil {
		return fmt.Errorf("evaluate it a second time: %w", err)
	}
	e.keep(&res, lastUpdated)
	return nil
}
