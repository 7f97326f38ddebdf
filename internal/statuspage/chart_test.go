package statuspage

import (
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/statuspage/history"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func TestNiceTops(t *testing.T) {
	t.Parallel()
	for most, want := range map[float64]float64{
		0: 2, 1: 2, 3: 4, 7: 10, 41: 50, 99: 100, 2970: 4000, 5001: 10_000,
	} {
		if got := nice(most); got != want {
			t.Errorf("nice(%v) = %v, want %v", most, got, want)
		}
	}
	for most, want := range map[time.Duration]time.Duration{
		0: 2 * time.Second, 9 * time.Second: 10 * time.Second, 41 * time.Second: 2 * time.Minute,
		3 * time.Hour: 4 * time.Hour, 50 * time.Hour: 4 * 24 * time.Hour,
		100 * 24 * time.Hour: 100 * 24 * time.Hour,
	} {
		if got := niceSeconds(most.Seconds()); got != want.Seconds() {
			t.Errorf("niceSeconds(%v) = %v s, want %v", most, got, want)
		}
	}
}

// A month of exports every minute makes a path that a browser draws at once.
func TestALongLineIsThin(t *testing.T) {
	t.Parallel()
	var points []point
	for at := noon.Add(-shownDays * 24 * time.Hour); at.Before(noon); at = at.Add(time.Minute) {
		points = append(points, point{at, 60}, point{at, float64(at.Minute())})
	}
	c := newChart(noon)
	c.seconds("lag", points)
	if n := strings.Count(c.Path, "L"); n > 4*chartWidth || n < chartWidth/2 {
		t.Errorf("%d lines for %d points", n, len(points))
	}
	highest := c.y(60, niceSeconds(60))
	for _, p := range c.thin(points) {
		if c.y(p.y, niceSeconds(60)) < highest {
			t.Errorf("a point above the highest: %+v", p)
		}
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0 ms", 1500 * time.Millisecond: "1 s", 61 * time.Second: "1 min 1 s",
		time.Hour: "1 h", 90 * time.Minute: "1 h 30 min", 49 * time.Hour: "2 d 1 h",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
	if ago(0) != "now" || ago(time.Minute) != "1 min ago" || until(-1) != "now" ||
		until(time.Minute) != "in 1 min" {
		t.Error("before and after")
	}
	if rate(0, time.Second) != "" || rate(100, 0) != "" || rate(10, 4*time.Second) !=
		"2.5 per second" || rate(90_000, time.Minute) != "1,500 per second" {
		t.Error("rates")
	}
}

func TestSentences(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "give the role": "Give the role.", "done!": "Done!", "ärgerlich": "Ärgerlich.",
		"exports.yaml has no plan": "exports.yaml has no plan.", "what?": "What?",
		"nightly-000012 failed": "nightly-000012 failed.",
	} {
		if got := sentence(text); got != want {
			t.Errorf("sentence(%q) = %q, want %q", text, got, want)
		}
	}
	if got := clip(strings.Repeat("ä", 500)); len([]rune(got)) != clipped+1 {
		t.Errorf("%d characters", len([]rune(got)))
	}
	if got := cause("HTTP 403: give the role", "give the role"); got != "HTTP 403" {
		t.Errorf("cause %q", got)
	}
}

func TestLagIsTheLongestOfEachHour(t *testing.T) {
	t.Parallel()
	hour := func(h float64) time.Time {
		return noon.Add(time.Duration(h * float64(time.Hour)))
	}
	p := past{name: "p", entries: []history.Entry{ // the newest first
		{Number: 3, State: records.Loaded, Till: hour(-2), FinishedAt: hour(-1.5)},
		{Number: 2, State: records.Failed, Till: hour(-3), FinishedAt: hour(-2.5)},
		{Number: 1, State: records.Loaded, Till: hour(-5), FinishedAt: hour(-4.5)},
	}}
	got := lagOf(p, noon)
	if got.Now != 2*3600 || got.Most != int64(3.5*3600) || len(got.Lags) != 2 ||
		got.Lags[1].Lag != 1800 || got.Latest()[0].Export != "p-000003" {
		t.Errorf("%+v", got)
	}
	hours := map[time.Time]time.Duration{}
	longest(hours, hour(-5), hour(-4.5), hour(-1.5))
	for h, want := range map[float64]float64{-5: 1, -4: 2, -3: 3, -2: 3.5} {
		if got := hours[hour(h)].Hours(); got != want {
			t.Errorf("at %v the longest lag is %v h, want %v h", h, got, want)
		}
	}
	if got := lagOf(past{}, noon); got.Now != -1 || got.NowText() != "unknown" {
		t.Errorf("without exports: %+v", got)
	}
}
