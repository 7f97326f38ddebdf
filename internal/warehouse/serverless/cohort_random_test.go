package serverless_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRandomCohorts(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	w := newCohort(t)
	type resource struct {
		typ, id  string
		version  int
		patients []string
	}
	people := []string{"a", "b", "c", "d", "e"}
	var all []*resource
	for _, p := range people {
		all = append(all, &resource{typ: "Patient", id: p, version: 1})
	}
	for i := range 12 {
		all = append(all, &resource{typ: "Observation", id: fmt.Sprint("o", i), version: 1})
	}
	some := func(chance float64) (out []string) {
		for _, p := range people {
			if r.Float64() < chance {
				out = append(out, p)
			}
		}
		return out
	}
	for n := 1; n <= 15; n++ {
		for _, one := range all {
			if n == 1 || r.IntN(4) == 0 {
				// None is taken away: the model would lose what nobody exports any more.
				one.version++
				one.patients = append(one.patients, some(0.3)...)
				one.patients = one.patients[:min(len(one.patients), 2)]
			}
		}
		c := ended(n, some(0.5)...)
		lines := map[string]string{}
		for _, one := range all {
			refs := one.patients
			if one.typ == "Patient" {
				refs = append([]string{one.id}, one.patients...)
			}
			if len(refs) == 0 || slices.ContainsFunc(refs, func(p string) bool {
				return c.Members.Has([]byte(p))
			}) {
				lines[one.typ] += about(one.typ, one.id, one.version, one.patients...)
			}
		}
		w.load(t, c.Record.Export, lines)
		w.same(t, c, w.end(t, c))
		if t.Failed() {
			return
		}
	}
}
