package internal

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

type workflow struct {
	On          any
	Permissions map[string]string
	Jobs        map[string]struct {
		Environment any
		Permissions map[string]string
		Steps       []struct {
			Uses, Run, If string
			With          map[string]any
			Env           map[string]string
		}
	}
}

// workflows returns the parsed workflows and their texts, by name.
func workflows(t *testing.T) (parsed map[string]workflow, texts map[string]string) {
	t.Helper()
	paths, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	parsed, texts = map[string]workflow{}, map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var w workflow
		if err := yaml.Unmarshal(text, &w); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		parsed[filepath.Base(path)], texts[filepath.Base(path)] = w, string(text)
	}
	return parsed, texts
}

func TestWorkflowsRunTargetsOfTheMakefile(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, found := range regexp.MustCompile(`(?m)^([a-z0-9/-]+):`).FindAllStringSubmatch(
		string(makefile), -1) {
		targets[found[1]] = true
	}
	command := regexp.MustCompile(`\bmake ([a-z0-9/-]+)`)
	parsed, _ := workflows(t)
	run := map[string]bool{}
	for name, w := range parsed {
		for job, j := range w.Jobs {
			for _, step := range j.Steps {
				for _, found := range command.FindAllStringSubmatch(step.Run, -1) {
					run[found[1]] = true
					if !targets[found[1]] {
						t.Errorf("%s, job %s: make has no target %q", name, job, found[1])
					}
				}
			}
		}
	}
	for _, want := range []string{"lint", "test", "package", "publish", "release"} {
		if !run[want] {
			t.Errorf("no workflow runs make %s", want)
		}
	}
}

func TestActionsArePinnedToACommit(t *testing.T) {
	t.Parallel()
	_, texts := workflows(t)
	pinned := regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	for name, text := range texts {
		for line := range strings.Lines(text) {
			if _, action, found := strings.Cut(strings.TrimSpace(line), "uses: "); found &&
				!pinned.MatchString(action) {
				t.Errorf("%s: %q needs a commit and, in a comment, its version", name, action)
			}
		}
	}
}

// A fork has no secrets, and a workflow has no right that it does not need.
func TestWorkflowsNeedNoSecretAndFewRights(t *testing.T) {
	t.Parallel()
	parsed, texts := workflows(t)
	rights := map[string]map[string]string{ // beyond reading, by file and job
		"deploy.yml publish":  {"contents": "read", "id-token": "write"},
		"release.yml publish": {"contents": "write"},
	}
	for name, w := range parsed {
		for _, word := range []string{
			"secrets.", "pull_request_target", "creds:", "publish-profile", "password",
		} {
			if strings.Contains(texts[name], word) {
				t.Errorf("%s has %q", name, word)
			}
		}
		if diff := cmp.Diff(map[string]string{"contents": "read"}, w.Permissions); diff != "" {
			t.Errorf("%s: permissions: %s", name, diff)
		}
		for job, j := range w.Jobs {
			key := name + " " + job
			if diff := cmp.Diff(rights[key], j.Permissions); diff != "" {
				t.Errorf("%s: permissions: %s", key, diff)
			}
			delete(rights, key)
			for _, step := range j.Steps {
				if strings.Contains(step.Run, "${{") {
					t.Errorf("%s: %q puts text of others into a command: give it by env", key,
						step.Run)
				}
				if strings.HasPrefix(step.Uses, "actions/checkout@") &&
					step.With["persist-credentials"] != false {
					t.Errorf("%s: the checkout keeps its token: persist-credentials must be false",
						key)
				}
			}
		}
	}
	if len(rights) > 0 {
		t.Errorf("no such jobs: %v", slices.Sorted(maps.Keys(rights)))
	}
}

func TestDeploySignsInWithOpenIDConnect(t *testing.T) {
	t.Parallel()
	parsed, _ := workflows(t)
	job := parsed["deploy.yml"].Jobs["publish"]
	if job.Environment == nil {
		t.Error("the job has no environment, which the federated credential names")
	}
	login, publish := -1, -1
	for i, step := range job.Steps {
		switch {
		case strings.HasPrefix(step.Uses, "azure/login@"):
			login = i
			want := map[string]any{
				"client-id":       "${{ vars.AZURE_CLIENT_ID }}",
				"tenant-id":       "${{ vars.AZURE_TENANT_ID }}",
				"subscription-id": "${{ vars.AZURE_SUBSCRIPTION_ID }}",
			}
			if diff := cmp.Diff(want, step.With); diff != "" {
				t.Error(diff)
			}
		case strings.HasPrefix(step.Run, "make publish"):
			publish = i
		case strings.Contains(strings.ToLower(step.Uses), "azure/functions-action"):
			t.Error("Azure/functions-action loses the exec bit of the handler")
		}
	}
	if login < 0 || publish < login {
		t.Errorf("sign-in is step %d, publishing step %d", login, publish)
	}
}
