package functionshost

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAnAppThatCannotRunIsRefusedWithAllItsFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		files    map[string]string
		settings map[string]string
		want     []string
	}{
		"settings that are not set": {
			files: map[string]string{
				"T/function.json": `{"bindings":[{"type":"timerTrigger","name":"t","schedule":"%When%"}]}`, "Q/function.json": queueFunction,
			},
			want: []string{
				"T/function.json", "%When% does not resolve", "Q/function.json",
				"%Queue% does not resolve", "the setting Bus is not set",
			},
		},
		"no connection string": {
			files: map[string]string{"Q/function.json": queueFunction},
			settings: map[string]string{
				"Queue": "q", "Bus": "Endpoint=nonsense;SharedAccessKey=secret",
			},
			want: []string{"function Q: the setting Bus is no Service Bus connection string"},
		},
		"managed identity": {
			files: map[string]string{"Q/function.json": queueFunction},
			settings: map[string]string{
				"Queue": "q", "Bus__fullyQualifiedNamespace": "x.servicebus.windows.net",
			},
			want: []string{"managed identity", "set Bus to a connection string"},
		},
		"schedules": {
			files: map[string]string{
				"A/function.json": `{"bindings":[{"type":"timerTrigger","name":"t","schedule":"* * *"}]}`, "B/function.json": `{"bindings":[{"type":"timerTrigger","name":"t"}]}`,
			},
			want: []string{"A/function.json: schedule", "B/function.json: schedule"},
		},
		"triggers": {
			files: map[string]string{
				"A/function.json": `{"bindings":[]}`, "B/function.json": `{`,
				"C/function.json": `{"bindings":[{"type":"serviceBusTrigger","name":"m","topicName":"x","connection":"Bus"}]}`,
			},
			want: []string{
				"A/function.json: it has 0 triggers", "B/function.json", "C/function.json",
				"no topics",
			},
		},
		"host.json": {
			files: map[string]string{
				"host.json": `{"functionTimeout":"soon","extensions":{"serviceBus":{"maxConcurrentCalls":0}}}`, "T/function.json": timerFunction,
			},
			want: []string{
				"defaultExecutablePath is missing", `version is ""`, `functionTimeout: "soon"`,
				"maxConcurrentCalls",
			},
		},
		"no handler": {
			files: map[string]string{
				"host.json": `{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":"no-such-handler"}}}`, "T/function.json": timerFunction,
			},
			want: []string{"no-such-handler is neither a file"},
		},
		"a handler without the exec bit": {
			files: map[string]string{
				"host.json": `{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":"handler"}}}`, "handler": "", "T/function.json": timerFunction,
			},
			want: []string{"handler is not executable"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := newApp(t, nil)
			for path, text := range tt.files {
				write(t, filepath.Join(root, path), text)
			}
			_, err := tryStart(t, root, "serve", func(o *Options) {
				for k, v := range tt.settings {
					o.Settings[k] = v
				}
			})
			if err == nil {
				t.Fatal("it started")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error has a secret: %v", err)
			}
		})
	}
}

func TestFunctionsAreOnlyFoundInDirectChildFolders(t *testing.T) {
	t.Parallel()
	root := newApp(t, map[string]string{
		"functions/TimerExport": timerFunction, "9lives": timerFunction, "host": timerFunction,
	})
	if _, err := tryStart(t, root, "serve", nil); !errors.Is(err, ErrNoFunctions) {
		t.Errorf("got %v", err)
	}
}

func TestDisabledFunctionsAreLeftOut(t *testing.T) {
	t.Parallel()
	root := newApp(t, map[string]string{
		"Ok": timerFunction, "Off": timerFunction, "Gone": `{"disabled":true}`,
	})
	w := start(t, root, "serve", func(o *Options) {
		o.Settings["AzureWebJobs.Off.Disabled"] = "true"
	})
	if diff := cmp.Diff([]string{"Ok"}, w.Functions()); diff != "" {
		t.Error(diff)
	}
}

