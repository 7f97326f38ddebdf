package eventgrid

import (
	"math/rand/v2"
	"slices"
)

// mixer loses, duplicates and shuffles events. The same seed and the same events produce the same
// output.
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

// add takes an event and returns the events to send now.
func (m *mixer) add(e event) []event {
	// Draw both numbers every time, so that one setting does not change the other's random numbers.
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

// take removes and returns one of the held events: a random event, or the first without disorder.
func (m *mixer) take() event {
	i := 0
	if m.window > 0 {
		i = m.random.IntN(len(m.held))
	}
	e := m.held[i]
	m.held = slices.Delete(m.held, i, i+1)
	return e
}

// flush returns all held events.
func (m *mixer) flush() []event {
	var out []event
	for len(m.held) > 0 {
		out = append(out, m.take())
	}
	return out
}
