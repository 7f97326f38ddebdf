package azfunc

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits for the kept part of a body. Service Bus messages have up to 256 KiB (1 MiB on older
// premium namespaces), events up to 1 MiB; only blobs are larger.
const (
	maxValue   = 1 << 20 // of one member of Data or Metadata
	maxKept    = 4 << 20 // of all members together
	maxMembers = 1024
	maxName    = 256
	maxDepth   = 512
)

// errTruncated reports that the body ends in the middle.
var errTruncated = errors.New("the body ends too early")

// body is a decoded request body.
type body struct {
	data, metadata map[string]Value
}

// decode parses one invocation body. Memory is bounded by the limits above. Kept values are valid
// JSON; in skipped values only the brackets are checked. Error texts hold no content.
func decode(r io.Reader) (body, error) {
	s := &scanner{r: bufio.NewReaderSize(r, 64<<10), budget: maxKept, members: maxMembers}
	b := body{data: map[string]Value{}, metadata: map[string]Value{}}
	if bom, err := s.r.Peek(3); err == nil && bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		s.discard(3)
	}
	c, err := s.next()
	if err != nil {
		return b, err
	}
	if c != '{' {
		return b, errors.New("the body is not a JSON object")
	}
	err = s.object(func(name string) error {
		var into map[string]Value
		switch {
		case strings.EqualFold(name, "Data"):
			into = b.data
		case strings.EqualFold(name, "Metadata"):
			into = b.metadata
		}
		c, err := s.next()
		if err != nil {
			return err
		}
		if into == nil || c != '{' {
			return s.value(&capture{}) // null or unknown
		}
		return s.object(func(name string) error { return s.keep(into, name) })
	})
	return b, err
}

// keep reads one value into the map.
func (s *scanner) keep(into map[string]Value, name string) error {
	room := min(maxValue, s.budget)
	// A blob's content is megabytes of health data, and the URI is enough.
	if name == BindingBlob || name == "" || s.members == 0 {
		room = 0
	}
	c := &capture{room: room}
	if _, err := s.next(); err != nil {
		return err
	}
	if err := s.value(c); err != nil {
		return err
	}
	if name == "" || s.members == 0 {
		return nil
	}
	s.members--
	if c.over {
		into[name] = Value{skipped: c.size}
		return nil
	}
	if !json.Valid(c.buf) {
		return fmt.Errorf("the value of %q is not JSON", name)
	}
	s.budget -= len(c.buf)
	into[name] = Value{raw: c.buf}
	return nil
}

// capture keeps bytes up to its capacity and counts the rest.
type capture struct {
	buf  []byte
	room int
	size int64
	over bool
}

func (c *capture) write(b []byte) {
	c.size += int64(len(b))
	if c.over || len(c.buf)+len(b) > c.room {
		c.over, c.buf = true, nil
		return
	}
	c.buf = append(c.buf, b...)
}

// scanner reads JSON byte by byte. encoding/json would hold a whole string, which can be a whole
// blob.
type scanner struct {
	r       *bufio.Reader
	budget  int // bytes that may still be kept
	members int // values that may still be kept
}

// window returns the buffered bytes, at least one.
func (s *scanner) window() ([]byte, error) {
	if _, err := s.r.Peek(1); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errTruncated
		}
		return nil, fmt.Errorf("read the body: %w", err)
	}
	return s.r.Peek(s.r.Buffered())
}

// discard drops bytes of the window, which cannot fail.
func (s *scanner) discard(n int) { _, _ = s.r.Discard(n) }

// take moves n bytes of the window into the capture.
func (s *scanner) take(c *capture, window []byte, n int) {
	c.write(window[:n])
	s.discard(n)
}

