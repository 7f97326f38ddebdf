package pipelinetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/pipeline"
)

// TestLake is the definition of pipeline.Lake. open returns an empty lake each time.
func TestLake(t *testing.T, open func(t *testing.T) pipeline.Lake) {
	t.Helper()
	t.Run("a blob is missing until it is put", func(t *testing.T) {
		t.Parallel()
		lakeMissing(t, open(t))
	})
	t.Run("what was put is read back", func(t *testing.T) {
		t.Parallel()
		lakeRoundTrip(t, open(t))
	})
	t.Run("Put and Stat and List describe a blob alike", func(t *testing.T) {
		t.Parallel()
		lakeDescribes(t, open(t))
	})
	t.Run("Put replaces, and the etag changes even for the same bytes", func(t *testing.T) {
		t.Parallel()
		lakeReplaces(t, open(t))
	})
	t.Run("Open at an etag that is no more fails with ErrChanged", func(t *testing.T) {
		t.Parallel()
		lakeChanged(t, open(t))
	})
	t.Run("a blob rewritten while it is read is never a mixture", func(t *testing.T) {
		t.Parallel()
		lakeRewritten(t, open(t))
	})
	t.Run("a Put whose reader fails leaves everything as it was", func(t *testing.T) {
		t.Parallel()
		lakePutFails(t, open(t))
	})
	t.Run("a Put whose context ends leaves nothing", func(t *testing.T) {
		t.Parallel()
		lakePutCancelled(t, open(t))
	})
	t.Run("List is in order, of a prefix, and longer than a page", func(t *testing.T) {
		t.Parallel()
		lakeLists(t, open(t))
	})
	t.Run("List stops when its reader does", func(t *testing.T) {
		t.Parallel()
		lakeListStops(t, open(t))
	})
	t.Run("a listing under an ended context is one error", func(t *testing.T) {
		t.Parallel()
		lakeListCancelled(t, open(t))
	})
	t.Run("names may hold spaces and any letters", func(t *testing.T) {
		t.Parallel()
		lakeNames(t, open(t))
	})
	t.Run("the areas are apart", func(t *testing.T) { t.Parallel(); lakeAreas(t, open(t)) })
	t.Run("Puts at the same time leave one of their contents, whole", func(t *testing.T) {
		t.Parallel()
		lakeConcurrent(t, open(t))
	})
}

func lakeMissing(t *testing.T, l pipeline.Lake) {
	ctx := t.Context()
	if _, err := l.Stat(ctx, pipeline.Landing, "a/b.ndjson"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat: %v, want fs.ErrNotExist", err)
	}
	for _, etag := range []string{"", "0x8DC0FFEE"} {
		r, err := l.Open(ctx, pipeline.Landing, "a/b.ndjson", etag)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open at %q: %v, want fs.ErrNotExist", etag, err)
		}
		if r != nil {
			t.Errorf("Open at %q gives a reader beside its error", etag)
		}
	}
	if files := listFiles(t, l, pipeline.Landing, "a/"); len(files) != 0 {
		t.Errorf("List of a prefix without blobs: %v", files)
	}
}

func lakeRoundTrip(t *testing.T, l pipeline.Lake) {
	// Sizes around 1 MB and around the 4 MB parts in which Azure transfers blobs.
	for _, size := range []int{0, 1, 1 << 20, 4<<20 - 1, 4 << 20, 4<<20 + 1, 9<<20 + 17} {
		data := noise(size)
		path := fmt.Sprintf("sizes/%d.bin", size)
		// The lake must accept a reader that returns a few bytes at a time.
		f := put(t, l, pipeline.Staging, path, &dribble{data: data, most: 100_003})
		if f.Size != int64(size) {
			t.Errorf("size %d: Put says %d", size, f.Size)
		}
		for _, etag := range []string{"", f.ETag} {
			if got := read(t, l, pipeline.Staging, path, etag); !bytes.Equal(got, data) {
				t.Errorf("size %d at etag %q: other bytes came back, %d of them", size, etag,
					len(got))
			}
		}
	}
}

func lakeDescribes(t *testing.T, l pipeline.Lake) {
	f := putText(t, l, pipeline.Staging, "x/done.json", "{}")
	if f.Path != "x/done.json" || f.ETag == "" || strings.ContainsAny(f.ETag, `"`) || f.Size != 2 ||
		f.Modified.IsZero() {
		t.Errorf("Put describes %+v", f)
	}
	s, err := l.Stat(t.Context(), pipeline.Staging, "x/done.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, s); diff != "" {
		t.Errorf("Stat differs from Put (-put +stat):\n%s", diff)
	}
	if diff := cmp.Diff([]pipeline.File{f}, listFiles(t, l, pipeline.Staging, "x/")); diff != "" {
		t.Errorf("List differs from Put (-put +list):\n%s", diff)
	}
}

