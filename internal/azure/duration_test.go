package azure

import (
	"math"
	"testing"
	"time"
)

func TestDurationsOfServiceBus(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"": 0, "PT1H": time.Hour, "P1D": 24 * time.Hour, "PT5M30S": 330 * time.Second,
		"P1DT1H1M1.5S":               25*time.Hour + time.Minute + 1500*time.Millisecond,
		"P10675199DT2H48M5.4775807S": math.MaxInt64,
	} {
		if got, err := isoDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"1H", "P1H", "PT", "PTH", "PT1", "PT1X", "PT1.2.3S"} {
		if got, err := isoDuration(text); err == nil && text != "PT" {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func FuzzISODuration(f *testing.F) {
	f.Add("P1DT2H3M4.5S")
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := isoDuration(text); err == nil && d < 0 {
			t.Errorf("%q is %v", text, d)
		}
	})
}
