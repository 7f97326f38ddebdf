package statuspage

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// moment formats a time for a person. The page says that times are in UTC.
func moment(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// span formats a duration with its two greatest units.
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return two(int(d.Minutes()), "min", int(d.Seconds())%60, "s")
	case d < 24*time.Hour:
		return two(int(d.Hours()), "h", int(d.Minutes())%60, "min")
	}
	return two(int(d.Hours())/24, "d", int(d.Hours())%24, "h")
}

func two(great int, unit string, small int, smaller string) string {
	if small == 0 {
		return fmt.Sprintf("%d %s", great, unit)
	}
	return fmt.Sprintf("%d %s %d %s", great, unit, small, smaller)
}

func ago(d time.Duration) string {
	if d < time.Second {
		return "now"
	}
	return span(d) + " ago"
}

func until(d time.Duration) string {
	if d <= 0 {
		return "now"
	}
	return "in " + span(d)
}

// rate formats a throughput.
func rate(resources int64, d time.Duration) string {
	if resources <= 0 || d <= 0 {
		return ""
	}
	perSecond := float64(resources) / d.Seconds()
	if perSecond < 10 {
		return fmt.Sprintf("%.1f per second", perSecond)
	}
	return grouped(int64(perSecond)) + " per second"
}

// sentence makes a sentence of the text of an error or a remedy.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	// A word such as "exports.yaml" or "nightly-000012" stays.
	if word, _, _ := strings.Cut(text, " "); !strings.ContainsAny(word, "._-/0123456789") {
		text = string(unicode.ToUpper(first)) + text[size:]
	}
	if !strings.ContainsAny(text[len(text)-1:], ".!?…") {
		text += "."
	}
	return text
}

// clipped bounds a text in a list, in characters. The page of the export has all of it.
const clipped = 160

func clip(text string) string {
	if r := []rune(text); len(r) > clipped {
		return strings.TrimRight(string(r[:clipped]), " ,;:") + "…"
	}
	return text
}

// cause returns the cause of a failure without its remedy, which an error repeats at its end.
func cause(text, remedy string) string {
	if remedy == "" {
		return text
	}
	return strings.TrimSuffix(text, ": "+remedy)
}
