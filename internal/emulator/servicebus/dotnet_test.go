package servicebus

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDotNetClient runs Microsoft's .NET client, which the Functions host contains, against a
// namespace. The program is not part of the project; somebody has to build it next to the checkout.
func TestDotNetClient(t *testing.T) {
	t.Parallel()
	probe, err := filepath.Abs("../../../../shared/tools/sbprobe")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath(probe); err != nil {
		t.Skip("the .NET Service Bus probe is missing: ../shared/tools/sbprobe")
	}
	for name, c := range map[string]struct {
		config QueueConfig
		flags  []string
		checks string
	}{
		"a queue as the product has it": {
			QueueConfig{
				LockDuration: 5 * time.Minute, DuplicateWindow: time.Hour, MaxDeliveryCount: 10,
			},
			[]string{"--dedup", "--max-delivery", "10"},
			"15 passed, 0 failed",
		},
		"locks that run out": {
			QueueConfig{LockDuration: 3 * time.Second, MaxDeliveryCount: 10},
			[]string{"--lock", "3"},
			"14 passed, 0 failed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := New(Options{})
			t.Cleanup(s.Close)
			s.AddQueue("probe", c.config)
			if _, err := s.Listen("127.0.0.1:0"); err != nil {
				t.Fatal(err)
			}
			args := append([]string{"--connection", s.ConnectionString(), "--queue", "probe"},
				c.flags...)
			out, err := exec.CommandContext(t.Context(), probe, args...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), c.checks) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