func lakeReplaces(t *testing.T, l pipeline.Lake) {
	a := putText(t, l, pipeline.Staging, "p", "one")
	b := putText(t, l, pipeline.Staging, "p", "one")
	c := putText(t, l, pipeline.Staging, "p", "three")
	if a.ETag == b.ETag || b.ETag == c.ETag || a.ETag == c.ETag {
		t.Errorf("etags %q, %q, %q: each Put is a commit of its own", a.ETag, b.ETag, c.ETag)
	}
	if got := read(t, l, pipeline.Staging, "p", ""); string(got) != "three" {
		t.Errorf("after three Puts: %q", got)
	}
}

func lakeChanged(t *testing.T, l pipeline.Lake) {
	old := putText(t, l, pipeline.Landing, "e/Patient-1.ndjson", "old")
	putText(t, l, pipeline.Landing, "e/Patient-1.ndjson", "new")
	r, err := l.Open(t.Context(), pipeline.Landing, "e/Patient-1.ndjson", old.ETag)
	if !errors.Is(err, pipeline.ErrChanged) {
		t.Fatalf("Open at the old etag: %v, want ErrChanged", err)
	}
	if r != nil {
		t.Error("Open gives a reader beside its error")
	}
}

func lakeRewritten(t *testing.T, l pipeline.Lake) {
	was := bytes.Repeat([]byte("old\n"), 3<<20)
	f := put(t, l, pipeline.Landing, "e/Big.ndjson", bytes.NewReader(was))
	r, err := l.Open(t.Context(), pipeline.Landing, "e/Big.ndjson", f.ETag)
	if err != nil {
		t.Fatal(err)
	}
	defer closeBody(t, r)
	head := make([]byte, 4096)
	if _, err := io.ReadFull(r, head); err != nil {
		t.Fatal(err)
	}
	put(t, l, pipeline.Landing, "e/Big.ndjson",
		bytes.NewReader(bytes.Repeat([]byte("NEW\n"), 3<<20)))
	rest, err := io.ReadAll(r)
	got := append(head, rest...)
	if !bytes.HasPrefix(was, got) {
		t.Error("bytes of the new blob came after those of the old")
	}
	if err == nil && len(got) != len(was) {
		t.Errorf("a clean end after %d of %d bytes", len(got), len(was))
	}
}

func lakePutFails(t *testing.T, l pipeline.Lake) {
	broken := errors.New("the source broke")
	// An error that wraps io.EOF is still an error. Short and long blobs may take different paths.
	for _, cause := range []error{
		broken, fmt.Errorf("half a line: %w", io.EOF), io.ErrUnexpectedEOF,
	} {
		for _, size := range []int{0, 10, 5 << 20} {
			path := fmt.Sprintf("broken/%d", size)
			f := putText(t, l, pipeline.Staging, path, "before")
			for _, p := range []string{path, path + "-new"} {
				r := io.MultiReader(bytes.NewReader(noise(size)), iotest.ErrReader(cause))
				if _, err := l.Put(t.Context(), pipeline.Staging, p, r); !errors.Is(err, cause) {
					t.Errorf("%v after %d bytes: Put fails with %v", cause, size, err)
				}
			}
			if got := read(t, l, pipeline.Staging, path, f.ETag); string(got) != "before" {
				t.Errorf("%v after %d bytes: %q is there", cause, size, got)
			}
			if _, err := l.Stat(t.Context(), pipeline.Staging,
				path+"-new"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v after %d bytes: a new blob is visible: %v", cause, size, err)
			}
		}
	}
	if n := len(listFiles(t, l, pipeline.Staging, "broken/")); n != 3 {
		t.Errorf("%d blobs are listed, want 3", n)
	}
}

func lakePutCancelled(t *testing.T, l pipeline.Lake) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := io.MultiReader(bytes.NewReader(noise(5<<20)), readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, io.EOF
	}))
	if _, err := l.Put(ctx, pipeline.Staging, "late", r); !errors.Is(err, context.Canceled) {
		t.Errorf("Put: %v, want context.Canceled", err)
	}
	if _, err := l.Stat(t.Context(), pipeline.Staging, "late"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the blob is visible: %v", err)
	}
}

func lakeLists(t *testing.T, l pipeline.Lake) {
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprintf("e1/Patient-%03d.ndjson", i))
	}
	// "-", "." and "/" follow each other in byte order, which is the order of a list.
	want = append(want, "e1-b/x", "e1.c/x", "e10/x", "e1")
	order := rand.New(rand.NewPCG(1, 2)).Perm(len(want))
	for _, i := range order {
		putText(t, l, pipeline.Landing, want[i], "x")
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, paths(listFiles(t, l, pipeline.Landing, ""))); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	for prefix, n := range map[string]int{
		"e1": 29, "e1/": 25, "e1/Patient-00": 10, "e10": 1, "/": 0, "E1": 0,
	} {
		got := paths(listFiles(t, l, pipeline.Landing, prefix))
		if len(got) != n || !slices.IsSorted(got) {
			t.Errorf("prefix %q: %v, want %d in order", prefix, got, n)
		}
	}
}

func lakeListStops(t *testing.T, l pipeline.Lake) {
	for i := range 5 {
		putText(t, l, pipeline.Landing, fmt.Sprintf("s/%d", i), "x")
	}
	seen := 0
	for _, err := range l.List(t.Context(), pipeline.Landing, "s/") {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 2 {
			break
		}
	}
	if seen != 2 {
		t.Errorf("%d blobs seen, want 2", seen)
	}
}

