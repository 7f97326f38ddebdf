package pipelinetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/pipeline"
)

// LakeWithLandings is a lake with a landing area for fetched files.
type LakeWithLandings interface {
	pipeline.Lake
	pipeline.Landings
}

// TestLandings is the definition of pipeline.Landings. open returns an empty lake each time.
func TestLandings(t *testing.T, open func(t *testing.T) LakeWithLandings) {
	t.Helper()
	t.Run("what was created is read back, and described alike", func(t *testing.T) {
		t.Parallel()
		landingsRoundTrip(t, open(t))
	})
	t.Run("a blob that is there is left as it is", func(t *testing.T) {
		t.Parallel()
		landingsExist(t, open(t))
	})
	t.Run("a Create whose reader fails leaves nothing", func(t *testing.T) {
		t.Parallel()
		landingsFail(t, open(t))
	})
	t.Run("of many Creates at the same time one does it", func(t *testing.T) {
		t.Parallel()
		landingsConcurrent(t, open(t))
	})
}

func landingsRoundTrip(t *testing.T, l LakeWithLandings) {
	for _, size := range []int{0, 1, 4<<20 - 1, 4 << 20, 9<<20 + 17} {
		data := noise(size)
		path := fmt.Sprintf("nightly-000001.1/Patient-%d.ndjson", size)
		f, err := l.Create(t.Context(), pipeline.Landing, path, &dribble{data: data, most: 100_003})
		if err != nil {
			t.Fatalf("size %d: %v", size, err)
		}
		s, err := l.Stat(t.Context(), pipeline.Landing, path)
		if diff := cmp.Diff(f, s); err != nil || diff != "" || f.Size != int64(size) {
			t.Errorf("size %d: %d, %v; Stat differs from Create (-create +stat):\n%s", size, f.Size,
				err, diff)
		}
		if got := read(t, l, pipeline.Landing, path, f.ETag); !bytes.Equal(got, data) {
			t.Errorf("size %d: other bytes came back, %d of them", size, len(got))
		}
	}
}

func landingsExist(t *testing.T, l LakeWithLandings) {
	old := putText(t, l, pipeline.Landing, "a/b.ndjson", "old")
	for _, size := range []int{3, 5 << 20} {
		_, err := l.Create(t.Context(), pipeline.Landing, "a/b.ndjson",
			bytes.NewReader(noise(size)))
		if !errors.Is(err, fs.ErrExist) {
			t.Errorf("Create of %d bytes over a blob: %v, want fs.ErrExist", size, err)
		}
	}
	if got := read(t, l, pipeline.Landing, "a/b.ndjson", old.ETag); string(got) != "old" {
		t.Errorf("the blob is %q now", got)
	}
}

var errReader = errors.New("the link broke")

func landingsFail(t *testing.T, l LakeWithLandings) {
	for _, size := range []int{3, 5 << 20} {
		r := io.MultiReader(bytes.NewReader(noise(size)), iotest.ErrReader(errReader))
		if _, err := l.Create(t.Context(), pipeline.Landing, "a/b.ndjson",
			r); !errors.Is(err, errReader) {
			t.Errorf("%d bytes: %v, want the reader's error", size, err)
		}
		if _, err := l.Stat(t.Context(), pipeline.Landing,
			"a/b.ndjson"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d bytes: Stat says %v, want fs.ErrNotExist", size, err)
		}
	}
}

func landingsConcurrent(t *testing.T, l LakeWithLandings) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for range 8 {
		wg.Go(func() {
			_, err := l.Create(t.Context(), pipeline.Landing, "a/b.ndjson", strings.NewReader("x"))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				made++
			case !errors.Is(err, fs.ErrExist):
				t.Errorf("%v, want fs.ErrExist", err)
			}
		})
	}
	wg.Wait()
	if made != 1 {
		t.Errorf("%d of 8 made the blob", made)
	}
}
