package eventgrid

import (
	"math/rand/v2"
	"slices"
)

// mixer loses, doubles and shuffles events. The same seed and the same events give
// the same output.
type mixer struct {
	random          *rand.Rand
	duplicate, lose float64
	window          int
	held            []event
}

func newMixer(seed uint64, duplicate, lose float64, window int) *mixer {
	return &mixer{
		random:    rand.New(rand.NewPCG(seed, 0)), //nolint:gosec // repeatable, not secret
		duplicate: duplicate, lose: lose, window: window,
	}
}

// add takes an event and gives those that leave now.
func (m *mixer) add(e event) []event {
	// Both are drawn every time, so that one setting does not move the other's dice.
	lost, double := m.random.Float64() < m.lose, m.random.Float64() < m.duplicate
	if !lost {
		m.held = append(m.held, e)
		if double {
			m.held = append(m.held, e)
		}
	}
	var out []event
	for len(m.held) > m.window {
		out = append(out, m.take())
	}
	return out
}

// take draws one of the held events; the first where there is no disorder.
func (m *mixer) take() event {
	i := 0
	if m.window > 0 {
		i = m.random.IntN(len(m.held))
	}
	e := m.held[i]
	m.held = slices.Delete(m.held, i, i+1)
	return e
}

// flush gives all that is held.
func (m *mixer) flush() []event {
	var out []event
	for len(m.held) > 0 {
		out = append(out, m.take())
	}
	return out
}
