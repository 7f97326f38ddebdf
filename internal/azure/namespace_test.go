package azure_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/emulator/servicebus"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// sendTo sends all requests to one server, whatever host they name.
type sendTo struct {
	host   string
	client *http.Client
}

func (s sendTo) Do(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Host, r.Host = s.host, ""
	return s.client.Do(r)
}

// admin serves the management API of the broker.
func (b *broker) admin(t *testing.T, permitted func(string) bool) sendTo {
	t.Helper()
	server := httptest.NewTLSServer(b.Admin(permitted))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return sendTo{u.Host, server.Client()}
}

func (b *broker) namespace(t *testing.T, permitted func(string) bool) *azure.Namespace {
	t.Helper()
	n, err := azure.NewNamespace(azure.Account{ConnectionString: b.ConnectionString()},
		b.admin(t, permitted))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSoon(t, n) })
	return n
}

func TestNamespaceTellsTheSettingsOfAQueue(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.AddQueue("plain", servicebus.QueueConfig{})
	n := b.namespace(t, nil)
	ctx := t.Context()
	if err := n.MaySend(ctx, queueName); err != nil {
		t.Error(err)
	}
	if s := b.Stats()[queueName]; s.Active+s.Scheduled != 0 {
		t.Errorf("something was sent: %+v", s)
	}
	if err := b.queue(t).Send(ctx, pipeline.Message{ID: "1", Body: []byte("{}")},
		pipeline.Message{ID: "2", Body: []byte("{}"), At: b.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	got, err := n.Queue(ctx, queueName)
	want := azure.QueueState{
		Duplicates: true, Window: time.Hour, Lock: 5 * time.Minute, MaxDelivery: 10,
		Status: "Active", Active: 1, Scheduled: 1,
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if got, err = n.Queue(ctx, "plain"); err != nil || got.Duplicates {
		t.Errorf("a queue without detection: %+v, %v", got, err)
	}
	for call, err := range map[string]error{
		"settings": second(n.Queue(ctx, "missing")), "send": n.MaySend(ctx, "missing"),
	} {
		if fault.Of(err) != fault.Permanent || !strings.Contains(err.Error(),
			`create queue "missing"`) {
			t.Errorf("%s of a queue that is not there: %v", call, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// Reading settings needs more rights than the app has, and the emulators do not have them.
func TestNamespaceWithoutTheRightToManage(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	n := b.namespace(t, func(string) bool { return false })
	if _, err := n.Queue(t.Context(), queueName); !errors.Is(err, azure.ErrNotPermitted) {
		t.Errorf("not permitted: %v", err)
	}
	n, err := azure.NewNamespace(azure.Account{ConnectionString: b.ConnectionString()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSoon(t, n) })
	if _, err := n.Queue(t.Context(), queueName); !errors.Is(err, azure.ErrNoManagement) {
		t.Errorf("an emulator: %v", err)
	}
	if !strings.HasPrefix(n.Address(), "127.0.0.1:") {
		t.Errorf("address %q", n.Address())
	}
	for _, a := range []azure.Account{
		{ConnectionString: "Endpoint=nonsense;SharedAccessKey=hunter2"},
		{ConnectionString: "hunter2"},
	} {
		if _, err := azure.NewNamespace(a, nil); err == nil ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a wrong connection string: %v", err)
		}
	}
}
