package tsqleval

import (
	"strings"
)

func (p *parser) expr() expr {
	l := p.term()
	for p.is("+") || p.is("-") {
		op := p.peek().text
		p.at++
		l = binary{op, l, p.term()}
	}
	return l
}

func (p *parser) term() expr {
	l := p.factor()
	for p.is("*") || p.is("/") || p.is("%") {
		op := p.peek().text
		p.at++
		l = binary{op, l, p.factor()}
	}
	return l
}

func (p *parser) factor() expr {
	if p.accept("-") {
		return negative{p.factor()}
	}
	x := p.primary()
	for p.accept("COLLATE") {
		x = collated{x, p.name()}
	}
	return x
}

func (p *parser) primary() expr {
	t := p.peek()
	switch t.kind {
	case text, nationalText:
		p.at++
		return literal{t.text, t.kind == nationalText}
	case number:
		p.at++
		return numeral{t.text}
	case bracketed:
		p.fail("an alias before the column")
	case symbol:
		if !p.accept("(") {
			p.fail("an expression")
		}
		if p.is("SELECT") {
			q := p.query()
			p.expect(")")
			return subquery{q}
		}
		x := p.expr()
		p.expect(")")
		return x
	case end:
		p.fail("an expression")
	case word:
	}
	switch {
	case p.accept("NULL"):
		return nullExpr{}
	case p.accept("CASE"):
		return p.caseExpr()
	case p.is("CAST", "(") || p.is("TRY_CAST", "("):
		c := castExpr{try: p.is("TRY_CAST")}
		p.at += 2
		c.expr = p.expr()
		p.expect("AS")
		c.typ = p.typ()
		p.expect(")")
		return c
	case p.accept("CONVERT", "("):
		c := castExpr{convert: true, typ: p.typ()}
		p.expect(",")
		c.expr = p.expr()
		p.expect(",")
		c.style = p.peek().text
		p.at++
		p.expect(")")
		return c
	}
	name := p.name()
	if p.accept(".") {
		return columnRef{name, p.name()}
	}
	return p.call(name)
}

// call parses a function's arguments and the clauses after them.
func (p *parser) call(name string) expr {
	p.expect("(")
	c := call{name: strings.ToUpper(name)}
	if p.accept("*") {
		c.star = true
		p.expect(")")
	} else if !p.accept(")") {
		for {
			if c.name == "DATEADD" && len(c.args) == 0 {
				c.args = append(c.args, literal{text: p.name()})
			} else {
				c.args = append(c.args, p.expr())
			}
			if !p.accept(",") {
				break
			}
		}
		p.expect(")")
	}
	if p.accept("WITHIN") {
		p.expect("GROUP", "(", "ORDER", "BY")
		c.within = p.orders()
		p.expect(")")
	}
	if p.accept("OVER") {
		p.expect("(")
		c.over = true
		if p.accept("PARTITION") {
			p.expect("BY")
			for {
				c.part = append(c.part, p.expr())
				if !p.accept(",") {
					break
				}
			}
		}
		p.expect("ORDER", "BY")
		c.order = p.orders()
		p.expect(")")
	}
	return c
}

func (p *parser) caseExpr() expr {
	var c caseExpr
	if !p.is("WHEN") {
		c.input = p.expr()
	}
	for p.accept("WHEN") {
		var w when
		if c.input != nil {
			w.val = p.expr()
		} else {
			w.cond = p.cond()
		}
		p.expect("THEN")
		w.then = p.expr()
		c.whens = append(c.whens, w)
	}
	if p.accept("ELSE") {
		c.els = p.expr()
	}
	p.expect("END")
	if len(c.whens) == 0 {
		p.fail("WHEN")
	}
	return c
}
