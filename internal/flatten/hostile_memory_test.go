//go:build !race

package flatten_test

import (
	"strings"
	"testing"
)

// The race detector multiplies memory and time; make test runs this test without it.
func TestMemoryOfHostileLinesIsBounded(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("long: lines of 64 MB")
	}
	const size = largest
	for _, h := range hostiles() {
		t.Run(h.name, func(t *testing.T) {
			got := runHostile(t, h, size)
			t.Logf("%d MiB, %.1f s, %d rows, %d lines quarantined", got.Peak>>20, got.Seconds,
				got.Rows, got.Quarantined)
			switch {
			case got.Peak > hostileBound:
				t.Errorf("the process took %d MiB, the bound is %d MiB", got.Peak>>20,
					int64(hostileBound)>>20)
			case h.bad == "" && (got.Quarantined > 0 || got.Rows < h.least):
				t.Errorf("%d rows, %d lines quarantined %q; want at least %d rows", got.Rows,
					got.Quarantined, got.Reasons, h.least)
			case h.bad != "" &&
				(got.Rows > 0 || len(got.Reasons) != 1 || !strings.Contains(got.Reasons[0], h.bad)):
				t.Errorf("%d rows, reasons %q; want no rows and %q", got.Rows, got.Reasons, h.bad)
			}
		})
	}
}
