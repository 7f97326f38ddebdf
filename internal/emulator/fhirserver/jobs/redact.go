package jobs

import (
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// redactedTag is the security label of a resource without identifying elements.
const redactedTag = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"REDACTED"}`

// redact removes what identifies a Patient, and keeps the id and the year of birth. It stands for
// all rules that a configuration may have.
func redact(line []byte) ([]byte, error) {
	born := gjson.GetBytes(line, "birthDate").Str
	var err error
	for _, name := range []string{
		"text", "identifier", "name", "telecom", "address", "photo", "contact", "extension",
	} {
		if line, err = sjson.DeleteBytes(line, name); err != nil {
			return nil, err
		}
	}
	if len(born) > len("2006") {
		if line, err = sjson.SetBytes(line, "birthDate", born[:len("2006")]); err != nil {
			return nil, err
		}
	}
	return sjson.SetRawBytes(line, "meta.security.-1", []byte(redactedTag))
}
