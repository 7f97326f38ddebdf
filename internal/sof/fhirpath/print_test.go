package fhirpath

import "strings"

// Print returns the tree as text with the necessary parentheses only. Parsing the text returns the
// same tree, except for positions.
func Print(n Node) string {
	var b strings.Builder
	write(&b, n, 0)
	return b.String()
}

func quote(b *strings.Builder, s string, q byte) {
	b.WriteByte(q)
	for i := range len(s) {
		switch c := s[i]; c {
		case q, '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		case '\f':
			b.WriteString(`\f`)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte(q)
}

func power(n Node) int {
	switch n := n.(type) {
	case *Binary:
		return precedence[n.Op]
	case *TypeTest:
		return precType
	case *Unary:
		return precUnary
	}
	return precPostfix
}

func write(b *strings.Builder, n Node, least int) {
	if power(n) < least {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	switch n := n.(type) {
	case *Literal:
		writeLiteral(b, n)
	case *This:
		b.WriteString("$this")
	case *Index:
		b.WriteString("$index")
	case *Total:
		b.WriteString("$total")
	case *External:
		b.WriteByte('%')
		if plainName(n.Name) || wordOnly(n.Name) {
			b.WriteString(n.Name)
		} else {
			quote(b, n.Name, '`')
		}
	case *Member:
		writeTarget(b, n.X)
		writeName(b, n.Name)
	case *Call:
		writeTarget(b, n.X)
		writeName(b, n.Name)
		b.WriteByte('(')
		for i, a := range n.Args {
			if i > 0 {
				b.WriteString(", ")
			}
			write(b, a, 0)
		}
		b.WriteByte(')')
	case *Subscript:
		write(b, n.X, precPostfix)
		b.WriteByte('[')
		write(b, n.I, 0)
		b.WriteByte(']')
	case *Unary:
		b.WriteString(n.Op)
		write(b, n.X, precUnary)
	case *Binary:
		p := precedence[n.Op]
		write(b, n.L, p)
		b.WriteByte(' ')
		b.WriteString(n.Op)
		b.WriteByte(' ')
		write(b, n.R, p+1)
	case *TypeTest:
		write(b, n.X, precType)
		b.WriteByte(' ')
		b.WriteString(n.Op)
		b.WriteByte(' ')
		for i, part := range strings.Split(n.Type, ".") {
			if i > 0 {
				b.WriteByte('.')
			}
			writeName(b, part)
		}
	}
}

func writeTarget(b *strings.Builder, x Node) {
	if x != nil {
		write(b, x, precPostfix)
		b.WriteByte('.')
	}
}

func writeLiteral(b *strings.Builder, n *Literal) {
	switch n.Kind {
	case Empty:
		b.WriteString("{}")
	case String:
		quote(b, n.Text, '\'')
	case Boolean, Integer, Decimal:
		b.WriteString(n.Text)
	case Date:
		b.WriteString("@" + n.Text)
	case DateTime:
		b.WriteString("@" + n.Text)
		if !strings.Contains(n.Text, "T") {
			b.WriteByte('T')
		}
	case Time:
		b.WriteString("@T" + n.Text)
	case Quantity:
		b.WriteString(n.Text + " ")
		if n.Calendar {
			b.WriteString(n.Unit)
		} else {
			quote(b, n.Unit, '\'')
		}
	}
}

func wordOnly(s string) bool {
	for i := range len(s) {
		if !isWord(s[i]) {
			return false
		}
	}
	return s != ""
}

// plainName reports whether s is a name without backquotes.
func plainName(s string) bool {
	return wordOnly(s) && !isDigit(s[0]) && !reserved[s]
}

func writeName(b *strings.Builder, s string) {
	if plainName(s) {
		b.WriteString(s)
		return
	}
	quote(b, s, '`')
}
