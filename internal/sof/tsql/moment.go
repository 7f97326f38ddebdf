package tsql

import (
	"fmt"
	"strings"
	"time"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

// computed applies expressions that later ones use by name. A block applies equal expressions once.
func (w *writer) computed(c scope, kind string, items ...item) string {
	k := computedKey{at: c.at}
	for _, it := range items {
		k.text += it.text() + "\n"
	}
	if alias, ok := w.applied[k]; ok {
		return alias
	}
	alias := w.alias(kind)
	w.applied[k] = alias
	c.at.from = append(c.at.from, source{alias: alias, query: query{{items: items}}})
	return alias
}

// worked is computed for expressions that later ones use repeatedly, in several steps. Planners
// replace a name by its expression, so a chain of such expressions would double with every link;
// they do not do so across a TOP.
func (w *writer) worked(c scope, kind string, items ...item) string {
	before := len(c.at.from)
	alias := w.computed(c, kind, items...)
	if len(c.at.from) > before {
		c.at.from[before].query[0].top = 1
	}
	return alias
}

// computedKey identifies expressions that are applied once.
type computedKey struct {
	at   *block
	text string
}

// zone applies a dateTime with the number of characters of its offset: 0 for a time without offset,
// NULL without a time. The text that zone returns is computed once.
func (w comparisons) zone(text string, c scope) (once, size string) {
	alias := w.worked(c, "z", item{text, "t"}, item{fmt.Sprintf(
		"CASE WHEN LEN(%s) <= 10 THEN NULL WHEN RIGHT(%s, 1) = %s THEN 1 WHEN LEN(%s) >= 19 AND LEFT(RIGHT(%s, 6), 1) IN (%s) THEN 6 ELSE 0 END",
		text, text, w.lit("Z"), text, text, w.lits("+", "-")), "n"})
	return alias + ".[t]", alias + ".[n]"
}

// moment holds a date or a time in a form whose texts compare. All parts have a fixed place, times
// are in UTC, seconds have nine digits after the point.
type moment struct {
	text   string
	length string // of text, in characters
	zoned  string // 1, 0, or NULL for a date alone; empty if it is always NULL
}

func momentOf(text, zoned string) moment {
	return moment{text, fmt.Sprintf("LEN(%s)", text), zoned}
}

func (w comparisons) moment(n *node, clock bool, c scope) moment {
	if known := knownText(n); known != nil {
		return w.knownMoment(*known, clock)
	}
	text := w.items.text(n)
	if clock {
		return momentOf(
			fmt.Sprintf("CASE WHEN LEN(%s) > 5 THEN LEFT(%s, 8) + %s + LEFT(SUBSTRING(%s, 10, 9) + %s, 9) ELSE %s END",
				text, text, w.lit("."), text, w.lit("000000000"), text), "")
	}
	text, z := w.zone(text, c)
	alias := w.computed(c, "t",
		item{fmt.Sprintf("LEFT(%s, LEN(%s) - ISNULL(%s, 0))", text, text, z), "local"},
		item{
			fmt.Sprintf("CASE WHEN %s = 6 THEN (CASE WHEN SUBSTRING(%s, LEN(%s) - 5, 1) = %s THEN -1 ELSE 1 END) * (60 * TRY_CAST(LEFT(RIGHT(%s, 5), 2) AS int) + TRY_CAST(RIGHT(%s, 2) AS int)) ELSE 0 END",
				z, text, text, w.lit("-"), text, text), "east",
		})
	local, east := alias+".[local]", alias+".[east]"
	// some servers write a blank for the T in CONVERT
	shifted := fmt.Sprintf(
		"REPLACE(LEFT(CONVERT(%s, DATEADD(minute, -%s, TRY_CAST(LEFT(%s, 16) + %s AS datetime2(0))), 126), 16), %s, %s)",
		w.shortText(), east, local, w.lit(":00"), w.lit(" "), w.lit("T"))
	seconds := fmt.Sprintf(
		"CASE WHEN LEN(%s) > 16 THEN SUBSTRING(%s, 17, 3) + %s + LEFT(SUBSTRING(%s, 21, 9) + %s, 9) ELSE %s END",
		local, local, w.lit("."), local, w.lit("000000000"), w.lit(""))
	m := w.worked(c, "m",
		// the first and the last year cannot be shifted
		item{
			fmt.Sprintf("CASE WHEN %s IS NULL THEN %s WHEN %s = 0 OR LEFT(%s, 4) IN (%s) THEN LEFT(%s, 16) + %s ELSE %s + %s END",
				z, text, east, local, w.lits("0001", "9999"), local, seconds, shifted, seconds),
			"t",
		},
		item{fmt.Sprintf("CASE WHEN %s > 0 THEN 1 WHEN %s = 0 THEN 0 END", z, z), "z"})
	return momentOf(m+".[t]", m+".[z]")
}

// shortText returns a text type with room for a date and a time.
func (w phrases) shortText() string {
	if w.facts.National {
		return "nvarchar(40)"
	}
	return "varchar(40)"
}

// knownMoment returns the form of a constant, which the compiler has checked.
func (w phrases) knownMoment(text string, clock bool) moment {
	known := func(s, zoned string) moment { return moment{w.lit(s), fmt.Sprint(len(s)), zoned} }
	fraction := func(s string) string {
		whole, frac, _ := strings.Cut(s, ".")
		return whole + "." + (frac + "000000000")[:9]
	}
	if clock {
		if len(text) > 5 {
			text = fraction(text)
		}
		return known(text, "")
	}
	day, rest, timed := strings.Cut(text, "T")
	if !timed || rest == "" {
		return known(day, "")
	}
	zoned, east := "0", 0
	if s, ok := strings.CutSuffix(rest, "Z"); ok {
		zoned, rest = "1", s
	} else if i := strings.LastIndexAny(rest, "+-"); i > 0 {
		var h, m int
		if _, err := fmt.Sscanf(rest[i+1:], "%d:%d", &h, &m); err == nil {
			east = 60*h + m
		}
		if rest[i] == '-' {
			east = -east
		}
		zoned, rest = "1", rest[:i]
	}
	minute := (rest + ":00")[:min(5, len(rest)+3)]
	t, err := time.Parse("2006-01-02T15:04", day+"T"+minute)
	if err != nil {
		return known(text, zoned)
	}
	out := t.Add(-time.Duration(east) * time.Minute).Format("2006-01-02T15:04")
	switch {
	case len(rest) == 2:
		out = out[:13]
	case len(rest) > 5:
		out += fraction(rest[5:])
	}
	return known(out, zoned)
}

// compareMoments compares as FHIRPath N1 does. The result is unknown if the values agree up to the
// precision of the shorter one, or if only one value has an offset.
func (w comparisons) compareMoments(l, r *node, sign string, clock bool, c scope) string {
	x, y := w.moment(l, clock, c), w.moment(r, clock, c)
	left := fmt.Sprintf("LEFT(%s, %s)", x.text, y.length)
	right := fmt.Sprintf("LEFT(%s, %s)", y.text, x.length)
	if w.facts.CompareBytes {
		left, right = w.exact(left), w.exact(right)
	} else {
		left = w.collated(left)
	}
	unknown := ""
	if x.zoned != "" && y.zoned != "" {
		unknown = fmt.Sprintf("WHEN %s <> %s THEN NULL ", x.zoned, y.zoned)
	}
	alias := w.worked(c, "o",
		item{fmt.Sprintf("CASE %sWHEN %s < %s THEN -1 WHEN %s > %s THEN 1 WHEN %s = %s THEN 0 END",
			unknown, left, right, left, right, x.length, y.length), "o"})
	return fmt.Sprintf("%s.[o] %s 0", alias, sign)
}

// boundary lowers lowBoundary() and highBoundary().
func (w values) boundary(e *sof.Call, c scope) *node {
	high := e.Func == sof.FuncHighBoundary
	n := w.single(e.In, string(e.Func)+"()", c)
	if len(n.alts) != 1 {
		w.refuse(e, string(e.Func)+"() of a choice", "choose one with ofType()")
		return &node{}
	}
	text := w.items.text(n)
	a := alt{typ: n.alts[0].typ}
	switch system(&n.alts[0]) {
	case schema.Integer, schema.Decimal:
		if n.alts[0].value() == "" {
			w.refuse(e, string(e.Func)+"() of a computed number", "")
			return &node{}
		}
		text = w.comparisons.plainText(text, c)
		digits := fmt.Sprintf(
			"CASE WHEN CHARINDEX(%s, %s) = 0 THEN 0 ELSE LEN(%s) - CHARINDEX(%s, %s) END",
			w.lit("."), text, text, w.lit("."), text)
		sign := "-"
		if high {
			sign = "+"
		}
		a.typ = systemType("Decimal")
		a.number = fmt.Sprintf("TRY_CAST(%s AS %s) %s TRY_CAST(%s + REPLICATE(%s, %s) + %s AS %s)",
			text, summedDecimal, sign, w.lit("0."), w.lit("0"), digits, w.lit("5"), summedDecimal)
	case schema.Date:
		a.text = w.dayBoundary(text, high)
	case schema.Time:
		a.text = w.clockBoundary(text, high)
	case schema.DateTime:
		a.text = w.momentBoundary(text, high, c)
	case schema.None, schema.Boolean, schema.String:
		w.refuse(e, string(e.Func)+"() of this type", "")
	}
	return &node{alts: []alt{a}}
}

func (w phrases) dayBoundary(text string, high bool) string {
	if !high {
		return fmt.Sprintf(
			"CASE LEN(%s) WHEN 4 THEN %s + %s WHEN 7 THEN %s + %s ELSE LEFT(%s, 10) END", text,
			text, w.lit("-01-01"), text, w.lit("-01"), text)
	}
	year := fmt.Sprintf("TRY_CAST(LEFT(%s, 4) AS int)", text)
	last := fmt.Sprintf(
		"CASE WHEN RIGHT(%s, 2) IN (%s) THEN %s WHEN RIGHT(%s, 2) <> %s THEN %s WHEN %s %% 4 = 0 AND (%s %% 100 <> 0 OR %s %% 400 = 0) THEN %s ELSE %s END",
		text, w.lits("04", "06", "09", "11"), w.lit("-30"), text, w.lit("02"), w.lit("-31"), year,
		year, year, w.lit("-29"), w.lit("-28"))
	return fmt.Sprintf("CASE LEN(%s) WHEN 4 THEN %s + %s WHEN 7 THEN %s + %s ELSE LEFT(%s, 10) END",
		text, text, w.lit("-12-31"), text, last, text)
}

func (w phrases) clockBoundary(text string, high bool) string {
	hour, minute, fraction := ":00:00.000", ":00.000", "000"
	if high {
		hour, minute, fraction = ":59:59.999", ":59.999", "999"
	}
	return fmt.Sprintf(
		"CASE LEN(%s) WHEN 2 THEN %s + %s WHEN 5 THEN %s + %s WHEN 8 THEN %s + %s ELSE LEFT(%s + %s, 12) END",
		text, text, w.lit(hour), text, w.lit(minute), text, w.lit("."+fraction), text,
		w.lit(fraction))
}

func (w values) momentBoundary(text string, high bool, c scope) string {
	text, z := w.comparisons.zone(text, c)
	clock, offset := "00:00:00.000", "+14:00"
	if high {
		clock, offset = "23:59:59.999", "-12:00"
	}
	t := w.computed(c, "t",
		item{fmt.Sprintf("SUBSTRING(%s, 12, LEN(%s) - 11 - %s)", text, text, z), "clock"},
		item{
			fmt.Sprintf("CASE WHEN %s = 0 THEN %s WHEN %s = 1 OR RIGHT(%s, 5) = %s THEN %s ELSE RIGHT(%s, 6) END", z, w.lit(offset), z, text, w.lit("00:00"), w.lit("Z"), text), "zone",
		})
	return fmt.Sprintf("CASE WHEN %s IS NULL THEN %s + %s ELSE LEFT(%s, 11) + %s + %s END",
		z, w.dayBoundary(text, high), w.lit("T"+clock+offset), text,
		w.clockBoundary(t+".[clock]", high), t+".[zone]")
}
