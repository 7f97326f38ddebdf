package app_test

import (
	"runtime/debug"
	"testing"

	"fhirsynapse/internal/app"
)

func TestVersionNamesTheCommit(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{
		GoVersion: "go1.26", Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"},
		},
	}
	if got, want := app.Version(info),
		"fhirsynapse v1.2.3 0123456789ab with changes go1.26"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := app.Version(nil); got == "" {
		t.Error("nothing without build information")
	}
}
