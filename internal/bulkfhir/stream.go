package bulkfhir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Limits for one JSON value, for a skipped value, and for nesting.
const (
	maxValue   = 64 << 10
	maxSkipped = 16 << 20
	maxDepth   = 200
)

var (
	errValueTooLong = errors.New("a value in it is too long")
	errTooDeep      = fmt.Errorf("it is nested more than %d deep", maxDepth)
	errTooMany      = errors.New("it has too many entries")
)

// stream reads JSON value by value, so that memory does not grow with its length.
type stream struct {
	dec *json.Decoder
	in  *meter
}

func newStream(r io.Reader) *stream {
	in := &meter{r: r}
	dec := json.NewDecoder(in)
	dec.UseNumber()
	return &stream{dec: dec, in: in}
}

// meter stops the decoder when one value is too long.
type meter struct {
	r    io.Reader
	read int64
	most int64
}

func (m *meter) Read(p []byte) (int, error) {
	left := m.most - m.read
	if left <= 0 {
		return 0, errValueTooLong
	}
	n, err := m.r.Read(p[:min(int64(len(p)), left)])
	m.read += int64(n)
	return n, err
}

// allow permits the next value this number of bytes.
func (s *stream) allow(bytes int64) { s.in.most = s.dec.InputOffset() + bytes }

func (s *stream) token() (json.Token, error) { return s.tokenOf(maxValue) }

func (s *stream) tokenOf(most int64) (json.Token, error) {
	s.allow(most)
	return s.dec.Token()
}

// value reads one whole value of at most this number of bytes.
func (s *stream) value(v any, most int64) error {
	s.allow(most)
	return s.dec.Decode(v)
}

// object reads an object. member must read the value of each key.
func (s *stream) object(member func(key string) error) error {
	t, err := s.token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return notObject{t}
	}
	for {
		if t, err = s.token(); err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok {
			return nil // end of the object
		}
		if err := member(key); err != nil {
			return err
		}
	}
}

// notObject reports a value that is not an object. token is its first token.
type notObject struct{ token json.Token }

func (notObject) Error() string { return "it is not a JSON object" }

// array reads an array of at most this number of elements; element must read each one. It returns
// false for null and for any other value.
func (s *stream) array(most int, element func(i int) error) (bool, error) {
	t, err := s.token()
	if err != nil {
		return false, err
	}
	if t != json.Delim('[') {
		return false, s.rest(t)
	}
	for i := 0; ; i++ {
		s.allow(maxValue)
		if !s.dec.More() {
			break
		}
		if i >= most {
			return true, errTooMany
		}
		if err := element(i); err != nil {
			return true, err
		}
	}
	_, err = s.token()
	return true, err
}

// skip reads a value of any length and discards it.
func (s *stream) skip() error {
	t, err := s.tokenOf(maxSkipped)
	if err != nil {
		return err
	}
	return s.rest(t)
}

// rest skips the remainder of a value that began with t.
func (s *stream) rest(t json.Token) error {
	for depth := 0; ; {
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
		if depth > maxDepth {
			return errTooDeep
		}
		var err error
		if t, err = s.tokenOf(maxSkipped); err != nil {
			return err
		}
	}
}

// end checks that nothing follows the value.
func (s *stream) end() error {
	if _, err := s.token(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("something follows it")
		}
		return err
	}
	return nil
}
