// Package synthetic makes up FHIR R4 resources: the same seed gives the same
// bytes. It has what real data has and loaders stumble over: names in many
// scripts, names with several given names and patients with none, partial dates,
// decimals with trailing zeros, escapes and surrogate pairs, ids that differ only
// by case, odd white space, and one resource of more than a megabyte.
//
// It also multiplies given data for benchmarks (multiply.go). It knows nothing of
// servers: lines come out, without meta.versionId and meta.lastUpdated.
package synthetic

import (
	"fmt"
	"math/rand/v2"
)

// Options of the generator.
type Options struct {
	Seed     uint64
	Patients int
}

// Generate makes Organizations, Practitioners, and for each patient a Patient,
// Encounters, Conditions and Observations that refer to each other, and gives
// them to emit one by one, a line without newline each; emit may keep it. It
// stops at emit's first error. From twelve patients on, every oddity that the
// package comment names is there.
func Generate(o Options, emit func(typ string, line []byte) error) error {
	g := &generator{
		rng:  rand.New(rand.NewPCG(o.Seed, 0x66686972)), //nolint:gosec // made-up data that must repeat by seed
		emit: emit,
	}
	for i := range 2 + o.Patients/25 {
		g.organization(i)
	}
	for i := range 2 + o.Patients/10 {
		g.practitioner(i)
	}
	for i := range o.Patients {
		g.person(i)
	}
	return g.err
}

type generator struct {
	rng           *rand.Rand
	emit          func(string, []byte) error
	err           error
	organizations []string
	practitioners []string
	lastPatient   string
}

func (g *generator) out(typ, format string, args ...any) {
	if g.err == nil {
		g.err = g.emit(typ, fmt.Appendf(nil, format, args...))
	}
}

// id is a UUID's shape, begun by a letter.
func (g *generator) id() string {
	a, b := g.rng.Uint64(), g.rng.Uint64()
	return fmt.Sprintf("a%07x-%04x-4%03x-8%03x-%012x", a&0xfffffff, a>>28&0xffff, a>>44&0xfff, b&0xfff, b>>12&0xffffffffffff)
}

func (g *generator) pick(from []string) string { return from[g.rng.IntN(len(from))] }

func (g *generator) day(first, last int) string {
	return fmt.Sprintf("%04d-%02d-%02d", first+g.rng.IntN(last-first+1), 1+g.rng.IntN(12), 1+g.rng.IntN(28))
}

// partial is a date of any of FHIR's three precisions.
func (g *generator) partial(first, last int) string {
	return g.day(first, last)[:[]int{4, 7, 10, 10, 10}[g.rng.IntN(5)]]
}

func (g *generator) instant(first, last int) string {
	zone := g.pick([]string{"Z", "+01:00", "-05:00", "+05:30"})
	return fmt.Sprintf("%sT%02d:%02d:%02d%s%s", g.day(first, last), g.rng.IntN(24), g.rng.IntN(60), g.rng.IntN(60),
		g.pick([]string{"", ".5", ".120", ".007"}), zone)
}

func (g *generator) organization(n int) {
	id := g.id()
	g.organizations = append(g.organizations, id)
	if n%2 == 0 { // spaces as some writers put them
		g.out("Organization", `{"resourceType": "Organization", "id": "%s", "active": true, "name": "Städtisches Klinikum №%d \/ Haus \"B\"", "telecom": [ {"system": "phone", "value": "+49 30 %07d"} ]}`,
			id, n, g.rng.IntN(1e7))
		return
	}
	g.out("Organization", `{"resourceType":"Organization","id":"%s","meta":{"profile":["http://example.org/StructureDefinition/org"]},"active":%t,"name":"%s\u3000Clinic %d","partOf":{"reference":"Organization/%s"}}`,
		id, g.rng.IntN(5) > 0, g.pick(families), n, g.organizations[n-1])
}

func (g *generator) practitioner(n int) {
	id := g.id()
	g.practitioners = append(g.practitioners, id)
	g.out("Practitioner", `{"resourceType":"Practitioner","id":"%s","identifier":[{"system":"http://hl7.org/fhir/sid/us-npi","value":"%010d"}],"active":true,"name":[{"family":"%s","given":["%s"],"prefix":["Dr."]}],"gender":"%s"}`,
		id, n, g.pick(families), g.pick(givens), g.pick(genders))
}

var genders = []string{"female", "male", "other", "unknown"}

// families and givens are JSON text: some letters are escaped, the last family
// name begins with a surrogate pair.
var families = []string{
	"Müller", "O'Connor", "García Lorca", "Ćwikła", "Иванова", "Παπαδόπουλος", "محمد", "כהן", "王", "佐藤", "김", "शर्मा",
	"N\\u00fa\\u00f1ez", "van der \\\"Berg\\\"", "𠮷野", "\\ud842\\udfb7\\u91ce",
}

var givens = []string{
	"Anna", "José", "Zoë", "Владимир", "Ελένη", "فاطمة", "美咲", "지우", "D'Arcy", "Åsa", "Ng\\u1ecdc", "Jean\\tLuc", "Kali\\\\", "🙂 Smiley", "\\ud83d\\ude00",
}
