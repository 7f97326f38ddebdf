package sqlserver

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Login holds the credentials of a client.
type Login struct {
	User, Password, Database string
	// Token is set for a client with a security or directory token.
	Token string
}

const (
	optionVersion    = 0
	optionEncryption = 1
	optionFedAuth    = 6
	optionsEnd       = 0xFF

	encryptionNotSupported = 2
)

// prelogin answers the first packet of a connection.
func prelogin(asked []byte) []byte {
	type option struct {
		id   byte
		data []byte
	}
	options := []option{
		{optionVersion, []byte{16, 0, 0, 0, 0, 0}},
		{optionEncryption, []byte{encryptionNotSupported}},
	}
	for at := 0; at+5 <= len(asked) && asked[at] != optionsEnd; at += 5 {
		if asked[at] == optionFedAuth {
			options = append(options, option{optionFedAuth, []byte{1}})
		}
	}
	var heads, data []byte
	for _, o := range options {
		heads = append(heads, o.id)
		heads = binary.BigEndian.AppendUint16(heads, uint16(5*len(options)+1+len(data)))
		heads = binary.BigEndian.AppendUint16(heads, uint16(len(o.data)))
		data = append(data, o.data...)
	}
	return append(append(heads, optionsEnd), data...)
}

var errLogin = errors.New("a login that this server cannot read")

// parseLogin reads LOGIN7, MS-TDS 2.2.6.4.
func parseLogin(b []byte) (Login, error) {
	const flags3, extension, user, password, database, fixedPart = 27, 56, 40, 44, 68, 94
	if len(b) < fixedPart {
		return Login{}, errLogin
	}
	ok := true
	field := func(at int) []byte {
		from, n := int(binary.LittleEndian.Uint16(b[at:])),
			2*int(binary.LittleEndian.Uint16(b[at+2:]))
		if from+n > len(b) {
			ok = false
			return nil
		}
		return b[from : from+n]
	}
	secret := bytes.Clone(field(password))
	for i, c := range secret {
		c ^= 0xA5
		secret[i] = c<<4 | c>>4
	}
	l := Login{
		User: fromUCS2(field(user)), Password: fromUCS2(secret),
		Database: fromUCS2(field(database)),
	}
	const hasExtension = 0x10
	if b[flags3]&hasExtension != 0 {
		at := int(binary.LittleEndian.Uint16(b[extension:]))
		if at+4 > len(b) || int(binary.LittleEndian.Uint32(b[at:])) > len(b) {
			return l, errLogin
		}
		l.Token = securityToken(b[binary.LittleEndian.Uint32(b[at:]):])
	}
	if !ok {
		return l, errLogin
	}
	return l, nil
}

// securityToken returns the token from the feature extensions.
func securityToken(b []byte) string {
	const featureFedAuth, librarySecurityToken = 2, 1
	for len(b) >= 5 && b[0] != 0xFF {
		n := int(binary.LittleEndian.Uint32(b[1:]))
		if 5+n > len(b) {
			return ""
		}
		if data := b[5 : 5+n]; b[0] == featureFedAuth && n >= 5 &&
			data[0]>>1 == librarySecurityToken {
			if size := int(binary.LittleEndian.Uint32(data[1:])); 5+size <= n {
				return fromUCS2(data[5 : 5+size])
			}
		}
		b = b[5+n:]
	}
	return ""
}

// fedAuthInfo returns the message that makes the client get a token from the directory.
func fedAuthInfo() []byte {
	const infoSTS, infoSPN, heads = 1, 2, 4 + 2*9
	spn, sts := ucs2("https://database.windows.net/"), ucs2("https://login.example/tenant")
	b := binary.LittleEndian.AppendUint32(nil, 2)
	b = append(b, infoSPN)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(spn)))
	b = binary.LittleEndian.AppendUint32(b, heads)
	b = append(b, infoSTS)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(sts)))
	b = binary.LittleEndian.AppendUint32(b, uint32(heads+len(spn)))
	b = append(append(b, spn...), sts...)
	return append(binary.LittleEndian.AppendUint32([]byte{tokenFedAuth}, uint32(len(b))), b...)
}

func directoryToken(b []byte) string {
	if len(b) < 8 {
		return ""
	}
	n := int(binary.LittleEndian.Uint32(b[4:]))
	if 8+n > len(b) {
		return ""
	}
	return fromUCS2(b[8 : 8+n])
}

// welcome returns the answer to a successful login.
func welcome(database string) []byte {
	ack := append([]byte{1, 0x74, 0, 0, 4}, shortText(serverName)...)
	ack = append(ack, 16, 0, 0, 0)
	b := textChange(changeDatabase, database, "master")
	b = append(b, textChange(changePacket, packetSizeText, "4096")...)
	b = append(b, token(tokenLoginAck, ack)...)
	return append(b, done(tokenDone, 0, 0)...)
}

const packetSizeText = "16384"
