// Package synthetic holds the FHIR R4 resources of a made-up hospital with twelve patients, and
// multiplies them.
//
// The resources are in hospital/, one compressed file per type: every type that a bundled view
// reads, in the proportions of a hospital. References lead to existing resources, and stay with
// one patient. The lines contain typical difficulties for loaders: names in many scripts, names
// with several given names and patients without a name, partial dates, elements that are an
// extension only, lists with a null, decimals with trailing zeros, escapes and surrogate pairs,
// contained resources, ids that differ only by case, and odd white space. No line has
// meta.versionId or meta.lastUpdated.
//
// To change a resource, unpack its file, edit the lines and pack it with gzip -9n.
package synthetic

import (
	"bytes"
	"embed"
	"io/fs"
	"strconv"
)

//go:embed hospital
var files embed.FS

// Hospital returns the folder of the resources.
func Hospital() fs.FS {
	dir, err := fs.Sub(files, "hospital")
	if err != nil {
		panic(err) // the name is not a path
	}
	return dir
}

// dozen is the number of patients in hospital/.
const dozen = 12

// Options configures Generate.
type Options struct {
	// Seed is part of every id: another seed makes other resources.
	Seed uint64
	// Patients is rounded up to a multiple of twelve. Each dozen is one copy of the hospital.
	Patients int
}

// Generate emits copies of the hospital, one line without newline per resource, type after type;
// the same options make the same bytes. Emit may keep the line, and Generate stops at its first
// error.
func Generate(o Options, emit func(typ string, line []byte) error) error {
	seed := "-" + strconv.FormatUint(o.Seed, 36)
	return multiply(Hospital(), seed, (o.Patients+
		dozen-1)/dozen, func(typ string, line []byte) error {
		return emit(typ, bytes.Clone(line))
	})
}
