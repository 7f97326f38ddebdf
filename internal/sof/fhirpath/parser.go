package fhirpath

import (
	"fmt"
	"strings"
)

// maxDepth bounds the nesting of an expression, and so the stack of recursive functions over a
// tree.
const maxDepth = 200

// Parse parses one expression. Its error is an *Error.
func Parse(src string) (Node, error) {
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks}
	if p.tok().kind == tokEOF {
		return nil, &Error{0, "the expression is empty"}
	}
	n, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if t := p.tok(); t.kind != tokEOF {
		return nil, &Error{
			t.pos, fmt.Sprintf("unexpected %s after the end of the expression", t.describe()),
		}
	}
	return n, nil
}

// The binding powers of the grammar's levels, loosest first.
const (
	precImplies = iota + 1
	precOr
	precAnd
	precMembership
	precEquality
	precInequality
	precUnion
	precType
	precAdditive
	precMultiplicative
	precUnary
	precPostfix
)

var precedence = map[string]int{
	"implies": precImplies, "or": precOr, "xor": precOr, "and": precAnd,
	"in": precMembership, "contains": precMembership,
	"=": precEquality, "~": precEquality, "!=": precEquality, "!~": precEquality,
	"<": precInequality, "<=": precInequality, ">": precInequality, ">=": precInequality,
	"|": precUnion, "is": precType, "as": precType,
	"+": precAdditive, "-": precAdditive, "&": precAdditive,
	"*": precMultiplicative, "/": precMultiplicative, "div": precMultiplicative,
	"mod": precMultiplicative,
}

type parser struct {
	toks  []token
	i     int
	depth int
}

func (p *parser) tok() token { return p.toks[p.i] }

func (p *parser) take() token {
	t := p.toks[p.i]
	if t.kind != tokEOF {
		p.i++
	}
	return t
}

func (t token) is(op string) bool { return t.kind == tokOp && t.text == op }

func (t token) describe() string {
	switch t.kind {
	case tokEOF:
		return "end"
	case tokString:
		return "string"
	case tokNumber:
		return "number " + t.text
	case tokDate, tokTime:
		return "date or time"
	case tokExternal:
		return "%" + t.text
	case tokDollar:
		return "$" + t.text
	case tokName, tokQuoted, tokOp:
	}
	return fmt.Sprintf("%q", t.text)
}

// operator returns the infix operator at the cursor, or "".
func (p *parser) operator() string {
	t := p.tok()
	if t.kind != tokOp && t.kind != tokName {
		return ""
	}
	if _, ok := precedence[t.text]; ok {
		return t.text
	}
	return ""
}

func (p *parser) expression(least int) (Node, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, &Error{p.tok().pos, fmt.Sprintf("nested deeper than %d levels", maxDepth)}
	}
	left, err := p.unary()
	if err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		op := p.operator()
		prec := precedence[op]
		if op == "" || prec < least {
			return left, nil
		}
		if n > maxDepth*10 {
			return nil, &Error{p.tok().pos, "too many operators in one expression"}
		}
		at := p.take().pos
		if prec == precType {
			typeAt, name, err := p.typeName()
			if err != nil {
				return nil, err
			}
			left = &TypeTest{pos(at), op, left, typeAt, name}
			continue
		}
		right, err := p.expression(prec + 1)
		if err != nil {
			return nil, err
		}
		left = &Binary{pos(at), op, left, right}
	}
}

func (p *parser) typeName() (int, string, error) {
	at := p.tok().pos
	var parts []string
	for {
		t := p.take()
		if t.kind != tokName && t.kind != tokQuoted {
			return at, "", &Error{
				t.pos, fmt.Sprintf("expected the name of a type, got %s", t.describe()),
			}
		}
		parts = append(parts, t.text)
		if !p.tok().is(".") || len(parts) == 2 {
			return at, strings.Join(parts, "."), nil
		}
		// a dot after "is T" belongs to a namespace only: FHIR.Patient, System.String
		if len(parts) == 1 && t.text != "FHIR" && t.text != "System" {
			return at, parts[0], nil
		}
		p.take()
	}
}

func (p *parser) unary() (Node, error) {
	if t := p.tok(); t.is("+") || t.is("-") {
		p.take()
		x, err := p.expression(precUnary)
		if err != nil {
			return nil, err
		}
		return &Unary{pos(t.pos), t.text, x}, nil
	}
	x, err := p.primary()
	if err != nil {
		return nil, err
	}
	return p.postfix(x)
}

func (p *parser) postfix(x Node) (Node, error) {
	for n := 0; ; n++ {
		if n > maxDepth*10 {
			return nil, &Error{p.tok().pos, "the path has too many steps"}
		}
		switch t := p.tok(); {
		case t.is("."):
			p.take()
			next, err := p.invocation(x)
			if err != nil {
				return nil, err
			}
			x = next
		case t.is("["):
			p.take()
			i, err := p.expression(0)
			if err != nil {
				return nil, err
			}
			if end := p.take(); !end.is("]") {
				return nil, &Error{end.pos, fmt.Sprintf("expected ], got %s", end.describe())}
			}
			x = &Subscript{pos(t.pos), x, i}
		default:
			return x, nil
		}
	}
}

