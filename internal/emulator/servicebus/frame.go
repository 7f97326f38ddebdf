package servicebus

import (
	"errors"
	"fmt"
	"io"
)

// Descriptors of the performatives (part 2, section 2.7, and part 5), of the
// outcomes (part 3, section 3.4) and of the error (part 2, section 2.8.14).
const (
	codeOpen        = 0x10
	codeBegin       = 0x11
	codeAttach      = 0x12
	codeFlow        = 0x13
	codeTransfer    = 0x14
	codeDisposition = 0x15
	codeDetach      = 0x16
	codeEnd         = 0x17
	codeClose       = 0x18

	codeError    = 0x1d
	codeAccepted = 0x24
	codeRejected = 0x25
	codeReleased = 0x26
	codeModified = 0x27

	codeHeader = 0x70

	codeSASLMechanisms = 0x40
	codeSASLOutcome    = 0x44
)

const (
	frameAMQP = 0
	frameSASL = 1

	// maxFrame is the frame size that we announce, and the largest that we read.
	maxFrame = 64 << 10
	// minFrame is the frame size that every peer must accept (part 2, section 2.3.1).
	minFrame = 512
	// frameOverhead is the space for the header and the transfer performative.
	frameOverhead = 256
)

type frame struct {
	channel uint16
	code    uint64 // zero: an empty frame, the heartbeat
	fields  fields
	payload []byte
}

// readFrame reads one frame of at most maxFrame bytes.
func readFrame(r io.Reader) (frame, error) {
	var h [8]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return frame{}, err
	}
	size, skip := be.Uint32(h[:]), int(h[4])*4-8
	if size < 8 || size > maxFrame || skip < 0 || skip > int(size)-8 {
		return frame{}, fmt.Errorf("amqp frame: header % x is not one", h)
	}
	b := make([]byte, size-8)
	if _, err := io.ReadFull(r, b); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	f := frame{channel: be.Uint16(h[6:])}
	b = b[skip:]
	if len(b) == 0 {
		return f, nil
	}
	v, rest, err := decodeValue(b)
	if err != nil {
		return frame{}, fmt.Errorf("amqp frame: %w", err)
	}
	d, ok := v.(described)
	if !ok {
		return frame{}, fmt.Errorf("amqp frame: no performative")
	}
	f.code, f.payload = d.code, rest
	f.fields, _ = d.val.([]any)
	return f, nil
}

// encodeFrame encodes a frame for readFrame.
func encodeFrame(typ byte, channel uint16, performative described, payload []byte) []byte {
	b := make([]byte, 8, frameOverhead+len(payload))
	b = append(appendValue(b, performative), payload...)
	be.PutUint32(b, uint32(len(b)))
	b[4], b[5] = 2, typ
	be.PutUint16(b[6:], channel)
	return b
}

// amqpError returns an error in its AMQP form.
func amqpError(condition, description string) described {
	return described{codeError, []any{symbol(condition), description}}
}

var (
	stateAccepted = described{codeAccepted, []any{}}
	stateRejected = described{codeRejected, []any{}}
)

func rejected(condition, description string) described {
	return described{codeRejected, []any{amqpError(condition, description)}}
}
