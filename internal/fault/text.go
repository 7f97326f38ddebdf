package fault

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// MaxCause bounds an error's text in a log, the journal, a message or a report, in bytes.
const MaxCause = 2 << 10

// maxServerText bounds the server text of an error, in bytes.
const maxServerText = 16 << 10

// Clip shortens text to MaxCause bytes at a character boundary.
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

// serverError carries text from a server. The text may name patients, so Error leaves it out.
type serverError struct {
	err  error
	text string
}

func (s *serverError) Error() string { return s.err.Error() }
func (s *serverError) Unwrap() error { return s.err }

// WithServerText attaches a server's text to err. It may hold health data, so only ServerText
// returns it, not Error.
func WithServerText(err error, text string) error {
	text = strings.TrimSpace(text)
	if err == nil || text == "" {
		return err
	}
	return &serverError{err: err, text: clip(text, maxServerText)}
}

// ServerText returns the server texts in err, at most 16 KB. Show them only at a person's terminal,
// and store them only in the quarantine area.
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
