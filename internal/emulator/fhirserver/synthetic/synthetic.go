// Package synthetic makes up FHIR R4 resources: the same seed gives the same
// bytes. It makes every type that a bundled view reads, in the proportions of a
// hospital: Observations are most, each encounter has its claim and what became
// of it. References lead to resources that are there, and stay with one patient.
//
// It has what real data has and loaders stumble over: names in many scripts,
// names with several given names and patients with none, partial dates, elements
// that are an extension only, lists with a null, decimals with trailing zeros,
// escapes and surrogate pairs, contained resources, ids that differ only by case,
// odd white space, and one resource of more than a megabyte.
//
// It also multiplies given data for benchmarks (multiply.go). It knows nothing of
// servers: lines come out, without meta.versionId and meta.lastUpdated.
package synthetic

import (
	"math/rand/v2"
	"strings"
)

// Options of the generator.
type Options struct {
	Seed     uint64
	Patients int
}

// Generate makes the hospitals with their people, and for each patient what
// there is about them, and gives the resources to emit one by one, a line without
// newline each; emit may keep it. It stops at emit's first error. From twelve
// patients on, every type and every oddity that the package comment names is
// there, and every bundled view has rows.
func Generate(o Options, emit func(typ string, line []byte) error) error {
	g := &generator{
		rng:  rand.New(rand.NewPCG(o.Seed, 0x66686972)), //nolint:gosec // made-up data that must repeat by seed
		emit: emit,
		made: map[string]int{},
	}
	g.hospitals(o.Patients)
	g.formulary()
	for i := range o.Patients {
		g.person(i)
	}
	g.groups()
	return g.err
}

type generator struct {
	rng  *rand.Rand
	emit func(string, []byte) error
	err  error
	made map[string]int // by type

	organizations, payers           []thing
	locations, practitioners, roles []thing
	medications, devices, patients  []thing
}

// add makes a resource. How its members vary goes by the number of resources of
// its type before it, so that every variant is there, whatever the seed.
func (g *generator) add(t thing, members ...member) {
	g.made[t.typ]++
	g.line(t.typ, string(resource(t, members...)))
}

// spaced is add with spaces as some writers put them.
func (g *generator) spaced(t thing, members ...member) {
	g.made[t.typ]++
	g.line(t.typ, strings.ReplaceAll(string(resource(t, members...)), `":`, `": `))
}

func (g *generator) line(typ, text string) {
	if g.err == nil {
		g.err = g.emit(typ, []byte(text))
	}
}

func resource(t thing, members ...member) text {
	return object(append([]member{word("resourceType", t.typ), word("id", t.id)}, members...)...)
}
