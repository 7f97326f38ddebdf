package tsqleval

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// function is a scalar function: result types from the types of its arguments, and values. Unless
// nulls is set, the result is NULL if an argument is NULL.
type function struct {
	least, most int
	typ         func([]sqlType) (sqlType, error)
	eval        func([]sqlType, []value) (value, error)
	nulls       bool
}

func sameText(t []sqlType) (sqlType, error) {
	if !t[0].text() {
		return t[0], fmt.Errorf("a text function of %s", t[0])
	}
	return t[0], nil
}

func toInt(t []sqlType) (sqlType, error) {
	if _, err := sameText(t); err != nil {
		return t[0], err
	}
	return intType(), nil
}

func sameNumber(t []sqlType) (sqlType, error) {
	if !t[0].number() {
		return t[0], fmt.Errorf("a function of numbers of %s", t[0])
	}
	return t[0], nil
}

var functions = map[string]function{
	"LEN": {1, 1, toInt, func(_ []sqlType, v []value) (value, error) {
		return intValue(int64(len(units(strings.TrimRight(v[0].s, " "))))), nil
	}, false},
	"JSON_QUERY": {2, 2, func(t []sqlType) (sqlType, error) {
		if !t[0].text() || !t[1].text() {
			return t[0], fmt.Errorf("JSON_QUERY of %s", t[0])
		}
		return maxText, nil
	}, func(_ []sqlType, v []value) (value, error) {
		j, err := readJSON([]byte(v[0].s))
		if err != nil || j.kind != jsonArray && j.kind != jsonObject {
			return null, errJSON
		}
		path, err := readPath(v[1].s)
		if err != nil {
			return null, err
		}
		found, ok, err := j.follow(path, func(s string) (jsonValue, error) { return readJSON([]byte(s)) })
		if err != nil || !ok || found.kind != jsonArray && found.kind != jsonObject {
			return null, err
		}
		return textValue(found.raw), nil
	}, false},
	"ISJSON": {1, 1, toInt, func(_ []sqlType, v []value) (value, error) {
		j, err := readJSON([]byte(v[0].s))
		if err == nil && (j.kind == jsonArray || j.kind == jsonObject) {
			return intValue(1), nil
		}
		return intValue(0), nil
	}, false},
	"ASCII": {1, 1, toInt, func(_ []sqlType, v []value) (value, error) {
		if v[0].s == "" {
			return null, nil
		}
		if u := units(v[0].s)[0]; u < 127 {
			return intValue(int64(u)), nil
		}
		return intValue('?'), nil
	}, false},
	"LEFT": {2, 2, sameText, func(_ []sqlType, v []value) (value, error) {
		u, n, err := partOf(v)
		return textValue(fromUnits(u[:n])), err
	}, false},
	"RIGHT": {2, 2, sameText, func(_ []sqlType, v []value) (value, error) {
		u, n, err := partOf(v)
		return textValue(fromUnits(u[len(u)-n:])), err
	}, false},
	"SUBSTRING": {3, 3, sameText, func(_ []sqlType, v []value) (value, error) {
		u := units(v[0].s)
		start, n := int(v[1].n.Int64())-1, int(v[2].n.Int64())
		if n < 0 {
			return null, errors.New("error 537: invalid length parameter passed to SUBSTRING")
		}
		stop := min(max(0, start+n), len(u))
		start = min(max(0, start), len(u))
		return textValue(fromUnits(u[start:max(start, stop)])), nil
	}, false},
	"REVERSE": {1, 1, sameText, func(_ []sqlType, v []value) (value, error) {
		u := units(v[0].s)
		slices.Reverse(u)
		return textValue(fromUnits(u)), nil
	}, false},
	"UPPER": {1, 1, sameText, func(_ []sqlType, v []value) (value, error) { return textValue(strings.ToUpper(v[0].s)), nil }, false},
	"LOWER": {1, 1, sameText, func(_ []sqlType, v []value) (value, error) { return textValue(strings.ToLower(v[0].s)), nil }, false},
	"REPLICATE": {2, 2, func(t []sqlType) (sqlType, error) {
		out, err := sameText(t)
		if !out.max {
			out.size = 4000
		}
		return out, err
	}, func(_ []sqlType, v []value) (value, error) {
		n := v[1].n.Int64()
		if n < 0 {
			return null, nil
		}
		return textValue(strings.Repeat(v[0].s, int(n))), nil
	}, false},
	"NCHAR":     {1, 1, func([]sqlType) (sqlType, error) { return textType(1), nil }, charOf, false},
	"CHAR":      {1, 1, func([]sqlType) (sqlType, error) { return sqlType{base: "varchar", size: 1}, nil }, charOf, false},
	"REPLACE":   {3, 3, replaceType, replace, false},
	"CHARINDEX": {2, 2, charIndexType, charIndex, false},
	"CONCAT": {2, 20, func(t []sqlType) (sqlType, error) {
		out := sqlType{base: "nvarchar", size: 4000}
		for _, u := range t {
			out.max = out.max || u.max
		}
		return out, nil
	}, func(t []sqlType, v []value) (value, error) {
		var b strings.Builder
		for i := range v {
			s, err := convert(v[i], t[i], maxText)
			if err != nil {
				return null, err
			}
			b.WriteString(s.s)
		}
		return textValue(b.String()), nil
	}, true},
	"ABS":     {1, 1, sameNumber, func(_ []sqlType, v []value) (value, error) { return value{n: new(big.Int).Abs(v[0].n)}, nil }, false},
	"CEILING": {1, 1, wholeNumber, func(t []sqlType, v []value) (value, error) { return cutFraction(t[0], v[0], 1), nil }, false},
	"FLOOR":   {1, 1, wholeNumber, func(t []sqlType, v []value) (value, error) { return cutFraction(t[0], v[0], -1), nil }, false},
	"ROUND": {2, 2, sameNumber, func(t []sqlType, v []value) (value, error) {
		digits := int(v[1].n.Int64())
		if digits >= t[0].scale {
			return v[0], nil
		}
		return value{n: rescale(rescale(v[0].n, t[0].scale, digits), digits, t[0].scale)}, nil
	}, false},
	"SWITCHOFFSET": {2, 2, func(t []sqlType) (sqlType, error) {
		if t[0].base != "datetimeoffset" {
			return t[0], fmt.Errorf("SWITCHOFFSET of %s", t[0])
		}
		return t[0], nil
	}, func(_ []sqlType, v []value) (value, error) {
		if v[1].s != "+00:00" {
			return null, errors.New("SWITCHOFFSET to another offset is not known here")
		}
		return value{t: v[0].t.UTC()}, nil
	}, false},
	"DATEADD": {3, 3, func(t []sqlType) (sqlType, error) {
		if t[2].base != "datetime2" {
			return t[2], fmt.Errorf("DATEADD of %s", t[2])
		}
		return t[2], nil
	}, func(_ []sqlType, v []value) (value, error) {
		unit, ok := map[string]time.Duration{"minute": time.Minute, "second": time.Second}[strings.ToLower(v[0].s)]
		if !ok {
			return null, fmt.Errorf("DATEADD of %s is not known here", v[0].s)
		}
		t := v[2].t.Add(time.Duration(v[1].n.Int64()) * unit)
		if t.Year() < 1 || t.Year() > 9999 {
			return null, errors.New("error 517: adding a value to a 'datetime2' column caused an overflow")
		}
		return value{t: t}, nil
	}, false},
}

