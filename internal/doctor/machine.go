package doctor

import (
	"context"
	"regexp"
	"strconv"
	"strings"
)

// machine returns the checks of a developer's machine: what a run without the cloud needs.
func machine(m Machine) []Check {
	var out []Check
	add := func(name, what string, needs []string, do func(ctx context.Context) Outcome) {
		out = append(out, Check{Name: name, What: what, Needs: needs, Do: do})
	}
	add("duckdb", "DuckDB", nil, func(ctx context.Context) Outcome {
		version, err := m.DuckDB(ctx)
		if err != nil {
			return broken(err)
		}
		return fine("version %s is part of this program", version)
	})
	if m.Dir == "" {
		return out
	}
	add("go", "Go", nil, func(ctx context.Context) Outcome { return goTool(ctx, m) })
	add("compiler", "C++ compiler", nil, func(ctx context.Context) Outcome {
		for _, name := range []string{"g++", "clang++", "c++"} {
			if text, err := m.Tool(ctx, name, "--version"); err == nil {
				return fine("%s", firstLine(text))
			}
		}
		return warn("apt-get install g++, or xcode-select --install",
			"there is none on the path; it links DuckDB into the program")
	})
	add("node", "Node.js and Azurite", nil, func(ctx context.Context) Outcome {
		text, err := m.Tool(ctx, "node", "--version")
		switch {
		case err != nil:
			return warn("install Node.js 20 or newer, from your system's packages or nodejs.org",
				"Node.js is not on the path; make demo, make run and make start run Azurite with it")
		case !m.Exists("tools/azurite/node_modules"):
			return fine("Node.js %s; the first make run, demo or start installs Azurite",
				firstLine(text))
		}
		return fine("Node.js %s, and Azurite is installed in tools/azurite", firstLine(text))
	})
	add("core-tools", "Azure Functions Core Tools", nil, func(ctx context.Context) Outcome {
		text, err := m.Tool(ctx, "func", "--version")
		if err != nil {
			return warn("only make start and make publish need them: npm install --global azure-functions-core-tools@4",
				"they are not on the path; make demo and make run do without")
		}
		return fine("version %s", firstLine(text))
	})
	add("handler", "Go handler", []string{"go"}, func(context.Context) Outcome {
		for _, dir := range []string{"dist-local", "dist-start"} {
			if m.Exists(dir + "/handler") {
				return fine("packaged in %s", dir)
			}
		}
		return warn("for Core Tools: make package-local; make demo and make run build it themselves",
			"it is not packaged yet")
	})
	add("exports-file", "exports.yaml", nil, func(context.Context) Outcome {
		if m.Exists("exports.yaml") {
			return fine("there is one")
		}
		return warn("cp exports.sample.yaml exports.yaml, and change its source",
			"there is none; make demo and make run bring their own")
	})
	add("azurite", "Azurite at "+m.Azurite, nil, func(ctx context.Context) Outcome {
		o := reach(ctx, m, m.Azurite, startAzurite)
		o.Stops = false
		o.Why = strings.TrimSuffix(o.Why, "; checks that need it are skipped")
		return o
	})
	return out
}

var goVersion = regexp.MustCompile(`go(\d+)\.(\d+)`)

func goTool(ctx context.Context, m Machine) Outcome {
	const install = "install it from https://go.dev/dl"
	text, err := m.Tool(ctx, "go", "version")
	if err != nil {
		return warn(install, "it is not on the path; building the program needs it")
	}
	found := goVersion.FindStringSubmatch(text)
	least := goVersion.FindStringSubmatch("go" + m.GoLeast)
	if found == nil || least == nil {
		return fine("%s", firstLine(text))
	}
	for i := 1; i <= 2; i++ {
		a, _ := strconv.Atoi(found[i]) // digits
		b, _ := strconv.Atoi(least[i]) // digits
		if a != b {
			if a < b {
				return warn(install, "version %s is older than go.mod asks for, %s",
					strings.TrimPrefix(found[0], "go"), m.GoLeast)
			}
			break
		}
	}
	return fine("version %s", strings.TrimPrefix(found[0], "go"))
}

// firstLine returns the first line of a text, shortened.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	const most = 100
	if len(line) > most {
		line = line[:most]
	}
	return strings.TrimSpace(line)
}
