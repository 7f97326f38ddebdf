package stage

import (
	"debug/elf"
	"errors"
	"fmt"
	"slices"
)

// CheckCloud reports why a program cannot run on Azure's Linux workers: it must be
// built for Linux on amd64 and must not need shared libraries.
func CheckCloud(executable string) (err error) {
	const remedy = "build it with CGO_ENABLED=0 GOOS=linux GOARCH=amd64, as make package does"
	f, err := elf.Open(executable)
	if err != nil {
		return fmt.Errorf("%s is not a Linux program; %s: %w", executable, remedy, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if f.Machine != elf.EM_X86_64 {
		return fmt.Errorf("%s is for %v, but Azure runs amd64; %s", executable, f.Machine, remedy)
	}
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return fmt.Errorf("%s needs shared libraries, which Azure's workers may lack; %s",
			executable, remedy)
	}
	return nil
}
