package store

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// Shares sets how much of each type Change touches, 0 to 1. A share above zero touches at least one
// resource, if the type has any.
type Shares struct {
	Update, Add, Delete float64
	// Recreate is the share of the deleted resources, old and new, that come back with their last
	// content. At least one of each type stays deleted.
	Recreate float64
}

// Changed counts the changes by type.
type Changed struct {
	Updated, Added, Deleted, Recreated map[string]int
}

// Change simulates some clinical work: updates that change the content of tables, including
// names and components that disappear, new resources, deletes, and deleted resources that come
// back. The same seed on the same store at the same time makes the same changes.
//
// Its versions are dated at, or a millisecond later for a resource that is deleted and comes
// back. Advance the clock before the next export: its window ends before its own start.
func (s *Store) Change(seed uint64, shares Shares, at time.Time) (Changed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generations++
	c := Changed{
		Updated: map[string]int{}, Added: map[string]int{}, Deleted: map[string]int{},
		Recreated: map[string]int{},
	}
	rng := rand.New(rand.NewPCG(seed, s.generations)) //nolint:gosec // made-up data that must repeat by seed
	for _, typ := range sortedKeys(s.types) {
		if err := s.changeType(typ, rng, shares, at, c); err != nil {
			return c, fmt.Errorf("change %s: %w", typ, err)
		}
	}
	return c, nil
}

func (s *Store) changeType(
	typ string, rng *rand.Rand, shares Shares, at time.Time, c Changed,
) error {
	var live, gone []*resource
	for _, r := range s.types[typ].order {
		if r.newest().Deleted {
			gone = append(gone, r)
		} else {
			live = append(live, r)
		}
	}
	rng.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })

	deletes := share(shares.Delete, len(live))
	for _, r := range live[:deletes] {
		if _, err := s.remove(typ, r.newest().ID, at); err != nil {
			return err
		}
		gone = append(gone, r)
		c.Deleted[typ]++
	}
	live = live[deletes:]

	updates := min(share(shares.Update, len(live)), len(live))
	if err := s.shrinkableFirst(live); err != nil {
		return err
	}
	for i, r := range live[:updates] {
		if err := s.update(r, i, at); err != nil {
			return err
		}
		c.Updated[typ]++
	}

	for i := range share(shares.Add, len(live)) {
		if err := s.clone(live[rng.IntN(len(live))], i, at); err != nil {
			return err
		}
		c.Added[typ]++
	}

	rng.Shuffle(len(gone), func(i, j int) { gone[i], gone[j] = gone[j], gone[i] })
	for _, r := range gone[:min(share(shares.Recreate, len(gone)), max(0, len(gone)-1))] {
		back, err := s.recreate(r, at)
		if err != nil {
			return err
		}
		if back {
			c.Recreated[typ]++
		}
	}
	return nil
}

// shrinkableFirst moves a few resources with child rows that can disappear to the front, so that
// any small share of updates includes them.
func (s *Store) shrinkableFirst(live []*resource) error {
	front := 0
	for i, r := range live {
		if front == 4 || childOf[r.newest().Type] == "" {
			return nil
		}
		line, err := s.Line(r.newest())
		if err != nil {
			return err
		}
		if gjson.GetBytes(line, childOf[r.newest().Type]).Exists() {
			live[front], live[i] = live[i], live[front]
			front++
		}
	}
	return nil
}

func (s *Store) update(r *resource, n int, at time.Time) error {
	v := r.newest()
	line, err := s.Line(v)
	if err != nil {
		return err
	}
	if line, err = edit(v.Type, line, n, at); err != nil {
		return err
	}
	_, err = s.put(head{typ: v.Type, id: v.ID}, line, at)
	return err
}

func (s *Store) clone(r *resource, n int, at time.Time) error {
	v := r.newest()
	line, err := s.Line(v)
	if err != nil {
		return err
	}
	id := fmt.Sprintf("new-%d-%d", s.generations, n)
	if line, err = sjson.SetBytes(line, "id", id); err != nil {
		return err
	}
	_, err = s.put(head{typ: v.Type, id: id}, line, at)
	return err
}

// recreate restores the last content before the delete. A resource that was added as a tombstone
// has none.
func (s *Store) recreate(r *resource, at time.Time) (bool, error) {
	for _, v := range slices.Backward(r.versions) {
		if v.Deleted {
			continue
		}
		line, err := s.Line(v)
		if err != nil {
			return false, err
		}
		_, err = s.put(head{typ: v.Type, id: v.ID}, line, at)
		return err == nil, err
	}
	return false, nil
}

func share(f float64, n int) int {
	if f <= 0 || n == 0 {
		return 0
	}
	return min(n, int(math.Ceil(f*float64(n)-1e-9)))
}
