package azurite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	lockFile = ".install.lock"
	// stampFile is what npm writes last, and npm ci removes first. The Makefile goes
	// by it too.
	stampFile = "node_modules/.package-lock.json"

	lockPoll = 200 * time.Millisecond
)

// Install runs npm ci in toolsDir unless node_modules there are younger than
// package-lock.json. Processes that do so at once wait for each other; ctx bounds the
// wait and the installation, which takes a minute or two.
func Install(ctx context.Context, toolsDir string) error {
	if fresh, err := installed(toolsDir); err != nil {
		return fmt.Errorf("install azurite: %w", err)
	} else if fresh {
		return nil
	}
	unlock, err := lock(ctx, filepath.Join(toolsDir, lockFile))
	if err != nil {
		return fmt.Errorf("install azurite: %w", err)
	}
	defer unlock()
	if fresh, err := installed(toolsDir); err != nil || fresh { // another one was faster
		return err
	}
	if err := npmCI(ctx, toolsDir); err != nil {
		return fmt.Errorf("install azurite: %w", err)
	}
	return nil
}

// installed says whether node_modules are there and not older than their lock file.
func installed(toolsDir string) (bool, error) {
	want, err := os.Stat(filepath.Join(toolsDir, "package-lock.json"))
	if err != nil {
		return false, fmt.Errorf("%s is not the tools folder of azurite: %w", toolsDir, err)
	}
	got, err := os.Stat(filepath.Join(toolsDir, stampFile))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && !got.ModTime().Before(want.ModTime()), err
}

func npmCI(ctx context.Context, toolsDir string) error {
	var faults []error
	for tool, remedy := range map[string]string{"node": nodeMissing, "npm": "npm is not on PATH: it comes with Node.js 20"} {
		if _, err := exec.LookPath(tool); err != nil {
			faults = append(faults, errors.New(remedy))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	// No package of the pinned set needs its install script.
	cmd := exec.CommandContext(ctx, "npm", "ci", "--prefix", toolsDir, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error") //nolint:gosec // a folder of the project
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // npm has children
	cmd.WaitDelay = stopTimeout
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("npm ci --prefix %s: %w: %s", toolsDir, err, bytes.TrimSpace(last(out.Bytes(), 2000)))
	}
	return nil
}

func last(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// lock takes the lock of a file, waiting for whoever has it. The system gives it
// free when a process ends, in whatever way.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing unlocks
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for another installation, which holds %s: %w", path, context.Cause(ctx)), f.Close())
		}
	}
}
