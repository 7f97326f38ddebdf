package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Check builds a target twice, from copies of the repository in two folders, and
// reports whether the bytes are equal.
type Check struct {
	Root    string
	Flags   []string
	Target  Target
	Machine Machine
	// SharedCache uses the machine's build cache. That is faster, but hides differences that only a
	// full compilation shows.
	SharedCache bool
}

// ErrDiffers reports that two builds of the same source are not equal.
var ErrDiffers = errors.New("two builds of the same source differ")

// Run returns the checksum that both builds have.
func (c Check) Run(ctx context.Context) (sum string, err error) {
	environ, reason := c.Machine.environment(c.Target)
	if reason != "" {
		return "", fmt.Errorf("check %s: %s", c.Target, reason)
	}
	work, err := os.MkdirTemp("", "fhirsynapse-check-")
	if err != nil {
		return "", fmt.Errorf("check %s: %w", c.Target, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	var builds [2][]byte
	// Names of different length, which would shift the bytes after a path.
	for i, folder := range []string{"a", filepath.Join("another", "folder")} {
		source := filepath.Join(work, folder)
		if err := copySource(ctx, c.Root, source); err != nil {
			return "", fmt.Errorf("check %s: copy the source: %w", c.Target, err)
		}
		r := Release{Root: source, Machine: c.Machine}
		r.Machine.Environ = slices.Clone(r.Machine.Environ)
		if !c.SharedCache {
			r.Machine.Environ = append(r.Machine.Environ,
				"GOCACHE="+filepath.Join(work, "cache", folder))
		}
		program := filepath.Join(source, "built")
		args := append(append([]string{"build"}, c.Flags...), "-o", program, c.Target.Package)
		if err := r.goCommand(ctx, environ, args...); err != nil {
			return "", fmt.Errorf("check %s: %w", c.Target, err)
		}
		if builds[i], err = os.ReadFile(program); err != nil {
			return "", fmt.Errorf("check %s: %w", c.Target, err)
		}
		if sum, err = sumOf(program); err != nil {
			return "", fmt.Errorf("check %s: %w", c.Target, err)
		}
	}
	if !bytes.Equal(builds[0], builds[1]) {
		return "", fmt.Errorf("check %s: %w", c.Target, ErrDiffers)
	}
	return sum, nil
}

// copySource copies the files that git has or would add. Without git it copies all files.
func copySource(ctx context.Context, root, to string) error {
	cmd := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others",
		"--exclude-standard")
	cmd.Dir = root
	listed, err := cmd.Output()
	var names []string
	if err == nil {
		names = strings.FieldsFunc(string(listed), func(r rune) bool { return r == 0 })
	} else {
		err = fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				names = append(names, name)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := copyFile(filepath.Join(root, name), filepath.Join(to, name)); err != nil &&
			!errors.Is(err, fs.ErrNotExist) {
			return err // a file in git but not in the folder is left out
		}
	}
	return nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
