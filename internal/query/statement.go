package query

import (
	"fmt"
	"regexp"
	"strings"

	"fhirsynapse/internal/fault"
)

var (
	firstWord = regexp.MustCompile(`^[\s(]*([A-Za-z]*)`)
	explained = regexp.MustCompile(`(?i)^\s*EXPLAIN\s+(ANALYZE\s+)?`)
	dollarTag = regexp.MustCompile(`^\$[A-Za-z_]*\$`)
)

// One checks that a text is a single statement that only reads. Of several statements a driver
// returns only the last answer.
func One(statement string) error {
	code, more := first(statement)
	if more {
		return fault.Permanentf("there are several statements: ask one at a time")
	}
	code = explained.ReplaceAllString(code, "")
	word := strings.ToUpper(firstWord.FindStringSubmatch(code)[1])
	if word == "" {
		return fault.Permanentf("there is no statement")
	}
	if writing[word] {
		return fault.Permanentf("%s is refused: a query only reads", word)
	}
	return nil
}

// writing lists the words that begin a statement with effects. A database opened read-only still
// writes files (COPY ... TO, EXPORT DATABASE). Other words are left to the database, whose errors
// tell more.
var writing = map[string]bool{
	"ALTER": true, "ANALYZE": true, "ATTACH": true, "BEGIN": true, "CALL": true, "CHECKPOINT": true,
	"COMMENT": true,
	"COMMIT":  true, "COPY": true, "CREATE": true, "DELETE": true, "DETACH": true, "DROP": true,
	"EXECUTE": true,
	"EXPORT":  true, "IMPORT": true, "INSERT": true, "INSTALL": true, "LOAD": true, "MERGE": true,
	"PRAGMA":  true,
	"PREPARE": true, "RESET": true, "ROLLBACK": true, "SET": true, "TRUNCATE": true, "UPDATE": true,
	"USE": true, "VACUUM": true,
}

// first returns the code of the first statement without comments, and whether another one follows.
// Semicolons in texts, names and comments do not separate statements.
func first(s string) (code string, more bool) {
	var b strings.Builder
	for i := 0; i < len(s); {
		n := skip(s[i:], i > 0 && (s[i-1] == 'e' || s[i-1] == 'E'))
		switch {
		case n == 0 && s[i] == ';':
			rest, again := first(s[i+1:])
			return b.String(), again || strings.TrimSpace(rest) != ""
		case n == 0:
			b.WriteByte(s[i])
			n = 1
		case strings.HasPrefix(s[i:], "--"), strings.HasPrefix(s[i:], "/*"):
			b.WriteByte(' ')
		default:
			fmt.Fprint(&b, s[i:i+n])
		}
		i += n
	}
	return b.String(), false
}

// skip returns the length of the text, name or comment at the start of s, or 0.
func skip(s string, escapes bool) int {
	upTo := func(from int, end string) int {
		if at := strings.Index(s[from:], end); at >= 0 {
			return from + at + len(end)
		}
		return len(s)
	}
	switch {
	case s[0] == '\'' && escapes:
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case '\'':
				return i + 1
			}
		}
		return len(s)
	case s[0] == '\'' || s[0] == '"':
		return upTo(1, s[:1]) // a doubled quote reads as two texts
	case strings.HasPrefix(s, "--"):
		return upTo(2, "\n")
	case strings.HasPrefix(s, "/*"):
		return upTo(2, "*/")
	case s[0] == '$':
		if tag := dollarTag.FindString(s); tag != "" {
			return upTo(len(tag), tag)
		}
	}
	return 0
}
