package sqlserver

import (
	"encoding/binary"
	"fmt"
)

// The tokens of replies, MS-TDS 2.2.7.
const (
	tokenColumns     = 0x81
	tokenError       = 0xAA
	tokenLoginAck    = 0xAD
	tokenRow         = 0xD1
	tokenEnvironment = 0xE3
	tokenFedAuth     = 0xEE
	tokenDone        = 0xFD
	tokenDoneProc    = 0xFE
)

// Bits of the status of a DONE.
const (
	doneError     = 0x02
	doneCount     = 0x10
	doneAttention = 0x20
)

// Kinds of ENVCHANGE.
const (
	changeDatabase = 1
	changePacket   = 4
	changeBegin    = 8
	changeCommit   = 9
	changeRollback = 10
)

const serverName = "stand-in"

func token(kind byte, body []byte) []byte {
	return append(binary.LittleEndian.AppendUint16([]byte{kind}, uint16(len(body))), body...)
}

func done(kind byte, status uint16, rows int64) []byte {
	b := binary.LittleEndian.AppendUint16([]byte{kind}, status)
	b = binary.LittleEndian.AppendUint16(b, 0)
	return binary.LittleEndian.AppendUint64(b, uint64(rows))
}

func failed(kind byte, e *Error) []byte {
	var out []byte
	if e.First != nil {
		out = failure(e.First)
	}
	return append(append(out, failure(e)...), done(kind, doneError, 0)...)
}

func failure(e *Error) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(e.Number))
	b = append(b, 1, max(e.Severity, 11))
	b = append(b, longText(e.Message)...)
	b = append(b, shortText(serverName)...)
	b = append(b, shortText("")...)
	b = binary.LittleEndian.AppendUint32(b, 1)
	return token(tokenError, b)
}

func textChange(kind byte, now, before string) []byte {
	return token(tokenEnvironment,
		append(append([]byte{kind}, shortText(now)...), shortText(before)...))
}

// transactionChange returns the token that a transaction began or ended.
func transactionChange(kind byte, id uint64) []byte {
	descriptor := binary.LittleEndian.AppendUint64([]byte{8}, id)
	if kind == changeBegin {
		return token(tokenEnvironment, append(append([]byte{kind}, descriptor...), 0))
	}
	return token(tokenEnvironment, append([]byte{kind, 0}, descriptor...))
}

// appendRows writes a result set, without its DONE.
func appendRows(b []byte, columns []Column, rows [][]any) ([]byte, error) {
	b = binary.LittleEndian.AppendUint16(append(b, tokenColumns), uint16(len(columns)))
	types := make([]wireType, len(columns))
	for i, c := range columns {
		t, err := parseType(c.Type)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.Name, err)
		}
		types[i] = t
		const nullable = 1
		b = append(b, 0, 0, 0, 0, nullable, 0)
		b = append(t.appendInfo(b), shortText(c.Name)...)
	}
	for _, row := range rows {
		if len(row) != len(columns) {
			return nil, fmt.Errorf("a row of %d cells for %d columns", len(row), len(columns))
		}
		b = append(b, tokenRow)
		for i, v := range row {
			var err error
			if b, err = types[i].appendValue(b, v); err != nil {
				return nil, fmt.Errorf("column %s: %w", columns[i].Name, err)
			}
		}
	}
	return b, nil
}