// next returns the next byte that is not white space, without consuming it.
func (s *scanner) next() (byte, error) {
	for {
		w, err := s.window()
		if err != nil {
			return 0, err
		}
		if i := bytes.IndexFunc(w, func(r rune) bool {
			return r != ' ' && r != '\t' && r != '\n' && r != '\r'
		}); i >= 0 {
			s.discard(i)
			return w[i], nil
		}
		s.discard(len(w))
	}
}

// object reads the members of an object whose brace has not been consumed. The callback must
// consume the value.
func (s *scanner) object(member func(name string) error) error {
	s.discard(1)
	c, err := s.next()
	if err != nil {
		return err
	}
	for c != '}' {
		if c != '"' {
			return errors.New("a member has no name")
		}
		name := &capture{room: maxName}
		if err := s.value(name); err != nil {
			return err
		}
		var text string // empty for a name that is too long to be known
		if !name.over && json.Unmarshal(name.buf, &text) != nil {
			return errors.New("the name of a member is not a JSON string")
		}
		if c, err = s.next(); err != nil {
			return err
		}
		if c != ':' {
			return errors.New("a member has no value")
		}
		s.discard(1)
		if err := member(text); err != nil {
			return err
		}
		if c, err = s.next(); err != nil {
			return err
		}
		switch c {
		case ',':
			s.discard(1)
			if c, err = s.next(); err != nil {
				return err
			}
		case '}':
		default:
			return errors.New("members are not separated by a comma")
		}
	}
	s.discard(1)
	return nil
}

// value reads one value, of any size, into the capture.
func (s *scanner) value(c *capture) error {
	first, err := s.next()
	if err != nil {
		return err
	}
	switch first {
	case '"':
		return s.text(c)
	case '{', '[':
		return s.nested(c)
	case '}', ']', ',', ':':
		return errors.New("a value is missing")
	default:
		return s.literal(c)
	}
}

// nested reads an object or array. It checks only brackets and strings.
func (s *scanner) nested(c *capture) error {
	var open []byte // expected closing brackets
next:
	for {
		w, err := s.window()
		if err != nil {
			return err
		}
		for i, b := range w {
			switch b {
			case '"':
				s.take(c, w, i)
				if err := s.text(c); err != nil {
					return err
				}
				continue next
			case '{', '[':
				if len(open) == maxDepth {
					return errors.New("the body is nested too deeply")
				}
				open = append(open, b+2) // in ASCII, } is { + 2 and ] is [ + 2
			case '}', ']':
				if open[len(open)-1] != b {
					return errors.New("brackets do not match")
				}
				if open = open[:len(open)-1]; len(open) == 0 {
					s.take(c, w, i+1)
					return nil
				}
			}
		}
		s.take(c, w, len(w))
	}
}

// one consumes a single byte.
func (s *scanner) one(c *capture) error {
	w, err := s.window()
	if err != nil {
		return err
	}
	s.take(c, w, 1)
	return nil
}

// text reads a string with its quotes.
func (s *scanner) text(c *capture) error {
	if err := s.one(c); err != nil {
		return err
	}
	for {
		w, err := s.window()
		if err != nil {
			return err
		}
		quote := bytes.IndexByte(w, '"')
		end := quote
		if quote < 0 {
			end = len(w)
		}
		if escape := bytes.IndexByte(w[:end], '\\'); escape >= 0 {
			// An escaped byte never ends the string.
			if escape+1 < len(w) {
				s.take(c, w, escape+2)
				continue
			}
			s.take(c, w, escape+1)
			if err := s.one(c); err != nil {
				return err
			}
			continue
		}
		if quote < 0 {
			s.take(c, w, end)
			continue
		}
		s.take(c, w, quote+1)
		return nil
	}
}

// literal reads a number or a word.
func (s *scanner) literal(c *capture) error {
	for {
		w, err := s.window()
		if err != nil {
			return err
		}
		end := bytes.IndexAny(w, " \t\r\n,:{}[]\"")
		if end >= 0 {
			s.take(c, w, end)
			return nil
		}
		s.take(c, w, len(w))
	}
}
