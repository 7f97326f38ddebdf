package jsontape

import "bytes"

// ValidJSON is a text that was read without a fault. Its methods take and return offsets.
type ValidJSON []byte

// Members calls each with the names of the object at an offset, and the start and end of their
// values. It returns the offset after the object.
func (v ValidJSON) Members(at int, each func(key []byte, value, end int)) int {
	return v.walkMembers(v.space(at), func(key []byte, value int) int {
		end := v.after(value)
		each(key, value, end)
		return end
	})
}

// walkMembers calls each with the names and the offsets of the values of the object at an offset;
// each returns the offset after the value. It returns the offset after the object.
func (v ValidJSON) walkMembers(at int, each func(key []byte, value int) (end int)) int {
	for at = v.space(at + 1); v[at] != '}'; {
		end := v.afterString(at)
		key := v[at+1 : end-1]
		if bytes.IndexByte(key, '\\') >= 0 {
			key = AppendUnescaped(nil, key)
		}
		end = each(key, v.space(v.space(end)+1))
		if at = v.space(end); v[at] == ',' {
			at = v.space(at + 1)
		}
	}
	return at + 1
}

// Items calls each with the offsets of the items of the list at an offset.
func (v ValidJSON) Items(at int, each func(at int)) {
	v.walkItems(at, func(at int) int {
		each(at)
		return v.after(at)
	})
}

// walkItems is Items with a callback that returns the offset after the item. It returns the offset
// after the list.
func (v ValidJSON) walkItems(at int, each func(at int) (end int)) int {
	for at = v.space(at + 1); v[at] != ']'; {
		if at = v.space(each(at)); v[at] == ',' {
			at = v.space(at + 1)
		}
	}
	return at + 1
}

// space returns the offset of the first byte from at that is not white space.
func (v ValidJSON) space(at int) int {
	for at < len(v) && (v[at] == ' ' || v[at] == '\t' || v[at] == '\r' || v[at] == '\n') {
		at++
	}
	return at
}

// after returns the offset after the value at an offset.
func (v ValidJSON) after(at int) int {
	switch v[at] {
	case '"':
		return v.afterString(at)
	case '{', '[':
		depth := 0
		for {
			switch v[at] {
			case '"':
				at = v.afterString(at)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			at++
			if depth == 0 {
				return at
			}
		}
	}
	for at < len(v) && bytes.IndexByte(scalarEnds, v[at]) < 0 {
		at++
	}
	return at
}

var scalarEnds = []byte(",]} \t\r\n")

// afterString returns the offset after the string at an offset.
func (v ValidJSON) afterString(at int) int {
	for at++; ; at++ {
		quote := bytes.IndexByte(v[at:], '"')
		at += quote
		slashes := 0
		for v[at-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return at + 1
		}
	}
}
