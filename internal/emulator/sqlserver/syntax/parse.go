// Package syntax reads T-SQL. sqlc-dev/teesql parses it; this package turns the queries and the
// expressions of teesql's tree into a small tree of its own, and refuses what that tree lacks.
//
// The parser accepts more than SQL Server does, and drops parts of a few statements. Such
// statements are refused here, so that none is run as something that its author did not write.
package syntax

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sqlc-dev/teesql/ast"
	"github.com/sqlc-dev/teesql/parser"

	"fhirsynapse/internal/emulator/sqlserver"
)

// timeout bounds the time of the parser, which does not end on some invalid texts.
const timeout = 10 * time.Second

func invalid(format string, args ...any) error {
	return &sqlserver.Error{
		Number: 102, Message: "Incorrect syntax: " + fmt.Sprintf(format, args...), Severity: 16,
	}
}

// Unknown returns the error for a part of a statement that the emulator does not support.
func Unknown(what any) error {
	return unsupported(fmt.Sprintf("the emulator does not know %T", what))
}

func unsupported(message string) error {
	return &sqlserver.Error{Number: 40517, Message: message, Severity: 16}
}

// recent holds the trees of the last batches, which nothing changes: tests run one statement often.
var recent = struct {
	sync.Mutex
	trees map[string]*ast.Script
}{trees: map[string]*ast.Script{}}

// mostRecent is the most trees that recent holds. They are a hundred times as large as the text.
const mostRecent = 100

// Parse returns teesql's tree of a batch. The caller must not change it.
func Parse(ctx context.Context, text string) (*ast.Script, error) {
	recent.Lock()
	tree := recent.trees[text]
	recent.Unlock()
	if tree != nil {
		return tree, nil
	}
	tree, err := parse(ctx, text)
	recent.Lock()
	defer recent.Unlock()
	if len(recent.trees) == mostRecent {
		clear(recent.trees)
	}
	recent.trees[text] = tree
	return tree, err
}

func parse(ctx context.Context, text string) (*ast.Script, error) {
	if strings.HasPrefix(text, "COPY INTO ") {
		text, _, _ = strings.Cut(text, "\nOPTION (LABEL = ") // the parser refuses it after a COPY
	}
	text, err := checked(text)
	if err != nil {
		return nil, err
	}
	type outcome struct {
		script *ast.Script
		err    error
	}
	ended := make(chan outcome, 1)
	go func() {
		s, err := parser.Parse(ctx, strings.NewReader(text))
		ended <- outcome{s, err}
	}()
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case o := <-ended:
		if o.err != nil {
			return nil, invalid("%v", o.err)
		}
		return o.script, nil
	case <-t.C:
		return nil, invalid("the parser does not end")
	}
}

// ParseSelect returns the tree of a text that is one SELECT.
func ParseSelect(text string) (Query, error) {
	script, err := Parse(context.Background(), text)
	if err != nil {
		return nil, err
	}
	if script == nil || len(script.Batches) != 1 || len(script.Batches[0].Statements) != 1 {
		return nil, invalid("expected one SELECT")
	}
	s, ok := script.Batches[0].Statements[0].(*ast.SelectStatement)
	if !ok {
		return nil, Unknown(script.Batches[0].Statements[0])
	}
	return OfSelect(s)
}

// scanner goes through the text of a batch, outside of literals, quoted names and comments.
type scanner struct {
	text string
	at   int
	// last is the word, or the sign, before the current one.
	last string
	// open holds the open parentheses, and closed the one that was closed just before.
	open   []parenthesis
	closed parenthesis
}

// parenthesis is a left parenthesis: its place in the output, the word before it, and whether a
// query begins in it.
type parenthesis struct {
	place  int
	before string
	query  bool
}

