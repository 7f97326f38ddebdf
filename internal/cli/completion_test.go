package cli_test

import (
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/cli"
)

func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ args, want string }{
		{"--help", "completion "},
		{"completion bash", "__start_fhirsynapse"},
		{"completion zsh", "#compdef fhirsynapse"},
		{"completion fish", "complete -c fhirsynapse"},
		{"completion powershell", "Register-ArgumentCompleter"},
		{"__complete quarantine s", "show\t"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			var out, errs strings.Builder
			code := cli.Run(t.Context(), strings.Fields(tt.args),
				func(string) string { return "" },
				cli.Streams{Out: &out, Err: &errs, Now: time.Now}, commands())
			if code != 0 || !strings.Contains(out.String(), tt.want) {
				t.Errorf("ended with %d, no %q in\n%.400s%s", code, tt.want, out.String(),
					errs.String())
			}
		})
	}
}
