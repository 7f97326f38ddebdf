package bulkfhir

import (
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"fhirsynapse/internal/fault"
)

// refused classifies an unexpected answer.
func (s *caller) refused(a answer) error {
	o := outcomeOf(a)
	what := "HTTP " + strconv.Itoa(a.status)
	if o.present {
		what += ": " + o.summary()
	} else {
		what += " (" + a.excerpt() + ")"
	}
	f := &fault.Error{
		Class: fault.Permanent, Whose: fault.TheirServer,
		Err: fault.WithServerText(fmt.Errorf("the FHIR server answered %s", what), a.prose(o)),
	}
	switch a.status {
	case http.StatusUnauthorized:
		f.Whose, f.Remedy = fault.OurPermission, s.signInRemedy()
	case http.StatusForbidden:
		f.Whose, f.Remedy = fault.OurPermission, s.rightRemedy()
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		f.Whose = fault.OurSetting
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		f.Whose, f.Remedy = fault.OurSetting,
			"check the FHIR base URL, the Group, and that the server exports in bulk"
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		f.Class, f.After = fault.Transient, s.retryIn(a)
	default:
		if a.status >= 500 {
			f.Class, f.After = fault.Transient, s.retryIn(a)
		}
	}
	return f
}

func (s *caller) signInRemedy() string {
	switch {
	case s.token == nil:
		return "the server requires a sign-in: write auth for this source"
	case s.dialect.container != "":
		return "check the identity: the token must be for the FHIR base URL as its audience"
	}
	return "check auth of this source: the server refuses our token, and also a new one"
}

func (s *caller) rightRemedy() string {
	if s.dialect.container != "" {
		return "give this app's identity the role FHIR Data Exporter"
	}
	return "have our client registered for system/*.read of the types of the plan"
}

// scrub removes our token from a server's text. JSON escapes may have hidden it from clean.
func (a answer) scrub(text string) string {
	if a.token == "" {
		return text
	}
	return strings.ReplaceAll(text, a.token, redacted)
}

// outcome holds the parts of an OperationOutcome that the client uses.
type outcome struct {
	present bool
	issues  []issue
	// cut is set if there were more issues than were read.
	cut bool
}

type issue struct {
	Severity    string   `json:"severity"`
	Code        string   `json:"code"`
	Diagnostics string   `json:"diagnostics"`
	Expression  []string `json:"expression"`
	Location    []string `json:"location"`
	Details     struct {
		Text   string `json:"text"`
		Coding []struct {
			Code string `json:"code"`
		} `json:"coding"`
	} `json:"details"`
}

func (i issue) words() string {
	if i.Diagnostics != "" {
		return i.Diagnostics
	}
	return i.Details.Text
}

// outcomeOf parses an OperationOutcome, whatever the Content-Type is.
func outcomeOf(a answer) outcome {
	if a.tooLong {
		return outcome{}
	}
	return readOutcome(a.body)
}

// begins reports whether an issue's text begins with prefix, ignoring case.
func (o outcome) begins(prefix string) bool {
	return prefix != "" && slices.ContainsFunc(o.issues, func(i issue) bool {
		w := strings.TrimSpace(i.words())
		return len(w) >= len(prefix) && strings.EqualFold(w[:len(prefix)], prefix)
	})
}

// transient reports whether an issue's code is in FHIR's transient family. The guide tells clients
// to retry these.
func (o outcome) transient() bool {
	return slices.ContainsFunc(o.issues, func(i issue) bool {
		switch i.Code {
		case "transient", "lock-error", "no-store", "exception", "timeout", "incomplete",
			"throttled":
			return true
		}
		return false
	})
}

// maxSummary bounds the issues in a message.
const maxSummary = 5

// summary lists the issues by code and element. Their text may describe a patient and is left to
// prose.
func (o outcome) summary() string {
	var parts []string
	for n, i := range o.issues {
		if n == maxSummary {
			parts = append(parts, fmt.Sprintf("and %d more", len(o.issues)-n))
			break
		}
		part := word(i.Code)
		for _, path := range slices.Concat(i.Expression, i.Location) {
			if e := element(path); e != "" {
				part += " at " + e
				break
			}
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return "an OperationOutcome without issues"
	}
	return strings.Join(parts, "; ")
}

// prose returns the server's free text for fault.WithServerText.
func (a answer) prose(o outcome) string {
	if !o.present {
		return readable(a.scrub(string(a.body[:min(len(a.body), maxProse)])))
	}
	var parts []string
	for _, i := range o.issues[:min(len(o.issues), maxProseIssues)] {
		w := strings.TrimSpace(clip(i.Code, 40) + ": " + i.words())
		if at := slices.Concat(i.Expression, i.Location); len(at) > 0 {
			w += " (" + strings.Join(at[:min(len(at), 5)], ", ") + ")"
		}
		parts = append(parts, w)
	}
	return readable(a.scrub(strings.Join(parts, "\n")))
}

// Limits for a server's free text.
const (
	maxProse       = 16 << 10
	maxProseIssues = 100
)

// readable replaces control characters except line breaks, because a terminal would act on them.
func readable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
}

// excerpt describes a body by type and length, without its content.
func (a answer) excerpt() string {
	n := int64(len(a.body))
	if a.tooLong {
		n--
	}
	return excerpt(a.header, n, a.tooLong)
}

func excerpt(h http.Header, length int64, more bool) string {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		t = "no content type"
	}
	n := strconv.FormatInt(length, 10) + " bytes"
	if more {
		n = "more than " + n
	}
	return clip(t, 60) + ", " + n
}

// clip fits a server's text into one line of a log.
func clip(s string, most int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > most {
			b.WriteString("…")
			break
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}