func TestSettingsOverrideHostJSON(t *testing.T) {
	t.Parallel()
	root := newApp(t, map[string]string{"Ok": timerFunction})
	a, err := load(root, settings{
		given: map[string]string{
			"Mode": "x", "AzureFunctionsJobHost__extensions__serviceBus__maxConcurrentCalls": "7",
		},
		environment: []string{
			"AzureFunctionsJobHost__FunctionTimeout=00:10:00",
			"azurefunctionsjobhost__functiontimeout=1.02:03:04.5",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := 26*time.Hour + 3*time.Minute + 4500*time.Millisecond
	if a.maxCalls != 7 || a.functionTimeout != want || a.renewFor != 5*time.Minute ||
		a.initialization != 30*time.Second {
		t.Errorf("got %+v", a)
	}
}

func TestTheRepositorysHostJSONIsReadWhole(t *testing.T) {
	t.Parallel()
	root := newApp(t, map[string]string{"Ok": timerFunction})
	write(t, filepath.Join(root, "host.json"), readFile(t, "../../../host.json"))
	write(t, filepath.Join(root, "handler"), "")
	// #nosec G302 -- it must be executable
	if err := os.Chmod(filepath.Join(root, "handler"), 0o700); err != nil {
		t.Fatal(err)
	}
	a, err := load(root, settings{})
	if err != nil {
		t.Fatal(err)
	}
	if a.executable != filepath.Join(root, "handler") || a.functionTimeout != time.Hour ||
		a.renewFor != 65*time.Minute || a.maxCalls != 4 || a.initialization != time.Minute {
		t.Errorf("got %+v", a)
	}
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 11, 23, 5, 0, 30, 0, time.FixedZone("", 3600)) // 04:00:30 UTC, a Monday
	for text, want := range map[string]string{
		"0 */5 * * * *":    "2026-11-23T04:05:00Z",
		"*/10 * * * * *":   "2026-11-23T04:00:40Z",
		"*/5 * * * *":      "2026-11-23T04:05:00Z", // five fields: no seconds
		"0 30 9 * * 1-5":   "2026-11-23T09:30:00Z",
		"0 0 0 29 Feb *":   "2028-02-29T00:00:00Z",
		"0 0 0 13 * 5":     "2027-08-13T00:00:00Z", // both must match: a Friday the 13th
		"0 0 0 * * 0":      "2026-11-29T00:00:00Z",
		"00:15:00":         "2026-11-23T04:15:30Z",
		"* * * *":          "",
		"":                 "",
		"0 0 0 31 2 *":     "",
		"@daily":           "",
		"0 0 0 ? * *":      "",
		"TZ=UTC 0 0 * * *": "",
		"61 * * * * *":     "",
		"soon":             "",
	} {
		s, err := parseSchedule(text)
		if (err != nil) != (want == "") {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil {
			continue
		}
		if got := s.Next(from).Format(time.RFC3339); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestTimeSpans(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"00:05:00": 5 * time.Minute, "01:00:00": time.Hour, "00:30": 30 * time.Minute, "-1": 0,
		"2.00:00:00.25": 48*time.Hour + 250*time.Millisecond,
	} {
		if got, err := parseSpan(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "5m", "24:00:00", "00:60:00", "00:00:60", "1", "-00:01:00"} {
		if got, err := parseSpan(text); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestAnswersAreJudgedAsByTheHost(t *testing.T) {
	t.Parallel()
	const good = `{"Outputs":{},"Logs":[],"ReturnValue":null}`
	for name, tt := range map[string]struct {
		status      int
		media, body string
		want        string // empty: success
	}{
		"good":            {200, "application/json", good, ""},
		"with a charset":  {202, "application/json; charset=utf-8", good, ""},
		"an empty object": {200, "application/json", "{}", ""},
		"other members":   {200, "application/json", `{"x":1,"Logs":["a"]}`, ""},
		"500":             {500, "application/json", good, "500 Internal Server Error"},
		"a redirect":      {302, "", "", "302 Found"},
		"empty":           {200, "application/json", "", "empty"},
		"empty, no type":  {204, "", "", "empty"},
		"null":            {200, "application/json", "null", "null"},
		"no type":         {200, "", good, `content type is ""`},
		"text": {
			200, "text/plain; charset=utf-8", good,
			`content type is "text/plain; charset=utf-8"`,
		},
		"an array": {200, "application/json", "[1]", "a JSON array, must be an object"},
		"a string": {200, "application/json", `"ok"`, "a JSON string, must be an object"},
		"not JSON": {200, "application/json", "secret", "not JSON"},
		"cut off":  {200, "application/json", `{"Outputs":`, "not JSON"},
		"Logs is no list": {
			200, "application/json", `{"Logs":"secret"}`,
			"Logs of the answer is a JSON string",
		},
		"Outputs is a list": {
			200, "application/json", `{"Outputs":["secret"]}`,
			"Outputs of the answer is a JSON array",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := judge(tt.status, tt.media, []byte(tt.body))
			if (err == nil) != (tt.want == "") ||
				err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the reason quotes the answer: %v", err)
			}
		})
	}
}

func TestLinesAreHandedOverWhole(t *testing.T) {
	t.Parallel()
	var got []string
	l := &lines{sink: func(b []byte) { got = append(got, string(b)) }}
	for _, part := range []string{"a", "b\nc\r\n", "\n", "d", ""} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	l.flush()
	l.flush()
	if diff := cmp.Diff([]string{"ab", "c", "", "d"}, got); diff != "" {
		t.Error(diff)
	}
	got = nil
	for range 3 {
		if _, err := l.Write(make([]byte, maxLine)); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 3 || len(l.part) != 0 {
		t.Errorf("a line without an end is held: %d pieces, %d bytes", len(got), len(l.part))
	}
}
