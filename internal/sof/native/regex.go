package native

import (
	"regexp"

	"fhirsynapse/internal/sof"
)

// regexOp is a function whose first argument is a pattern. The compiler has checked that it is a
// constant.
type regexOp struct {
	pattern *regexp.Regexp
	in      op
	with    op // of replaceMatches
}

func (b *builder) regexOp(e *sof.Call, in op, args []op) op {
	var l *sof.Literal
	if len(e.Args) > 0 {
		l, _ = e.Args[0].(*sof.Literal)
	}
	if l == nil || l.Value == nil {
		b.fail("the function %s()", e.Func)
		return emptyOp{}
	}
	o := &regexOp{in: in}
	text := l.Value.Text
	switch e.Func {
	case sof.FuncMatches:
	case sof.FuncMatchesFull:
		text = "^(?:" + text + ")$"
	case sof.FuncReplaceMatch:
		o.with = args[1]
	default:
		b.fail("the function %s()", e.Func)
	}
	// N1, 5.6.9: single-line mode, in which a dot matches all characters
	p, err := regexp.Compile("(?s)" + text)
	if err != nil {
		b.fail("the pattern: %w", err)
	}
	o.pattern = p
	return o
}

func (o *regexOp) eval(v *Evaluator, this *item) error {
	it, ok, err := v.single(o.in, this, "matching a pattern")
	if err != nil || !ok {
		return err
	}
	s, err := v.textOf(&it)
	if err != nil {
		return err
	}
	v.step(len(s) >> 5)
	if o.with == nil {
		v.push(boolItem(o.pattern.Match(s)))
		return nil
	}
	with, ok, err := v.single(o.with, this, "replaceMatches()")
	if err != nil || !ok {
		return err
	}
	t, err := v.textOf(&with)
	if err != nil {
		return err
	}
	v.chargeText(v.replacedSize(o.pattern, s, t))
	v.push(textItem(o.pattern.ReplaceAll(s, t)))
	return nil
}
