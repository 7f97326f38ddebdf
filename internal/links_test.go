package internal_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	markdownLink = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	codeBlock    = regexp.MustCompile("(?ms)^```.*?^```")
	heading      = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	notInAnchor  = regexp.MustCompile(`[^\p{L}\p{N}\-_ ]`)
)

// anchors returns the anchors that GitHub gives to the headings of a page.
func anchors(page string) map[string]bool {
	out := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(page, ""), -1) {
		text := strings.ToLower(notInAnchor.ReplaceAllString(m[1], ""))
		out[strings.ReplaceAll(text, " ", "-")] = true
	}
	return out
}

// A reader who follows a link between the pages of this repository arrives.
func TestLinksOfPagesArrive(t *testing.T) {
	t.Parallel()
	list, err := exec.CommandContext(t.Context(), "git", "-C", "..", "ls-files", "*.md").Output()
	if err != nil {
		t.Skipf("git does not list the pages: %v", err)
	}
	links := 0
	for _, name := range strings.Fields(string(list)) {
		page, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range markdownLink.FindAllStringSubmatch(
			codeBlock.ReplaceAllString(string(page), ""), -1) {
			path, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, ":") {
				continue // outside
			}
			links++
			there := page
			if path != "" {
				target := filepath.Join("..", filepath.Dir(name), path)
				if info, err := os.Stat(target); err == nil && info.IsDir() && anchor == "" {
					continue
				}
				if there, err = os.ReadFile(target); err != nil {
					t.Errorf("%s: %s leads to nothing", name, m[1])
					continue
				}
			}
			if anchor != "" && !anchors(string(there))[anchor] {
				t.Errorf("%s: %s has no such heading", name, m[1])
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links were found", links)
	}
}
