package app

import (
	"fmt"
	"runtime/debug"
)

// release is the version of a published build. The linker sets it, because such a build has no git
// data, so that everybody can repeat it.
var release string

// Version describes a build: the version of the module, the commit and the compiler.
func Version(info *debug.BuildInfo) string {
	if info != nil && release != "" {
		return fmt.Sprintf("fhirsynapse %s %s", release, info.GoVersion)
	}
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