func lakeListCancelled(t *testing.T, l pipeline.Lake) {
	putText(t, l, pipeline.Landing, "c/1", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errs []error
	for _, err := range l.List(ctx, pipeline.Landing, "c/") {
		errs = append(errs, err)
	}
	if len(errs) != 1 || !errors.Is(errs[0], context.Canceled) {
		t.Errorf("yielded %v, want context.Canceled once", errs)
	}
}

func lakeNames(t *testing.T, l pipeline.Lake) {
	names := []string{
		"20261123T010203-17/Patient-3-1.ndjson@0x8DC/done.json",
		"a b/c d.ndjson", "a%20b/100%.ndjson", "a+b=c&d.ndjson", "q?r#s.ndjson",
		"Пациент/پرونده/患者-é.ndjson", "semi;colon/(x)'y'.ndjson",
	}
	for _, n := range names {
		f := putText(t, l, pipeline.Staging, "names/"+n, n)
		if got := read(t, l, pipeline.Staging, "names/"+n, f.ETag); string(got) != n {
			t.Errorf("%q: %q came back", n, got)
		}
		s, err := l.Stat(t.Context(), pipeline.Staging, "names/"+n)
		if err != nil || s.Path != "names/"+n {
			t.Errorf("%q: Stat says %q, %v", n, s.Path, err)
		}
		if diff := cmp.Diff([]pipeline.File{f},
			listFiles(t, l, pipeline.Staging, "names/"+n)); diff != "" {
			t.Errorf("%q: its listing differs (-put +list):\n%s", n, diff)
		}
	}
}

func lakeAreas(t *testing.T, l pipeline.Lake) {
	areas := []pipeline.Area{pipeline.Landing, pipeline.Staging, pipeline.Quarantine}
	for _, a := range areas {
		putText(t, l, a, "same", string(a))
		putText(t, l, a, string(a), "x")
	}
	for _, a := range areas {
		if got := read(t, l, a, "same", ""); string(got) != string(a) {
			t.Errorf("area %s holds %q", a, got)
		}
		want := []string{string(a), "same"}
		slices.Sort(want)
		if diff := cmp.Diff(want, paths(listFiles(t, l, a, ""))); diff != "" {
			t.Errorf("area %s (-want +got):\n%s", a, diff)
		}
	}
}

func lakeConcurrent(t *testing.T, l pipeline.Lake) {
	const writers = 4
	contents := make([][]byte, writers)
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		contents[i] = bytes.Repeat([]byte{byte('a' + i)}, 5<<20)
		wg.Go(func() {
			_, errs[i] = l.Put(t.Context(), pipeline.Staging, "contended",
				bytes.NewReader(contents[i]))
		})
	}
	wg.Wait()
	// A Put may lose its blocks to the commit of another Put. It then fails, and may be repeated.
	if !slices.Contains(errs, nil) {
		t.Fatalf("no Put succeeded: %v", errors.Join(errs...))
	}
	got := read(t, l, pipeline.Staging, "contended", "")
	for i, c := range contents {
		if bytes.Equal(got, c) {
			if errs[i] != nil {
				t.Errorf("the contents are those of a Put that failed: %v", errs[i])
			}
			return
		}
	}
	t.Errorf("a mixture of %d bytes is there", len(got))
}

func put(
	t *testing.T, l pipeline.Lake, area pipeline.Area, path string, r io.Reader,
) pipeline.File {
	t.Helper()
	f, err := l.Put(t.Context(), area, path, r)
	if err != nil {
		t.Fatalf("Put: %v", err)
	}
	return f
}

func putText(t *testing.T, l pipeline.Lake, area pipeline.Area, path, text string) pipeline.File {
	t.Helper()
	return put(t, l, area, path, strings.NewReader(text))
}

func read(t *testing.T, l pipeline.Lake, area pipeline.Area, path, etag string) []byte {
	t.Helper()
	r, err := l.Open(t.Context(), area, path, etag)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer closeBody(t, r)
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return data
}

func closeBody(t *testing.T, r io.Closer) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func listFiles(t *testing.T, l pipeline.Lake, area pipeline.Area, prefix string) []pipeline.File {
	t.Helper()
	var files []pipeline.File
	for f, err := range l.List(t.Context(), area, prefix) {
		if err != nil {
			t.Fatalf("List %q: %v", prefix, err)
		}
		files = append(files, f)
	}
	return files
}

func paths(files []pipeline.File) []string {
	var out []string
	for _, f := range files {
		out = append(out, f.Path)
	}
	return out
}

// noise returns n bytes that do not repeat soon. They are the same each time.
func noise(n int) []byte {
	b := make([]byte, n)
	var seed [32]byte
	_, _ = rand.NewChaCha8(seed).Read(b) // never fails
	return b
}

// dribble reads at most a few bytes at a time.
type dribble struct {
	data []byte
	most int
}

func (d *dribble) Read(p []byte) (int, error) {
	if len(d.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), d.most)], d.data)
	d.data = d.data[n:]
	return n, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
