package tsqleval

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// scope holds the sources that an expression can name: the sources of its query, and of the queries
// around.
type scope struct {
	outer   *scope
	sources []*columns
}

// columns holds the columns of one source.
type columns struct {
	alias string
	names []string
	types []sqlType
	outer bool // keeps the row if the source is empty
}

// frame holds the current rows of the sources of a scope.
type frame struct {
	outer *frame
	rows  [][]value
}

type eval func(*frame) (value, error)

// tri is a value of three-valued logic: -1 false, 0 unknown, 1 true.
type tri int

type test func(*frame) (tri, error)

func known(b bool) tri {
	if b {
		return 1
	}
	return -1
}

// compiler checks a statement before it runs. uses collects the depths of the columns in the
// current expression: 0 for the columns of this query.
type compiler struct {
	tables map[string]*Table
	fabric bool
	jsonb  bool
	parses *int // number of OPENJSON passes through a text
	uses   map[int]bool
	texts  map[string]jsonValue // the texts that were read
}

func (c *compiler) column(ref columnRef, s *scope) (sqlType, eval, error) {
	for depth, at := 0, s; at != nil; depth, at = depth+1, at.outer {
		for i, src := range at.sources {
			if !strings.EqualFold(src.alias, ref.alias) {
				continue
			}
			for j, name := range src.names {
				if strings.EqualFold(name, ref.name) {
					if c.uses != nil {
						c.uses[depth] = true
					}
					return src.types[j], func(f *frame) (value, error) {
						for range depth {
							f = f.outer
						}
						return f.rows[i][j], nil
					}, nil
				}
			}
			return sqlType{}, nil, fmt.Errorf("error 207: invalid column name %s.%s", ref.alias, ref.name)
		}
	}
	return sqlType{}, nil, fmt.Errorf("error 4104: the identifier %s.%s could not be bound", ref.alias, ref.name)
}

func (c *compiler) expr(e expr, s *scope) (sqlType, eval, error) {
	switch e := e.(type) {
	case columnRef:
		return c.column(e, s)
	case literal:
		t := textType(len(units(e.text)))
		if !e.national {
			t.base = "varchar"
			for _, r := range e.text {
				if r > 126 && !c.fabric {
					return t, nil, errors.New("a literal without N has characters that its code page may lack")
				}
			}
		}
		v := textValue(e.text)
		return t, func(*frame) (value, error) { return v, nil }, nil
	case numeral:
		n, scale, ok := parseDecimal(e.text)
		if !ok {
			return sqlType{}, nil, fmt.Errorf("the number %s", e.text)
		}
		t := intType()
		if scale > 0 || n.BitLen() > 31 {
			t = sqlType{base: "decimal", precision: max(scale+1, len(n.String())), scale: scale}
		}
		return t, func(*frame) (value, error) { return value{n: n}, nil }, nil
	case nullExpr:
		return sqlType{base: "null"}, func(*frame) (value, error) { return null, nil }, nil
	case castExpr:
		return c.cast(e, s)
	case caseExpr:
		return c.caseExpr(e, s)
	case binary:
		return c.binary(e, s)
	case negative:
		t, x, err := c.expr(e.x, s)
		if err != nil || !t.number() || t.base == "bit" {
			return t, nil, errors.Join(err, fmt.Errorf("minus of %s", t))
		}
		return t, func(f *frame) (value, error) {
			v, err := x(f)
			if err != nil || v.null {
				return v, err
			}
			return value{n: new(big.Int).Neg(v.n)}, nil
		}, nil
	case collated:
		t, x, err := c.expr(e.x, s)
		if err == nil && !t.text() {
			err = fmt.Errorf("error 447: COLLATE of %s", t)
		}
		if e.name != "Latin1_General_100_BIN2" && e.name != "Latin1_General_100_BIN2_UTF8" {
			err = fmt.Errorf("the collation %s", e.name)
		}
		t.collation, t.explicit = e.name, true
		return t, x, err
	case call:
		return c.call(e, s)
	case subquery:
		if len(e.q) == 1 && len(e.q[0].items) == 1 && e.q[0].from == nil {
			return c.expr(e.q[0].items[0].expr, s)
		}
	}
	return sqlType{}, nil, fmt.Errorf("the expression %T is not known here", e)
}

