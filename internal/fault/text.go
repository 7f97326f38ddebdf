package fault

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// MaxCause is the most bytes of an error's text that goes into a log, the journal,
// a message or a report.
const MaxCause = 2 << 10

// maxServerText is the most bytes of a server's text that an error carries.
const maxServerText = 16 << 10

// Clip shortens text to MaxCause bytes, at the end of a character.
func Clip(text string) string { return clip(text, MaxCause) }

func clip(text string, most int) string {
	const mark = "…"
	if len(text) <= most {
		return text
	}
	end := most - len(mark)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}

// serverError carries text that a server wrote. Such text may name patients, so
// Error leaves it out.
type serverError struct {
	err  error
	text string
}

func (s *serverError) Error() string { return s.err.Error() }
func (s *serverError) Unwrap() error { return s.err }

// WithServerText adds to err a text that a server wrote. The text may hold health
// data, so it is not part of Error; only ServerText returns it.
func WithServerText(err error, text string) error {
	text = strings.TrimSpace(text)
	if err == nil || text == "" {
		return err
	}
	return &serverError{err: err, text: clip(text, maxServerText)}
}

// ServerText returns what servers wrote about the failures in err, at most 16 KB.
// Show it to a person at a terminal or keep it in the quarantine area, nowhere else.
func ServerText(err error) string {
	var texts []string
	collect(err, &texts)
	return clip(strings.Join(texts, "\n"), maxServerText)
}

func collect(err error, texts *[]string) {
	for err != nil {
		if s, ok := err.(*serverError); ok { //nolint:errorlint // each link of the chain is visited
			*texts = append(*texts, s.text)
		}
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				collect(e, texts)
			}
			return
		}
		err = errors.Unwrap(err)
	}
}