func partOf(v []value) ([]uint16, int, error) {
	u := units(v[0].s)
	n := v[1].n.Int64()
	if n < 0 {
		return u, 0, errors.New("error 536: invalid length parameter passed to LEFT or RIGHT")
	}
	return u, int(min(n, int64(len(u)))), nil
}

func charOf(_ []sqlType, v []value) (value, error) {
	code := v[0].n.Int64()
	if code < 1 || code > 126 {
		return null, fmt.Errorf("the character %d is not known here", code)
	}
	return textValue(string([]byte{byte(code)})), nil
}

func wholeNumber(t []sqlType) (sqlType, error) {
	out, err := sameNumber(t)
	out.scale = 0
	return out, err
}

func cutFraction(t sqlType, v value, side int) value {
	q, r := new(big.Int).QuoRem(v.n, pow10(t.scale), new(big.Int))
	if r.Sign() == side {
		q.Add(q, big.NewInt(int64(side)))
	}
	return value{n: q}
}

func replaceType(t []sqlType) (sqlType, error) {
	out, err := sameText(t)
	if err != nil || !t[1].text() || !t[2].text() {
		return out, errors.Join(err, errors.New("REPLACE of other things than texts"))
	}
	if !out.max {
		out.size = map[string]int{"nvarchar": 4000, "varchar": 8000}[out.base]
	}
	return out, nil
}

