package sof

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Fault is one fault of a ViewDefinition with its place.
type Fault struct {
	File string
	// Path is the path of the element of the ViewDefinition: select[1].column[0].path.
	Path string
	// Text is the expression at Path, and Offset the byte in it. Text is empty if the fault is not
	// about an expression.
	Text   string
	Offset int
	Msg    string
	// Hint is the suggested correction; may be empty.
	Hint string
	// Unsupported is set for valid FHIRPath that views do not support, as opposed to a mistake.
	Unsupported bool
}

// Position returns the line and column of the fault in its expression, from 1.
func (f *Fault) Position() (line, column int) {
	before := f.Text[:min(f.Offset, len(f.Text))]
	line = 1 + strings.Count(before, "\n")
	return line, 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
}

// Error returns the place, the reason, the line of the expression with a caret below the place, and
// the hint.
func (f *Fault) Error() string {
	var b strings.Builder
	place := func(s string) {
		if s != "" {
			b.WriteString(s)
			b.WriteString(": ")
		}
	}
	place(f.File)
	if f.Text == "" {
		place(f.Path)
		b.WriteString(f.Msg)
		if f.Hint != "" {
			b.WriteString("; " + f.Hint)
		}
		return b.String()
	}
	line, column := f.Position()
	fmt.Fprintf(&b, "%s:%d:%d: %s", f.Path, line, column, f.Msg)
	if f.Hint != "" {
		b.WriteString("; " + f.Hint)
	}
	text := strings.Split(f.Text, "\n")[line-1]
	text = strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, text)
	fmt.Fprintf(&b, "\n    %s\n    %s^", text, strings.Repeat(" ", column-1))
	return b.String()
}

// nearest returns the candidate that a misspelt name most likely means, or "".
func nearest(name string, candidates []string) string {
	best, distance := "", len(name)/3+2
	for _, c := range candidates {
		if d := editDistance(strings.ToLower(name), strings.ToLower(c), distance); d < distance {
			best, distance = c, d
		}
	}
	return best
}

// didYouMean returns the hint for a misspelt name.
func didYouMean(name string, candidates []string) string {
	if c := nearest(name, candidates); c != "" {
		return fmt.Sprintf("did you mean %s?", c)
	}
	return ""
}

// editDistance returns the Levenshtein distance of a and b. It may stop counting at limit.
func editDistance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j]+1, row[j+1]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
