package parquetfile

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// bounds are the least and the greatest value of a column chunk, so that readers can skip row
// groups.
type bounds struct {
	least, greatest []byte // plain, texts without their lengths
	known           bool
}

// longestBound is the most bytes of a bound. Longer texts are cut to a bound that still holds.
const longestBound = 64

func (b *bounds) reset() { b.known = false }

// add widens the bounds by plain values of a page.
func (b *bounds) add(t Type, values []byte) {
	if t == Text {
		b.addTexts(values)
		return
	}
	width := t.width()
	for ; len(values) > 0; values = values[width:] {
		v := values[:width]
		switch {
		case !b.known:
			b.set(v)
		case t.compare(v, b.least) < 0:
			b.least = append(b.least[:0], v...)
		case t.compare(v, b.greatest) > 0:
			b.greatest = append(b.greatest[:0], v...)
		}
	}
}

func (b *bounds) addTexts(values []byte) {
	for len(values) > 0 {
		end := 4 + int(binary.LittleEndian.Uint32(values))
		v := values[4:end]
		values = values[end:]
		switch {
		case !b.known:
			b.set(v)
		case bytes.Compare(v, b.least) < 0:
			b.least = append(b.least[:0], v...)
		case bytes.Compare(v, b.greatest) > 0:
			b.greatest = append(b.greatest[:0], v...)
		}
	}
}

func (b *bounds) set(v []byte) {
	b.least, b.greatest, b.known = append(b.least[:0], v...), append(b.greatest[:0], v...), true
}

// compare orders two plain values of a fixed width.
func (t Type) compare(a, b []byte) int {
	switch t {
	case Int32, Date:
		return cmp.Compare(int32(binary.LittleEndian.Uint32(a)),
			int32(binary.LittleEndian.Uint32(b)))
	case Int64, Timestamp:
		return cmp.Compare(int64(binary.LittleEndian.Uint64(a)),
			int64(binary.LittleEndian.Uint64(b)))
	case Decimal:
		if sign := cmp.Compare(int8(a[0]), int8(b[0])); sign != 0 {
			return sign
		}
	case Boolean, Text:
	}
	return bytes.Compare(a, b)
}

// ends returns copies of the bounds as a file has them. They are nil where there is none: of no
// values, or no greatest text of at most longestBound bytes.
func (b *bounds) ends() (least, greatest []byte) {
	if !b.known {
		return nil, nil
	}
	least, greatest = slices.Clone(b.least), slices.Clone(b.greatest)
	if len(least) > longestBound {
		least = least[:whole(least, longestBound)]
	}
	if len(greatest) <= longestBound {
		return least, greatest
	}
	// The next ASCII character in place of one is greater than all texts that go on from here.
	greatest = greatest[:longestBound]
	for i := len(greatest) - 1; i >= 0; i-- {
		if greatest[i] < 0x7e {
			greatest[i]++
			return least, greatest[:i+1]
		}
	}
	return nil, nil
}

// whole returns how many of the first n bytes of a text are whole characters.
func whole(text []byte, n int) int {
	for n > 0 && text[n]&0xc0 == 0x80 {
		n--
	}
	return n
}
