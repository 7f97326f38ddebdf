package sqlserver

import (
	"encoding/binary"
	"fmt"
	"io"
	"unicode/utf16"
)

// The types of packets, MS-TDS 2.2.3.1.1.
const (
	packetBatch       = 1
	packetRPC         = 3
	packetReply       = 4
	packetAttention   = 6
	packetBulk        = 7
	packetFedAuth     = 8
	packetTransaction = 14
	packetLogin       = 16
	packetPrelogin    = 18
)

const (
	headerSize = 8
	lastPacket = 1 // status bit: the message ends here
	// packetSize is the size of replies in bytes; the client learns it at login.
	packetSize = 16384
	// longestMessage bounds the bytes of a message that the server holds for a client.
	longestMessage = 64 << 20
)

type packet struct {
	kind byte
	last bool
	body []byte
}

func readPacket(r io.Reader) (packet, error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return packet{}, err
	}
	size := int(binary.BigEndian.Uint16(h[2:]))
	if size < headerSize {
		return packet{}, fmt.Errorf("a packet of %d bytes", size)
	}
	p := packet{kind: h[0], last: h[1]&lastPacket != 0, body: make([]byte, size-headerSize)}
	_, err := io.ReadFull(r, p.body)
	return p, err
}

// framed splits a reply into packets.
func framed(body []byte) []byte {
	var out []byte
	for id := byte(1); ; id++ {
		n := min(len(body), packetSize-headerSize)
		status := byte(0)
		if n == len(body) {
			status = lastPacket
		}
		h := [headerSize]byte{packetReply, status, 6: id}
		binary.BigEndian.PutUint16(h[2:], uint16(n+headerSize))
		out = append(append(out, h[:]...), body[:n]...)
		if body = body[n:]; status == lastPacket {
			return out
		}
	}
}

// Texts are UTF-16, little-endian.

func ucs2(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

func fromUCS2(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(u))
}

// shortText returns a text after its length in UTF-16 units as one byte; longText uses two bytes.
func shortText(s string) []byte {
	b := ucs2(s)
	return append([]byte{byte(len(b) / 2)}, b...)
}

func longText(s string) []byte {
	b := ucs2(s)
	return append(binary.LittleEndian.AppendUint16(nil, uint16(len(b)/2)), b...)
}

// reader reads numbers and texts from a message. It keeps its first error.
type reader struct {
	in  io.Reader
	err error
}

// atMost bounds the bytes that one length field of a message can allocate at once.
const atMost = 16 << 20

func (r *reader) bytes(n int) []byte {
	if r.err == nil && (n < 0 || n > atMost) {
		r.err = fmt.Errorf("a piece of %d bytes", n)
	}
	if r.err != nil {
		return make([]byte, min(max(n, 0), 16))
	}
	b := make([]byte, n)
	_, r.err = io.ReadFull(r.in, b)
	return b
}

func (r *reader) byte() byte     { return r.bytes(1)[0] }
func (r *reader) uint16() uint16 { return binary.LittleEndian.Uint16(r.bytes(2)) }
func (r *reader) uint32() uint32 { return binary.LittleEndian.Uint32(r.bytes(4)) }
func (r *reader) uint64() uint64 { return binary.LittleEndian.Uint64(r.bytes(8)) }

func (r *reader) shortText() string { return fromUCS2(r.bytes(2 * int(r.byte()))) }
