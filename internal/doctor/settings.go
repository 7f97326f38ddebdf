package doctor

import (
	"context"
	"fmt"
	"strings"

	"fhirsynapse/internal/fault"
)

// app reports the state of the deployed app. The settings themselves are checked like others.
func app(a App) Outcome {
	of := fmt.Sprintf("%d settings read; rights are tried as you, and the roles of the app's identity read from Azure",
		a.Settings)
	switch {
	case !strings.EqualFold(a.State, "Running"):
		return failed(fmt.Sprintf("az functionapp start --name %s --resource-group %s", a.Name,
			a.Group), "it is %s; %s", strings.ToLower(a.State), of)
	case len(a.Unresolved) > 0:
		return warn("to check them too, set them as environment variables before the command",
			"%s; only the app can read %s, a reference to a vault", of,
			strings.Join(a.Unresolved, ", "))
	}
	return fine("running; %s", of)
}

// settings reports all faults at once.
func settings(s Settings) Outcome {
	switch {
	case len(s.Faults) > 0:
		lines := make([]string, len(s.Faults))
		for i, err := range s.Faults {
			lines[i] = fault.Clip(err.Error())
		}
		what := "one fault"
		if len(lines) > 1 {
			what = fmt.Sprintf("%d faults", len(lines))
		}
		return failed("docs/configuration.md lists all settings", "%s:\n%s", what,
			strings.Join(lines, "\n"))
	case len(s.Warnings) > 0:
		return warn("correct them, or leave them if they are meant so", "valid, but:\n%s",
			strings.Join(s.Warnings, "\n"))
	}
	return fine("complete and valid")
}

func views(compile func() (int, error)) Outcome {
	n, err := compile()
	if err != nil {
		return broken(err,
			"see what a view does: fhirsynapse sql VIEW --engine ENGINE; the bundled views are in views/")
	}
	return fine("they compile, to %d tables", n)
}

func readPlans(
	ctx context.Context, read func(context.Context) (Plans, error), into *kept,
) Outcome {
	p, err := read(ctx)
	if err != nil {
		return broken(err)
	}
	into.set(p)
	what := fmt.Sprintf("plans %s", strings.Join(p.Names, ", "))
	if len(p.Names) == 1 {
		what = "plan " + p.Names[0]
	}
	if len(p.Warnings) > 0 {
		return warn("correct them, or leave them if they are meant so", "%s, but:\n%s", what,
			strings.Join(p.Warnings, "\n"))
	}
	return fine("%s", what)
}
