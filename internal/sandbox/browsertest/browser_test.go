package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience bounds every wait for a page.
const patience = 60 * time.Second

// chromium returns the path of the browser. It skips the test if there is none.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
	} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("chromium is not on PATH: install it to run this test (Debian: apt-get install chromium)")
	return ""
}

// axe returns the script that checks a page for accessibility. It skips the test if it is not
// installed.
func axe(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "tools", "axe", "node_modules", "axe-core",
		"axe.min.js"))
	if err != nil {
		t.Skip("axe-core is not installed: run make need-axe")
	}
	return string(text)
}

// browser is a page in a browser.
type browser struct {
	context.Context //nolint:containedctx // the page's life

	t    *testing.T
	base string
	axe  string
	shot int
}

// open starts a browser at the address of a status page. Errors of the page's script, and content
// that its policy refuses, fail the test.
func open(t *testing.T, base string) *browser {
	t.Helper()
	path, script := chromium(t), axe(t)
	allocator, stop := chromedp.NewExecAllocator(t.Context(), append(
		chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.WindowSize(1280, 1000))...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	b := &browser{Context: ctx, t: t, base: base, axe: script}
	if err := chromedp.Do(ctx); err != nil { // without a limit: it starts the browser
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	run(b, command(log.Enable, cdp.Empty{}))
	return b
}

// hear takes the events of the page.
func (b *browser) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.t.Errorf("the script of the page fails: %v", e.ExceptionDetails)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.Text, "404") {
			b.t.Errorf("the browser reports: %s", e.Entry.Text)
		}
	}
}

// command is an action that sends a command of the protocol.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[R] {
	return func(ctx context.Context, t *chromedp.Target) (R, error) {
		return cdp.Call(ctx, t, c, params)
	}
}

// run does an action within patience, and returns its value.
func run[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	v, err := try(b, action)
	if err != nil {
		b.fail(err)
	}
	return v
}

// fail ends the test, with the page as it is.
func (b *browser) fail(err error) {
	b.t.Helper()
	at, _ := try(b, chromedp.Location())
	text, _ := try(b, chromedp.Text(chromedp.CSS("body")))
	b.screenshot("failed")
	b.t.Fatalf("%v\nat %s:\n%s", err, at, text)
}

func try[T any](b *browser, action chromedp.Action[T]) (T, error) {
	ctx, done := context.WithTimeoutCause(b, patience, fmt.Errorf("no answer within %v", patience))
	defer done()
	return chromedp.Run(ctx, action)
}

// key is the administration key of the host. Links and buttons repeat it.
const key = "k/1+2="

// visit opens a page by its path below the first one.
func (b *browser) visit(path string) {
	b.t.Helper()
	run(b, chromedp.Steps(chromedp.Navigate(b.base+path+"?code="+url.QueryEscape(key)),
		chromedp.WaitVisible(chromedp.CSS("main"))))
}

// click follows a link or presses a button by its name, and waits for the next page.
func (b *browser) click(name string) {
	b.t.Helper()
	quoted, err := json.Marshal(name)
	if err != nil {
		b.t.Fatal(err)
	}
	// The first page is marked, so that the next one is recognized even at the same address.
	run(b, chromedp.Evaluate[bool](`window.old = true`))
	run(b, chromedp.Click(fmt.Sprintf(
		`//main//*[(self::a or self::button) and contains(normalize-space(.), %[1]s)] | //nav//a[normalize-space(.) = %[1]s]`,
		quoted)))
	b.poll(`!window.old && document.readyState === "complete"`)
}

// poll waits until an expression is true. While the browser changes to another page, it cannot be
// evaluated.
func (b *browser) poll(expression string) {
	b.t.Helper()
	ctx, done := context.WithTimeout(b, patience)
	defer done()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if err == nil && is {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.fail(fmt.Errorf("%s is not true within %v: %w", expression, patience, err))
		}
	}
}

// await waits until the page shows a text, without loading it again: the page renews itself.
func (b *browser) await(text string) {
	b.t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		b.t.Fatal(err)
	}
	b.poll(fmt.Sprintf(`document.querySelector("main").innerText.includes(%s)`, quoted))
}

// shows fails the test if the page does not show a text.
func (b *browser) shows(texts ...string) {
	b.t.Helper()
	shown := b.text("main")
	for _, text := range texts {
		if !strings.Contains(shown, text) {
			b.t.Errorf("the page does not show %q:\n%s", text, shown)
		}
	}
}

// text returns the text of an element.
func (b *browser) text(css string) string {
	b.t.Helper()
	return run(b, chromedp.Text(chromedp.CSS(css)))
}

// screenshot keeps a picture of the page with the output of the test.
func (b *browser) screenshot(name string) {
	b.t.Helper()
	b.shot++
	picture, err := try(b, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Logf("no picture %s: %v", name, err)
		return
	}
	file := filepath.Join(b.t.ArtifactDir(), fmt.Sprintf("%02d-%s.png", b.shot, name))
	if err := os.WriteFile(file, picture, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// look is a way to look at a page.
type look struct {
	name, scheme  string
	width, height int64
}

var looks = []look{
	{"light", "light", 1280, 1000}, {"dark", "dark", 1280, 1000}, {"phone", "light", 360, 740},
}

// as changes how the browser looks at pages.
func (b *browser) as(l look) {
	b.t.Helper()
	run(b, chromedp.EmulateViewport(l.width, l.height))
	run(b, command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme}},
	}))
}

// result holds the findings of axe-core on a page.
type result struct {
	Violations []violation
	Passes     int
}

// violation is a rule of accessibility that a page breaks.
type violation struct {
	ID, Help string
	Nodes    []struct {
		HTML           string
		FailureSummary string
	}
}

// accessible checks the page with axe-core in every look, and that nothing but a table's own region
// scrolls sideways. It keeps a picture of each.
func (b *browser) accessible(name string) {
	b.t.Helper()
	run(b, chromedp.Evaluate[bool](b.axe+"; true"))
	for _, l := range looks {
		b.as(l)
		found := run(b, chromedp.Evaluate[result](
			`axe.run().then((r) => ({ violations: r.violations, passes: r.passes.length }))`,
			chromedp.EvalAwaitPromise))
		for _, v := range found.Violations {
			b.t.Errorf("%s, %s: %s: %s", name, l.name, v.ID, v.Help)
			for _, n := range v.Nodes {
				b.t.Logf("%s\n%s", n.HTML, n.FailureSummary)
			}
		}
		if found.Passes < 20 {
			b.t.Errorf("%s, %s: only %d rules have passed: axe has not seen the page", name, l.name,
				found.Passes)
		}
		if run(b, chromedp.Evaluate[bool](
			`document.documentElement.scrollWidth > window.innerWidth`)) {
			b.t.Errorf("%s, %s: the page is wider than its window", name, l.name)
		}
		b.screenshot(name + "-" + l.name)
	}
}
