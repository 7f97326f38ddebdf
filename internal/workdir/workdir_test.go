package workdir_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/workdir"
)

// childParent names a variable for a process that this test starts: the parent of its folder.
const childParent = "WORKDIR_TEST_PARENT"

func TestMain(m *testing.M) {
	if parent := os.Getenv(childParent); parent != "" {
		d, err := workdir.Make(parent, ".work-", time.Now())
		if err == nil {
			err = os.WriteFile(filepath.Join(d.Path(), "rows"), []byte("x"), 0o600)
		}
		_, _ = fmt.Fprintln(os.Stdout, d.Path(), err)
		select {} // until the process is killed
	}
	os.Exit(m.Run())
}

func there(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func TestAFolderOfAKilledProcessIsRemovedAndOfALivingOneStays(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), childParent+"="+parent)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	path := strings.TrimSuffix(line, " <nil>\n")
	if err != nil || !there(t, filepath.Join(path, "rows")) {
		t.Fatalf("%q, %v", line, err)
	}
	mine, err := workdir.Make(parent, ".work-", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if !there(t, path) {
		t.Error("the folder of a living process is gone")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	next, err := workdir.Make(parent, ".work-", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if there(t, path) {
		t.Error("the folder of a killed process is still there")
	}
	if !there(t, mine.Path()) {
		t.Error("a folder of this process is gone")
	}
	for _, d := range []*workdir.Dir{mine, next} {
		info, err := os.Stat(d.Path())
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		if err := d.Remove(); err != nil || there(t, d.Path()) {
			t.Errorf("removed: %v", err)
		}
	}
}

func TestFoldersWithoutALockAreRemovedWhenTheyAreOld(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	for _, name := range []string{".work-old", ".work-empty", "other"} {
		if err := os.Mkdir(filepath.Join(parent, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(parent, ".work-old", "rows"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	workdir.Clean(parent, ".work-", time.Now())
	if !there(t, filepath.Join(parent, ".work-old")) ||
		there(t, filepath.Join(parent, ".work-empty")) {
		t.Error("a folder in use is gone, or an empty one is there")
	}
	workdir.Clean(parent, ".work-", time.Now().Add(48*time.Hour))
	if there(t, filepath.Join(parent, ".work-old")) || !there(t, filepath.Join(parent, "other")) {
		t.Error("an old folder is there, or another one is gone")
	}
}
