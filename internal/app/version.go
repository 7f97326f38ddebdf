package app

import (
	"fmt"
	"runtime/debug"
)

// Version describes a build: the module's version, the commit, the compiler.
func Version(info *debug.BuildInfo) string {
	if info == nil {
		return "fhirsynapse (no build information)"
	}
	version, commit, changed := info.Main.Version, "", ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			commit = " " + setting.Value[:min(12, len(setting.Value))]
		case setting.Key == "vcs.modified" && setting.Value == "true":
			changed = " with changes"
		}
	}
	return fmt.Sprintf("fhirsynapse %s%s%s %s", version, commit, changed, info.GoVersion)
}