func replace(t []sqlType, v []value) (value, error) {
	// the replaced text has no case, or the collation distinguishes case
	if t[0].collation == "" && strings.ToLower(v[1].s) != strings.ToUpper(v[1].s) {
		return null, errors.New("REPLACE of letters in the default collation disregards case")
	}
	if v[1].s == "" {
		return v[0], nil
	}
	return textValue(strings.ReplaceAll(v[0].s, v[1].s, v[2].s)), nil
}

func charIndexType(t []sqlType) (sqlType, error) {
	if !t[0].text() || !t[1].text() {
		return t[0], errors.New("CHARINDEX of other things than texts")
	}
	_, err := collationOf(t[0], t[1])
	return intType(), err
}

func charIndex(t []sqlType, v []value) (value, error) {
	k, err := collationOf(t[0], t[1])
	if err != nil || v[0].s == "" {
		return intValue(0), err
	}
	what, in := v[0].s, v[1].s
	if k.collation == "" {
		what, in = strings.ToLower(what), strings.ToLower(in)
	}
	i := strings.Index(in, what)
	if i < 0 {
		return intValue(0), nil
	}
	return intValue(int64(len(units(in[:i])) + 1)), nil
}

func (c *compiler) call(e call, s *scope) (sqlType, eval, error) {
	fail := func(format string, args ...any) (sqlType, eval, error) {
		return sqlType{}, nil, fmt.Errorf(format, args...)
	}
	if e.over || e.within != nil || e.star {
		return fail("%s is not allowed here", e.name)
	}
	var types []sqlType
	var args []eval
	for _, a := range e.args {
		t, x, err := c.expr(a, s)
		if err != nil {
			return t, nil, err
		}
		types, args = append(types, t), append(args, x)
	}
	switch e.name {
	case "COALESCE", "ISNULL":
		if len(args) < 2 || e.name == "ISNULL" && len(args) != 2 {
			return fail("%s with %d arguments", e.name, len(args))
		}
		t, err := unifyAll(types)
		if err != nil {
			return t, nil, err
		}
		if e.name == "ISNULL" {
			t = types[0]
		}
		return t, func(f *frame) (value, error) {
			for i, x := range args {
				v, err := converted(x, types[i], t, f)
				if err != nil || !v.null {
					return v, err
				}
			}
			return null, nil
		}, nil
	case "NULLIF":
		if len(args) != 2 {
			return fail("NULLIF with %d arguments", len(args))
		}
		same, err := c.comparison(comparison{"=", e.args[0], e.args[1]}, s)
		if err != nil {
			return types[0], nil, err
		}
		return types[0], func(f *frame) (value, error) {
			is, err := same(f)
			if err != nil || is > 0 {
				return null, err
			}
			return args[0](f)
		}, nil
	}
	fn, ok := functions[e.name]
	if !ok || len(args) < fn.least || len(args) > fn.most {
		return fail("the function %s with %d arguments is not known here", e.name, len(args))
	}
	t, err := fn.typ(types)
	if err != nil {
		return t, nil, fmt.Errorf("%s: %w", e.name, err)
	}
	return t, func(f *frame) (value, error) {
		values := make([]value, len(args))
		for i, x := range args {
			v, err := x(f)
			if err != nil || v.null && !fn.nulls {
				return null, err
			}
			values[i] = v
		}
		return fn.eval(types, values)
	}, nil
}
