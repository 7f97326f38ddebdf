// Package tsqleval is a stand-in for a T-SQL server in tests: it runs the SELECT statements that
// package tsql writes.
//
// It follows Microsoft's documentation of the language and is strict. It refuses what it does not
// know, and statements that SQL Server refuses, among them aggregates that mix columns of two
// queries, texts compared with numbers, and an OPENJSON over text that is not JSON. The default
// collation disregards case and blanks at the end, so a comparison that forgets its collation
// shows.
//
// It does not prove how a product behaves; a proof needs the product.
package tsqleval

import (
	"fmt"
	"strconv"
	"strings"
)

type parser struct {
	tokens []token
	at     int
}

type syntaxError struct{ msg string }

func (e syntaxError) Error() string { return e.msg }

func parse(s string) (q query, err error) {
	tokens, err := lex(s)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	defer func() {
		if r := recover(); r != nil {
			se, ok := r.(syntaxError)
			if !ok {
				panic(r)
			}
			q, err = nil, se
		}
	}()
	q = p.query()
	if p.peek().kind != end {
		p.fail("the end")
	}
	return q, nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) fail(want string) {
	t := p.peek()
	panic(syntaxError{fmt.Sprintf("at %d: expected %s, got %q", t.at, want, t.text)})
}

func (p *parser) is(texts ...string) bool {
	for i, s := range texts {
		if p.at+i >= len(p.tokens) {
			return false
		}
		t := p.tokens[p.at+i]
		if t.kind != word && t.kind != symbol || !strings.EqualFold(t.text, s) {
			return false
		}
	}
	return true
}

func (p *parser) accept(texts ...string) bool {
	if p.is(texts...) {
		p.at += len(texts)
		return true
	}
	return false
}

func (p *parser) expect(texts ...string) {
	for _, s := range texts {
		if !p.accept(s) {
			p.fail(s)
		}
	}
}

func (p *parser) name() string {
	t := p.peek()
	if t.kind != word && t.kind != bracketed {
		p.fail("a name")
	}
	p.at++
	return t.text
}

func (p *parser) query() query {
	q := query{p.selection()}
	for p.accept("UNION") {
		p.expect("ALL")
		q = append(q, p.selection())
	}
	if len(q) > 1 {
		for _, s := range q {
			if s.order != nil {
				panic(syntaxError{"ORDER BY inside a UNION ALL"})
			}
		}
	}
	return q
}

func (p *parser) selection() *selection {
	p.expect("SELECT")
	s := &selection{top: -1}
	if p.accept("TOP") {
		p.expect("(")
		n := p.peek()
		if n.kind != number {
			p.fail("a number")
		}
		p.at++
		top, err := strconv.Atoi(n.text)
		if err != nil {
			p.fail("a whole number")
		}
		s.top = top
		p.expect(")")
	}
	for {
		o := output{expr: p.expr()}
		if p.accept("AS") {
			o.name = p.name()
		} else if c, ok := o.expr.(columnRef); ok {
			o.name = c.name
		}
		s.items = append(s.items, o)
		if !p.accept(",") {
			break
		}
	}
	if p.accept("FROM") {
		s.from = append(s.from, p.source())
		for {
			outer := p.is("OUTER", "APPLY")
			if !p.accept("CROSS", "APPLY") && !p.accept("OUTER", "APPLY") {
				break
			}
			src := p.source()
			src.outer = outer
			s.from = append(s.from, src)
		}
	}
	if p.accept("WHERE") {
		s.where = p.cond()
	}
	if p.accept("ORDER") {
		p.expect("BY")
		s.order = p.orders()
	}
	return s
}

func (p *parser) orders() []orderItem {
	var out []orderItem
	for {
		o := orderItem{expr: p.expr()}
		o.desc = p.accept("DESC")
		if !o.desc {
			p.accept("ASC")
		}
		out = append(out, o)
		if !p.accept(",") {
			return out
		}
	}
}

func (p *parser) source() tableSource {
	var s tableSource
	switch {
	case p.accept("OPENJSON"):
		p.expect("(")
		s.json = &openjson{arg: p.expr()}
		p.expect(")")
		if p.accept("WITH") {
			p.expect("(")
			for {
				c := jsonColumn{name: p.name(), typ: p.typ()}
				path := p.peek()
				if path.kind != text && path.kind != nationalText {
					p.fail("a path")
				}
				p.at++
				c.path = path.text
				c.json = p.accept("AS", "JSON")
				s.json.columns = append(s.json.columns, c)
				if !p.accept(",") {
					break
				}
			}
			p.expect(")")
		}
	case p.accept("("):
		s.query = p.query()
		p.expect(")")
	default:
		s.table = p.name()
		for p.accept(".") {
			s.table += "." + p.name()
		}
	}
	p.expect("AS")
	s.alias = p.name()
	return s
}

func (p *parser) typ() sqlType {
	t := sqlType{base: strings.ToLower(p.name())}
	var args []string
	if p.accept("(") {
		for {
			args = append(args, strings.ToLower(p.peek().text))
			p.at++
			if !p.accept(",") {
				break
			}
		}
		p.expect(")")
	}
	if err := t.set(args); err != nil {
		panic(syntaxError{err.Error()})
	}
	return t
}

func (p *parser) cond() cond {
	l := p.conjunction()
	for p.accept("OR") {
		l = logic{"or", l, p.conjunction()}
	}
	return l
}

func (p *parser) conjunction() cond {
	l := p.negation()
	for p.accept("AND") {
		l = logic{"and", l, p.negation()}
	}
	return l
}

func (p *parser) negation() cond {
	if p.accept("NOT") {
		return notCond{p.negation()}
	}
	if p.is("(") {
		// a condition in parentheses, or an expression
		if c, ok := p.tryParenthesis(); ok {
			return c
		}
	}
	return p.predicate()
}

func (p *parser) tryParenthesis() (c cond, ok bool) {
	from := p.at
	defer func() {
		if r := recover(); r != nil {
			if _, is := r.(syntaxError); !is {
				panic(r)
			}
			p.at, ok = from, false
		}
	}()
	p.expect("(")
	c = p.cond()
	p.expect(")")
	return c, true
}

func (p *parser) predicate() cond {
	x := p.expr()
	for _, op := range []string{"=", "<>", "<=", ">=", "<", ">"} {
		if p.accept(op) {
			return comparison{op, x, p.expr()}
		}
	}
	if p.accept("IS") {
		not := p.accept("NOT")
		p.expect("NULL")
		return isNull{x, not}
	}
	not := p.accept("NOT")
	switch {
	case p.accept("IN"):
		p.expect("(")
		in := inList{x: x, not: not}
		for {
			in.list = append(in.list, p.expr())
			if !p.accept(",") {
				break
			}
		}
		p.expect(")")
		return in
	case p.accept("LIKE"):
		return like{x, p.expr(), not}
	case !not && p.accept("BETWEEN"):
		low := p.expr()
		p.expect("AND")
		return between{x, low, p.expr()}
	}
	p.fail("a comparison")
	return nil
}
