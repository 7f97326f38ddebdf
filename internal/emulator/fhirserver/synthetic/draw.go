package synthetic

import "fmt"

// id is a UUID's shape, begun by a letter.
func (g *generator) id() string {
	a, b := g.rng.Uint64(), g.rng.Uint64()
	return fmt.Sprintf("a%07x-%04x-4%03x-8%03x-%012x", a&0xfffffff, a>>28&0xffff, a>>44&0xfff, b&0xfff, b>>12&0xffffffffffff)
}

// new is a resource to be: it can be referred to before it is added.
func (g *generator) new(typ string) thing { return thing{typ: typ, id: g.id()} }

func pick[T any](g *generator, from []T) T { return from[g.rng.IntN(len(from))] }

// between draws from first to last, both included.
func (g *generator) between(first, last int) int { return first + g.rng.IntN(last-first+1) }

// decimal draws a number with digits behind the point, the last of which may be zero.
func (g *generator) decimal(first, last, digits int) string {
	s := fmt.Sprintf("%d.", g.between(first, last))
	for range digits {
		s += fmt.Sprint(g.rng.IntN(10))
	}
	return s
}

func (g *generator) day(first, last int) string {
	return fmt.Sprintf("%04d-%02d-%02d", g.between(first, last), g.between(1, 12), g.between(1, 28))
}

// partial is a date of any of FHIR's three precisions.
func (g *generator) partial(first, last int) string { return g.cut(g.day(first, last)) }

func (g *generator) cut(day string) string {
	return day[:[]int{len("2006"), len("2006-01"), len(day), len(day), len(day)}[g.rng.IntN(5)]]
}

// about is a dateTime of that day, or less precise.
func (g *generator) about(day string) string {
	if g.rng.IntN(2) == 0 {
		return g.cut(day)
	}
	return g.instant(day)
}

// instant is a time of that day, as servers in many places write it.
func (g *generator) instant(day string) string {
	return fmt.Sprintf("%sT%02d:%02d:%02d%s%s", day, g.rng.IntN(24), g.rng.IntN(60), g.rng.IntN(60),
		pick(g, []string{"", ".5", ".120", ".007"}), pick(g, []string{"Z", "+01:00", "-05:00", "+05:30"}))
}
