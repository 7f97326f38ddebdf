package coretools

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// The limits of Microsoft's emulator, from its Config-schema.json. Azure's service allows more.
const (
	emulatorDeliveries      = 10
	emulatorDuplicateWindow = 5 * time.Minute
	emulatorTimeToLive      = time.Hour
)

func parse(t *testing.T, name string, into any, unmarshal func([]byte, any) error) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// sampleValues returns the settings of local.settings.sample.json.
func sampleValues(t *testing.T) map[string]string {
	t.Helper()
	var file struct{ Values map[string]string }
	parse(t, "local.settings.sample.json", &file, json.Unmarshal)
	return file.Values
}

type compose struct {
	Services map[string]struct {
		Image, Command string
		Ports, Volumes []string
		Environment    map[string]string
		DependsOn      []string `yaml:"depends_on"`
	}
}

func TestMicrosoftsEmulatorHasTheQueuesOfTheApp(t *testing.T) {
	t.Parallel()
	var config struct {
		UserConfig struct {
			Namespaces []struct {
				Name   string
				Queues []struct {
					Name       string
					Properties struct {
						LockDuration, DefaultMessageTimeToLive string
						DuplicateDetectionHistoryTimeWindow    string

						MaxDeliveryCount                                             int
						RequiresDuplicateDetection, DeadLetteringOnMessageExpiration bool
						RequiresSession                                              bool
					}
				}
			}
			Logging struct{ Type string }
		}
	}
	parse(t, "tools/servicebus/config.json", &config, json.Unmarshal)
	if n := len(config.UserConfig.Namespaces); n != 1 {
		t.Fatalf("%d namespaces, but the emulator takes one", n)
	}
	namespace := config.UserConfig.Namespaces[0]
	if namespace.Name != "sbemulatorns" || config.UserConfig.Logging.Type == "" {
		t.Errorf("the emulator refuses this namespace or logging: %+v", config.UserConfig)
	}
	values := sampleValues(t)
	wanted := map[string]bool{values["StepsQueue"]: true, values["BlobEventsQueue"]: true}
	for _, q := range namespace.Queues {
		if !wanted[q.Name] {
			t.Errorf("queue %q is no queue of the app", q.Name)
		}
		delete(wanted, q.Name)
		p := q.Properties
		want := map[string]any{
			"lock": iso(LockDuration), "deliveries": min(MaxDeliveryCount, emulatorDeliveries),
			"duplicates": true, "window": iso(min(DuplicateWindow, emulatorDuplicateWindow)),
			"time to live": iso(emulatorTimeToLive), "dead letters": true, "sessions": false,
		}
		got := map[string]any{
			"lock": p.LockDuration, "deliveries": p.MaxDeliveryCount,
			"duplicates":   p.RequiresDuplicateDetection,
			"window":       p.DuplicateDetectionHistoryTimeWindow,
			"time to live": p.DefaultMessageTimeToLive,
			"dead letters": p.DeadLetteringOnMessageExpiration, "sessions": p.RequiresSession,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("queue %s: %s", q.Name, diff)
		}
	}
	if len(wanted) > 0 {
		t.Errorf("queues that are missing: %v", wanted)
	}
}

// iso formats a whole number of hours or minutes as ISO 8601.
func iso(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("PT%dH", d/time.Hour)
	}
	return fmt.Sprintf("PT%dM", d/time.Minute)
}

func TestComposeListensWhereTheSampleSettingsLead(t *testing.T) {
	t.Parallel()
	var file compose
	parse(t, "compose.yaml", &file, func(text []byte, into any) error {
		return yaml.Unmarshal(text, into)
	})
	published := map[string]bool{}
	for name, s := range file.Services {
		for _, port := range s.Ports {
			host, inside, _ := cutLast(port)
			if _, outside, _ := cutLast(host); outside != inside {
				t.Errorf("%s: port %s is another one inside", name, port)
			}
			published[host] = true
		}
		for _, other := range s.DependsOn {
			if _, ok := file.Services[other]; !ok {
				t.Errorf("%s depends on %s, which is no service", name, other)
			}
		}
		for variable, value := range s.Environment {
			if strings.Contains(variable, "PASSWORD") &&
				!strings.HasPrefix(value, "${"+variable+":?") {
				t.Errorf("%s: %s has a value in the file", name, variable)
			}
		}
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if _, err := os.Stat(filepath.Join(root, source)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	values := sampleValues(t)
	storage, wanted, err := storageOf(values)
	if err != nil || !wanted {
		t.Fatalf("the sample settings have no storage emulator: %v", err)
	}
	bus, wanted, err := busOf(values)
	if err != nil || !wanted {
		t.Fatalf("the sample settings have no Service Bus emulator: %v", err)
	}
	want := map[string]bool{bus.addr: true}
	for _, port := range []int{storage.BlobPort, storage.QueuePort, storage.TablePort} {
		want[fmt.Sprintf("127.0.0.1:%d", port)] = true
	}
	if diff := cmp.Diff(want, published); diff != "" {
		t.Errorf("ports (-settings +compose): %s", diff)
	}
	server := file.Services["servicebus"].Environment["SQL_SERVER"]
	if file.Services[server].Image == "" {
		t.Errorf("SQL_SERVER %q is no service", server)
	}
	// Both places that start Azurite use the same version.
	var pinned struct{ Dependencies map[string]string }
	parse(t, "tools/azurite/package.json", &pinned, json.Unmarshal)
	if _, tag, _ := cutLast(file.Services["azurite"].Image); tag != pinned.Dependencies["azurite"] {
		t.Errorf("compose.yaml has Azurite %s, tools/azurite %s", tag,
			pinned.Dependencies["azurite"])
	}
}

// cutLast cuts at the last colon.
func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndex(s, ":")
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
