package parquetfile

import (
	"bytes"
	"hash/maphash"
)

// dictionary numbers the distinct texts of a column chunk in order of appearance.
type dictionary struct {
	slots []int32 // number plus one, by hash; 0 is free
	sums  []uint32
	ends  []int  // of each entry in page
	page  []byte // the dictionary page: lengths and texts
	taken int    // number of lookups
	last  int32  // the last result
}

const (
	// A larger dictionary is abandoned for plain texts.
	mostBytes = 64 << 10
	// After this number of texts at least half must be repetitions.
	trial = 512
)

// seed affects only the position of entries in slots, not the output.
var seed = maphash.MakeSeed()

// number returns the number of a length-prefixed text. worth is false if the dictionary no longer
// pays; the text is then not in it.
func (d *dictionary) number(text []byte) (n int32, worth bool) {
	// Equal texts often follow each other.
	if n := d.last; int(n) < len(d.ends) && bytes.Equal(d.text(int(n)), text) {
		d.taken++
		return n, true
	}
	n, worth = d.find(text)
	d.last = n
	return n, worth
}

func (d *dictionary) find(text []byte) (n int32, worth bool) {
	sum := uint32(maphash.Bytes(seed, text))
	if len(d.slots) == 0 {
		d.slots = make([]int32, 256)
	}
	mask := uint32(len(d.slots) - 1)
	for at := sum & mask; ; at = (at + 1) & mask {
		n := d.slots[at]
		if n == 0 {
			break
		}
		if d.sums[n-1] == sum && bytes.Equal(d.text(int(n-1)), text) {
			d.taken++
			return n - 1, true
		}
	}
	if len(d.page)+len(text) > mostBytes || d.taken >= trial && 2*len(d.ends) > d.taken {
		return 0, false
	}
	d.taken++
	d.page = append(d.page, text...)
	d.ends = append(d.ends, len(d.page))
	d.sums = append(d.sums, sum)
	if 2*len(d.ends) > len(d.slots) {
		d.grow()
	} else {
		d.place(len(d.ends) - 1)
	}
	return int32(len(d.ends) - 1), true
}

func (d *dictionary) place(entry int) {
	mask := uint32(len(d.slots) - 1)
	at := d.sums[entry] & mask
	for d.slots[at] != 0 {
		at = (at + 1) & mask
	}
	d.slots[at] = int32(entry + 1)
}

func (d *dictionary) grow() {
	d.slots = make([]int32, 2*len(d.slots))
	for i := range d.ends {
		d.place(i)
	}
}

func (d *dictionary) text(i int) []byte {
	start := 0
	if i > 0 {
		start = d.ends[i-1]
	}
	return d.page[start:d.ends[i]]
}

func (d *dictionary) reset() {
	if len(d.ends) > 0 {
		clear(d.slots)
	}
	d.sums, d.ends, d.page, d.taken = d.sums[:0], d.ends[:0], d.page[:0], 0
	d.last = 0
}
