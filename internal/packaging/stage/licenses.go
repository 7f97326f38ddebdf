package stage

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
)

// Licenses collects the licence texts of all code in a program: the modules in its build
// information, and Go itself. The texts come from the module cache of the repository root; a module
// without one is an error.
func Licenses(ctx context.Context, root, executable string) ([]byte, error) {
	info, err := buildinfo.ReadFile(executable)
	if err != nil {
		return nil, fmt.Errorf("collect licences: read the modules of %s: %w", executable, err)
	}
	folders, err := moduleFolders(ctx, root)
	if err != nil {
		return nil, fmt.Errorf("collect licences: %w", err)
	}
	text, err := licensesOf(info, folders)
	if err != nil {
		return nil, fmt.Errorf("collect licences: %w", err)
	}
	return text, nil
}

func licensesOf(info *debug.BuildInfo, folders map[string]string) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("The program contains the modules below. Each stands with its licence.\n")
	faults := []error{writeLicense(&out, "Go "+info.GoVersion, folders["std"])}
	for _, m := range info.Deps {
		name := m.Path + " " + m.Version
		if m.Replace != nil {
			m = m.Replace
		}
		faults = append(faults, writeLicense(&out, name, folders[m.Path+"@"+m.Version]))
	}
	return out.Bytes(), errors.Join(faults...)
}

// licenseFile matches the names of files that must accompany copies of a module.
var licenseFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([-.].*)?$`)

func writeLicense(w io.Writer, name, folder string) error {
	if folder == "" {
		return fmt.Errorf("%s is not in the module cache: run go mod download", name)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	found := false
	for _, e := range entries {
		if e.IsDir() || !licenseFile.MatchString(e.Name()) {
			continue
		}
		// #nosec G304 -- a file of the module cache
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if _, err := fmt.Fprintf(w, "\n==== %s, %s ====\n\n%s\n", name, e.Name(),
			bytes.TrimSpace(text)); err != nil {
			return err
		}
		found = true
	}
	if !found {
		return fmt.Errorf("%s has no licence file", name)
	}
	return nil
}

// moduleFolders returns the folder of each module of the build by path@version, and of Go itself by
// the name std.
func moduleFolders(ctx context.Context, root string) (map[string]string, error) {
	goroot, err := goCommand(ctx, root, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	listed, err := goCommand(ctx, root, "list", "-m", "-json", "all")
	if err != nil {
		return nil, err
	}
	type module struct {
		Path, Version, Dir string
		Replace            *module
	}
	folders := map[string]string{"std": string(bytes.TrimSpace(goroot))}
	for d := json.NewDecoder(bytes.NewReader(listed)); ; {
		var m module
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return folders, nil
		} else if err != nil {
			return nil, fmt.Errorf("read what go list prints: %w", err)
		}
		if m.Replace != nil {
			m = *m.Replace
		}
		folders[m.Path+"@"+m.Version] = m.Dir
	}
}

func goCommand(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...) // #nosec G204 -- the arguments are ours
	cmd.Dir = dir
	out, err := cmd.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, fmt.Errorf("go %s: %w: %s", args[0], err, bytes.TrimSpace(failed.Stderr))
	}
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", args[0], err)
	}
	return out, nil
}