// checked returns a text for the parser. It refuses open literals, names and parentheses, which the
// parser accepts, and every COLLATE that the parser drops. It puts a plus sign before a condition
// that begins with "(a + b) /", which the parser refuses.
func checked(text string) (string, error) {
	s := &scanner{text: text}
	var plus []int
	for s.at < len(text) {
		from := s.at
		switch c := text[from]; {
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			s.at++
		case strings.HasPrefix(text[from:], "--"):
			if s.at = from + strings.IndexByte(text[from:], '\n'); s.at < from {
				s.at = len(text)
			}
		case c == '\'', c == '[':
			end := c
			if c == '[' {
				end = ']'
			}
			if !s.quoted(end) {
				return "", invalid("%.20q is not closed", text[from:])
			}
			s.last = string(c)
		case c == '(':
			s.open = append(s.open, parenthesis{place: from, before: s.last})
			s.at++
			if s.last == "WITHIN" {
				return "", invalid("expected GROUP after WITHIN")
			}
			s.last = "("
		case c == ')':
			if len(s.open) == 0 {
				return "", invalid("a parenthesis is closed that is not open")
			}
			s.closed = s.open[len(s.open)-1]
			s.open = s.open[:len(s.open)-1]
			s.at++
			if s.last == "AS" {
				return "", invalid("expected a name or JSON after AS")
			}
			s.last = ")"
			rest := strings.TrimLeft(text[s.at:], " \n\t\r")
			if rest != "" && strings.Contains("+-*/%", rest[:1]) &&
				beginsCondition[s.closed.before] {
				plus = append(plus, s.closed.place)
			}
		case letter(c):
			if err := s.word(); err != nil {
				return "", err
			}
		default:
			s.at++
			s.last = string(c)
		}
	}
	if len(s.open) > 0 {
		return "", invalid("expected ) at the end")
	}
	slices.Sort(plus)
	for _, at := range slices.Backward(plus) {
		text = text[:at] + "+" + text[at:]
	}
	return text, nil
}

// beginsCondition holds the words after which a parenthesis can open a condition.
var beginsCondition = map[string]bool{
	"WHEN": true, "WHERE": true, "AND": true, "OR": true, "NOT": true, "ON": true, "(": true,
}

func letter(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c == '@' || c == '#' ||
		c >= '0' && c <= '9'
}

// quoted skips a literal or a name in brackets.
func (s *scanner) quoted(end byte) bool {
	for s.at++; s.at < len(s.text); s.at++ {
		if s.text[s.at] != end {
			continue
		}
		s.at++
		if s.at == len(s.text) || s.text[s.at] != end {
			return true
		}
	}
	return false
}

// keywords holds other words whose parenthesis does not make them a function.
var keywords = map[string]bool{
	"THEN": true, "ELSE": true, "SELECT": true, "CASE": true, "LIKE": true, "BETWEEN": true,
	"BY": true, "IN": true,
}

// losesCollation holds the functions whose COLLATE the parser drops.
var losesCollation = map[string]bool{
	"LEFT": true, "RIGHT": true, "COALESCE": true, "NULLIF": true, "IIF": true,
}

// drops reports whether the parser drops a COLLATE here.
func (s *scanner) drops() bool {
	if s.last != ")" {
		return s.last == "'"
	}
	of := s.closed.before
	isCall := of != "" && letter(of[0]) && !beginsCondition[of] && !keywords[of]
	return !s.closed.query && (!isCall || losesCollation[of])
}

func (s *scanner) word() error {
	from := s.at
	for s.at < len(s.text) && letter(s.text[s.at]) {
		s.at++
	}
	word := strings.ToUpper(s.text[from:s.at])
	if s.last == "PARTITION" && word != "BY" {
		return invalid("expected BY after PARTITION")
	}
	if s.last == "(" && word == "SELECT" {
		s.open[len(s.open)-1].query = true
	}
	if word == "COLLATE" && s.drops() {
		return unsupported("the parser drops this COLLATE: cast the expression first")
	}
	s.last = word
	return nil
}
