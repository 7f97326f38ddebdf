package fault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"fhirsynapse/internal/fault"
)

func TestServerTextStaysOutOfTheMessage(t *testing.T) {
	t.Parallel()
	one := fault.WithServerText(errors.New("the server answered HTTP 400 processing"),
		" Patient Zz has no consent\n")
	two := fault.WithServerText(fault.Permanentf("HTTP 500"), "stack of Zz")
	err := fmt.Errorf("poll: %w", &fault.Error{
		Class: fault.Permanent, Err: fmt.Errorf("%w; before: %w", one, two),
	})
	for _, text := range []string{
		err.Error(), fmt.Sprintf("%v", err), fmt.Sprintf("%s %q", err, err),
	} {
		if strings.Contains(text, "Zz") {
			t.Errorf("the message shows the server's text: %s", text)
		}
	}
	if got, want := fault.ServerText(err), "Patient Zz has no consent\nstack of Zz"; got != want {
		t.Errorf("server text %q, want %q", got, want)
	}
	if fault.Of(two) != fault.Permanent {
		t.Error("the class is lost")
	}
	if fault.WithServerText(nil, "x") != nil || fault.ServerText(errors.New("x")) != "" ||
		fault.ServerText(nil) != "" {
		t.Error("a text without an error, or an error without one")
	}
}

func TestClipEndsWithWholeCharacters(t *testing.T) {
	t.Parallel()
	if got := fault.Clip("short"); got != "short" {
		t.Errorf("got %q", got)
	}
	for _, s := range []string{
		strings.Repeat("ä", 3000), "x" + strings.Repeat("漢", 3000), strings.Repeat("x", 1<<20),
	} {
		got := fault.Clip(s)
		if len(got) > fault.MaxCause || len(got) < fault.MaxCause-8 || !utf8.ValidString(got) ||
			!strings.HasSuffix(got, "…") {
			t.Errorf("%d bytes, valid %v", len(got), utf8.ValidString(got))
		}
	}
	huge := fault.ServerText(fault.WithServerText(errors.New("x"), strings.Repeat("y", 1<<20)))
	if len(huge) > 16<<10 {
		t.Errorf("%d bytes of server text", len(huge))
	}
}
