package infra_test

import (
	"fmt"
	"strings"
	"unicode"
)

// An expression of a template is a literal, a call, or a call followed by .property and [index].
type (
	literal struct{ value any }
	call    struct {
		name string
		args []node
	}
	member struct {
		of  node
		key node
	}
	node any
)

// unknown is a value that only a real deployment knows.
type unknown string

func (u unknown) String() string { return "<" + string(u) + ">" }

// parseExpression parses the text between the outer brackets of "[...]".
func parseExpression(text string) (node, error) {
	p := &expressionParser{text: text}
	n, err := p.expression()
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	if p.at < len(p.text) {
		return nil, fmt.Errorf("%q: something is left at %d", text, p.at)
	}
	return n, nil
}

type expressionParser struct {
	text string
	at   int
}

func (p *expressionParser) expression() (node, error) {
	n, err := p.primary()
	for err == nil {
		switch {
		case p.take('.'):
			n = member{n, literal{p.name()}}
		case p.take('['):
			var key node
			if key, err = p.expression(); err == nil && !p.take(']') {
				err = fmt.Errorf("no ] at %d", p.at)
			}
			n = member{n, key}
		default:
			return n, nil
		}
	}
	return nil, err
}

func (p *expressionParser) primary() (node, error) {
	p.space()
	if p.at >= len(p.text) {
		return nil, fmt.Errorf("ends early")
	}
	c := p.text[p.at]
	if c == '\'' {
		return p.quoted()
	}
	if c == '-' || unicode.IsDigit(rune(c)) {
		return p.number()
	}
	name := p.name()
	if name == "" || !p.take('(') {
		return nil, fmt.Errorf("no call at %d", p.at)
	}
	out := call{name: name}
	for !p.take(')') {
		if len(out.args) > 0 && !p.take(',') {
			return nil, fmt.Errorf("no comma at %d", p.at)
		}
		arg, err := p.expression()
		if err != nil {
			return nil, err
		}
		out.args = append(out.args, arg)
	}
	return out, nil
}

func (p *expressionParser) quoted() (node, error) {
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		if p.text[p.at] != '\'' {
			b.WriteByte(p.text[p.at])
			continue
		}
		p.at++
		if p.at >= len(p.text) || p.text[p.at] != '\'' {
			return literal{b.String()}, nil
		}
		b.WriteByte('\'')
	}
	return nil, fmt.Errorf("a text does not end")
}

func (p *expressionParser) number() (node, error) {
	var n float64
	start := p.at
	for p.at++; p.at < len(p.text) && unicode.IsDigit(rune(p.text[p.at])); p.at++ {
	}
	_, err := fmt.Sscan(p.text[start:p.at], &n)
	return literal{n}, err
}

func (p *expressionParser) name() string {
	p.space()
	start := p.at
	for p.at < len(p.text) {
		c := rune(p.text[p.at])
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_' {
			break
		}
		p.at++
	}
	return p.text[start:p.at]
}

func (p *expressionParser) space() {
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
}

func (p *expressionParser) take(c byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}