func (c *compiler) cast(e castExpr, s *scope) (sqlType, eval, error) {
	from, x, err := c.expr(e.expr, s)
	if err != nil {
		return from, nil, err
	}
	if from.text() && e.typ.text() {
		e.typ.collation, e.typ.explicit = from.collation, from.explicit
	}
	if e.convert {
		if e.style != "126" || from.base != "datetime2" || from.scale != 0 || !e.typ.text() {
			return from, nil, fmt.Errorf("CONVERT of %s in style %s is not known here", from, e.style)
		}
		return e.typ, func(f *frame) (value, error) {
			v, err := x(f)
			if err != nil || v.null {
				return v, err
			}
			return textValue(v.t.Format("2006-01-02T15:04:05")), nil
		}, nil
	}
	if _, err := convert(sample(from), from, e.typ); err != nil {
		var failed conversionError
		if !errors.As(err, &failed) {
			return from, nil, err
		}
	}
	return e.typ, func(f *frame) (value, error) {
		v, err := x(f)
		if err != nil {
			return v, err
		}
		out, err := convert(v, from, e.typ)
		var failed conversionError
		if e.try && errors.As(err, &failed) {
			return null, nil
		}
		return out, err
	}, nil
}

// sample returns an example value of a type, to try a conversion.
func sample(t sqlType) value {
	if t.base == "null" {
		return null
	}
	return value{n: big.NewInt(0), t: time.Unix(0, 0).UTC()}
}

func (c *compiler) caseExpr(e caseExpr, s *scope) (sqlType, eval, error) {
	var tests []test
	var types []sqlType
	var thens []eval
	for _, w := range e.whens {
		cond := w.cond
		if e.input != nil {
			cond = comparison{"=", e.input, w.val}
		}
		p, err := c.cond(cond, s)
		if err != nil {
			return sqlType{}, nil, err
		}
		t, x, err := c.expr(w.then, s)
		if err != nil {
			return t, nil, err
		}
		tests, types, thens = append(tests, p), append(types, t), append(thens, x)
	}
	if e.els != nil {
		t, x, err := c.expr(e.els, s)
		if err != nil {
			return t, nil, err
		}
		types, thens = append(types, t), append(thens, x)
	}
	t, err := unifyAll(types)
	if err != nil {
		return t, nil, err
	}
	if t.base == "null" {
		return t, nil, errors.New("error 8133: at least one of the results of a CASE must not be NULL")
	}
	return t, func(f *frame) (value, error) {
		for i, p := range tests {
			is, err := p(f)
			if err != nil {
				return null, err
			}
			if is > 0 {
				return converted(thens[i], types[i], t, f)
			}
		}
		if e.els != nil {
			return converted(thens[len(tests)], types[len(tests)], t, f)
		}
		return null, nil
	}, nil
}

func unifyAll(types []sqlType) (sqlType, error) {
	t := sqlType{base: "null"}
	for _, u := range types {
		var err error
		if t, err = unify(t, u); err != nil {
			return t, err
		}
		if t.base != "null" && u.base != "null" && t.text() != u.text() {
			return t, fmt.Errorf("a text and a %s are the results of one expression", t)
		}
	}
	return t, nil
}

func converted(x eval, from, to sqlType, f *frame) (value, error) {
	v, err := x(f)
	if err != nil || v.null {
		return null, err
	}
	return convert(v, from, to)
}