// reserved are words that the grammar does not allow as names.
var reserved = map[string]bool{
	"and": true, "or": true, "xor": true, "implies": true, "div": true, "mod": true,
	"true": true, "false": true,
}

// invocation parses a member, function or variable, after a dot or, with x nil, without one.
func (p *parser) invocation(x Node) (Node, error) {
	t := p.take()
	switch {
	case t.kind == tokDollar:
		switch t.text {
		case "this":
			if x != nil {
				return nil, &Error{t.pos, "$this cannot follow a dot"}
			}
			return &This{pos(t.pos)}, nil
		case "index":
			if x != nil {
				return nil, &Error{t.pos, "$index cannot follow a dot"}
			}
			return &Index{pos(t.pos)}, nil
		case "total":
			if x != nil {
				return nil, &Error{t.pos, "$total cannot follow a dot"}
			}
			return &Total{pos(t.pos)}, nil
		}
		return nil, &Error{t.pos, "known are $this, $index and $total"}
	case t.kind == tokQuoted, t.kind == tokName && !reserved[t.text]:
		if !p.tok().is("(") {
			return &Member{pos(t.pos), x, t.text}, nil
		}
		args, err := p.arguments()
		if err != nil {
			return nil, err
		}
		return &Call{pos(t.pos), x, t.text, args}, nil
	}
	what := "an expression"
	if x != nil {
		what = "a name after the dot"
	}
	return nil, &Error{t.pos, fmt.Sprintf("expected %s, got %s", what, t.describe())}
}

func (p *parser) arguments() ([]Node, error) {
	p.take()
	if p.tok().is(")") {
		p.take()
		return nil, nil
	}
	var args []Node
	for {
		a, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		args = append(args, a)
		switch t := p.take(); {
		case t.is(")"):
			return args, nil
		case !t.is(","):
			return nil, &Error{t.pos, fmt.Sprintf("expected , or ), got %s", t.describe())}
		}
	}
}

func (p *parser) primary() (Node, error) {
	t := p.tok()
	switch t.kind {
	case tokString:
		p.take()
		return newLiteral(t.pos, String, t.text), nil
	case tokNumber:
		p.take()
		if q := p.unit(t); q != nil {
			return q, nil
		}
		kind := Integer
		if strings.Contains(t.text, ".") {
			kind = Decimal
		}
		return newLiteral(t.pos, kind, t.text), nil
	case tokDate:
		p.take()
		kind, text := Date, t.text
		if strings.Contains(text, "T") {
			kind, text = DateTime, strings.TrimSuffix(text, "T")
		}
		return newLiteral(t.pos, kind, text), nil
	case tokTime:
		p.take()
		return newLiteral(t.pos, Time, t.text), nil
	case tokExternal:
		p.take()
		return &External{pos(t.pos), t.text}, nil
	case tokName:
		if t.text == "true" || t.text == "false" {
			p.take()
			return newLiteral(t.pos, Boolean, t.text), nil
		}
	case tokOp:
		switch t.text {
		case "(":
			p.take()
			x, err := p.expression(0)
			if err != nil {
				return nil, err
			}
			if end := p.take(); !end.is(")") {
				return nil, &Error{end.pos, fmt.Sprintf("expected ), got %s", end.describe())}
			}
			return x, nil
		case "{":
			p.take()
			if end := p.take(); !end.is("}") {
				return nil, &Error{end.pos, "only {} is allowed: the empty collection"}
			}
			return newLiteral(t.pos, Empty, ""), nil
		}
	case tokEOF, tokQuoted, tokDollar:
	}
	return p.invocation(nil)
}

func newLiteral(at int, kind LiteralKind, text string) *Literal {
	return &Literal{pos: pos(at), Kind: kind, Text: text}
}

// unit parses the unit after a number: a UCUM code in quotes, or the word for a span of time. It
// returns nil if there is none.
func (p *parser) unit(number token) *Literal {
	t := p.tok()
	calendar := t.kind == tokName && IsCalendarUnit(t.text)
	if !calendar && t.kind != tokString {
		return nil
	}
	p.take()
	q := newLiteral(number.pos, Quantity, number.text)
	q.Unit, q.Calendar = t.text, calendar
	return q
}

// IsCalendarUnit reports whether a word is a unit of time, as in 4 days.
func IsCalendarUnit(word string) bool {
	switch strings.TrimSuffix(word, "s") {
	case "year", "month", "week", "day", "hour", "minute", "second", "millisecond":
		return true
	}
	return false
}
