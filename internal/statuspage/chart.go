package statuspage

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// chart is a chart over the last 30 days, drawn as SVG by the template.
type chart struct {
	// Path is the line or the bars, in the units of the view box.
	Path string
	Kind string // "line" or "bars"
	// Rows and Days are the labels of the axes.
	Rows, Days []mark
	What       string
	Empty      bool

	from, to time.Time
}

// mark is a label of an axis, at a place of the view box.
type mark struct {
	At   float64
	Text string
}

// point is a value at a time.
type point struct {
	at time.Time
	y  float64
}

// Size of the view box. The left and the lower margin have the labels.
const (
	chartWidth, chartHeight = 900, 220
	chartLeft, chartTop     = 86, 12
	chartRight, chartBottom = 890, 190
)

func newChart(now time.Time) chart {
	return chart{
		from: now.Add(-shownDays * 24 * time.Hour), to: now, Empty: true,
	}
}

// axes sets the labels and returns the greatest value of the vertical axis.
func (c *chart) axes(most float64, seconds bool) float64 {
	top := nice(most)
	label := func(y float64) string { return grouped(int64(math.Round(y))) }
	if seconds {
		top = niceSeconds(most)
		label = func(y float64) string {
			if y == 0 {
				return "0"
			}
			return span(time.Duration(y) * time.Second)
		}
	}
	for i := range 3 {
		y := top * float64(i) / 2
		c.Rows = append(c.Rows, mark{c.y(y, top), label(y)})
	}
	first := c.from.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	for at := first; at.Before(c.to); at = at.Add(7 * 24 * time.Hour) {
		c.Days = append(c.Days, mark{c.x(at), at.Format("2 Jan")})
	}
	return top
}

// nice rounds a value up to 1, 2 or 5 times a power of ten.
func nice(most float64) float64 {
	if most <= 2 {
		return 2
	}
	power := math.Pow(10, math.Floor(math.Log10(most)))
	for _, f := range []float64{1, 2, 4, 5, 10} {
		if f*power >= most {
			return f * power
		}
	}
	return 10 * power
}

// niceSeconds rounds a duration up to one that is even in its unit.
func niceSeconds(most float64) float64 {
	for _, unit := range []float64{1, 60, 3600, 24 * 3600} {
		for _, n := range []float64{2, 4, 10, 20, 40} {
			if n*unit >= most {
				return n * unit
			}
		}
	}
	return nice(most/(24*3600)) * 24 * 3600
}

func (c *chart) x(at time.Time) float64 {
	share := at.Sub(c.from).Seconds() / c.to.Sub(c.from).Seconds()
	return round(chartLeft + min(max(share, 0), 1)*(chartRight-chartLeft))
}

func (c *chart) y(y, top float64) float64 {
	return round(chartBottom - y/top*(chartBottom-chartTop))
}

func round(f float64) float64 { return math.Round(10*f) / 10 }

// bars draws a bar for each hour.
func (c *chart) bars(what string, hours []hourCount) {
	c.What, c.Kind = what, "bars"
	most := 0.0
	for _, h := range hours {
		most = max(most, float64(h.Applied))
	}
	top := c.axes(most, false)
	c.Empty = len(hours) == 0
	width := max(2, round((chartRight-chartLeft)/(shownDays*24.0)))
	var b strings.Builder
	for _, h := range hours {
		fmt.Fprintf(&b, "M%v %vV%vh%vV%vz", c.x(h.At), chartBottom, c.y(float64(h.Applied), top),
			width, chartBottom)
	}
	c.Path = b.String()
}

// seconds draws a line through points whose values are seconds.
func (c *chart) seconds(what string, points []point) { c.draw(what, points, true, false) }

// step draws a line that keeps a value until the next point.
func (c *chart) step(what string, points []point) { c.draw(what, points, false, true) }

// thin leaves out points that nobody sees: it keeps the first, the lowest, the highest and the last
// of all at one place.
func (c *chart) thin(points []point) (out []point) {
	for i := 0; i < len(points); {
		at := math.Round(c.x(points[i].at))
		end, low, high := i, i, i
		for end < len(points) && math.Round(c.x(points[end].at)) == at {
			if points[end].y < points[low].y {
				low = end
			}
			if points[end].y > points[high].y {
				high = end
			}
			end++
		}
		kept := []int{i, low, high, end - 1}
		slices.Sort(kept)
		for _, k := range slices.Compact(kept) {
			out = append(out, points[k])
		}
		i = end
	}
	return out
}

func (c *chart) draw(what string, points []point, seconds, steps bool) {
	c.What, c.Kind = what, "line"
	most := 0.0
	for _, p := range points {
		most = max(most, p.y)
	}
	top := c.axes(most, seconds)
	c.Empty = len(points) == 0
	var b strings.Builder
	for i, p := range c.thin(points) {
		switch {
		case i == 0:
			fmt.Fprintf(&b, "M%v %v", c.x(p.at), c.y(p.y, top))
		case steps:
			fmt.Fprintf(&b, "H%vV%v", c.x(p.at), c.y(p.y, top))
		default:
			fmt.Fprintf(&b, "L%v %v", c.x(p.at), c.y(p.y, top))
		}
	}
	c.Path = b.String()
}