func (c *compiler) binary(e binary, s *scope) (sqlType, eval, error) {
	a, x, err := c.expr(e.l, s)
	if err != nil {
		return a, nil, err
	}
	b, y, err := c.expr(e.r, s)
	if err != nil {
		return b, nil, err
	}
	if e.op == "+" && a.text() && b.text() {
		t := sqlType{base: "varchar"}
		limit := 8000
		if a.base == "nvarchar" || b.base == "nvarchar" {
			t.base, limit = "nvarchar", 4000
		}
		t.max = a.max || b.max
		t.size = min(limit, a.size+b.size)
		k, err := collationOf(a, b)
		if err != nil {
			return t, nil, err
		}
		t.collation, t.explicit = k.collation, k.explicit
		return t, func(f *frame) (value, error) {
			v, w, err := both(x, y, f)
			if err != nil || v.null || w.null {
				return null, err
			}
			return cut(v.s+w.s, t), nil
		}, nil
	}
	if !a.number() || !b.number() {
		return a, nil, fmt.Errorf("%s %s %s", a, e.op, b)
	}
	return c.arithmetic(e.op, a, b, x, y)
}

func both(x, y eval, f *frame) (value, value, error) {
	v, err := x(f)
	if err != nil {
		return v, v, err
	}
	w, err := y(f)
	return v, w, err
}

// arithmetic follows "Precision, scale, and length" of Microsoft's documentation.
func (c *compiler) arithmetic(op string, a, b sqlType, x, y eval) (sqlType, eval, error) {
	t := intType()
	if a.base == "bigint" || b.base == "bigint" {
		t.base = "bigint"
	}
	p, q := asDecimal(a), asDecimal(b)
	if a.base == "decimal" || b.base == "decimal" {
		t = sqlType{base: "decimal"}
		p1, s1, p2, s2 := p.precision, p.scale, q.precision, q.scale
		switch op {
		case "+", "-":
			t.scale = max(s1, s2)
			t.precision = max(p1-s1, p2-s2) + 1 + t.scale
		case "*":
			t.precision, t.scale = p1+p2+1, s1+s2
		case "/":
			t.scale = max(6, s1+p2+1)
			t.precision = p1 - s1 + s2 + t.scale
		case "%":
			t.scale = max(s1, s2)
			t.precision = min(p1-s1, p2-s2) + t.scale
		}
		if t.precision > 38 {
			whole := t.precision - t.scale
			if op == "+" || op == "-" {
				t.scale = max(0, 38-whole)
			} else if whole < 32 {
				t.scale = min(t.scale, 38-whole)
			} else {
				t.scale = min(t.scale, 6)
			}
			t.precision = 38
		}
	}
	return t, func(f *frame) (value, error) {
		v, w, err := both(x, y, f)
		if err != nil || v.null || w.null {
			return null, err
		}
		// one scale for both
		scale := max(p.scale, q.scale)
		l := rescale(v.n, p.scale, scale)
		r := rescale(w.n, q.scale, scale)
		var n *big.Int
		switch op {
		case "+":
			n = rescale(new(big.Int).Add(l, r), scale, t.scale)
		case "-":
			n = rescale(new(big.Int).Sub(l, r), scale, t.scale)
		case "*":
			n = rescale(new(big.Int).Mul(v.n, w.n), p.scale+q.scale, t.scale)
		default:
			if r.Sign() == 0 {
				return null, errors.New("error 8134: divide by zero")
			}
			if op == "%" {
				n = rescale(new(big.Int).Rem(l, r), scale, t.scale)
			} else {
				n = new(big.Int).Quo(new(big.Int).Mul(l, pow10(t.scale)), r)
			}
		}
		var limit *big.Int
		if t.base == "decimal" {
			limit = pow10(t.precision)
		} else {
			limit = new(big.Int).Lsh(big.NewInt(1), map[string]uint{"int": 31, "bigint": 63}[t.base])
		}
		if n.CmpAbs(limit) >= 0 {
			return null, fmt.Errorf("error 8115: arithmetic overflow in %s", op)
		}
		return value{n: n}, nil
	}, nil
}
