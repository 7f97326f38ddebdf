package servicebus_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"fhirsynapse/internal/emulator/servicebus"
)

func TestAMissingQueueAndAWrongKeyAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{})
	ctx := testContext(t)
	missing, err := w.client.NewSender("nope", nil)
	must(t, err)
	// The SDK returns the AMQP error unchanged; it uses CodeNotFound for management only.
	err = missing.SendMessage(ctx, &azservicebus.Message{Body: []byte("x")}, nil)
	if e, ok := errors.AsType[*amqp.Error](err); !ok || e.Condition != amqp.ErrCondNotFound {
		t.Fatalf("missing queue: got %v", err)
	}
	other := servicebus.New(servicebus.Options{Key: "d3Jvbmc="})
	defer other.Close()
	wrong, err := azservicebus.NewClientFromConnectionString(other.ConnectionString(),
		pipeOptions(w.srv))
	must(t, err)
	defer closeClient(wrong)
	s, err := wrong.NewSender("jobs", nil)
	must(t, err)
	if err := s.SendMessage(ctx, &azservicebus.Message{Body: []byte("x")},
		nil); codeOf(err) != azservicebus.CodeUnauthorizedAccess {
		t.Fatalf("wrong key: got %v", err)
	}
}

// pipeOptions connects a client to the server without a network.
func pipeOptions(srv *servicebus.Server) *azservicebus.ClientOptions {
	return &azservicebus.ClientOptions{
		RetryOptions: quickRetries(),
		NewWebSocketConn: func(
			context.Context, azservicebus.NewWebSocketConnArgs,
		) (net.Conn, error) {
			return srv.Pipe(), nil
		},
	}
}

type credential struct{}

func (credential) GetToken(
	_ context.Context, o policy.TokenRequestOptions,
) (azcore.AccessToken, error) {
	return azcore.AccessToken{
		Token: "jwt for " + o.Scopes[0], ExpiresOn: time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC),
	}, nil
}

func TestATokenCredentialWorksThroughAPipe(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]error{"accepted": nil, "refused": errors.New("not you")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := make(chan string, 100)
			srv := servicebus.New(servicebus.Options{CheckToken: func(token string) error {
				seen <- token
				return refuse
			}})
			defer srv.Close()
			jobs := srv.AddQueue("jobs", servicebus.QueueConfig{})
			client, err := azservicebus.NewClient("ns.servicebus.windows.net", credential{},
				pipeOptions(srv))
			must(t, err)
			defer closeClient(client)
			s, err := client.NewSender("jobs", nil)
			must(t, err)
			err = s.SendMessage(testContext(t), &azservicebus.Message{Body: []byte("1")}, nil)
			if (err == nil) != (refuse == nil) ||
				refuse != nil && codeOf(err) != azservicebus.CodeUnauthorizedAccess {
				t.Fatalf("got %v", err)
			}
			if got := <-seen; got != "jwt for https://servicebus.azure.net//.default" {
				t.Fatalf("token %q", got)
			}
			if got := jobs.Stats().Active; (got == 1) != (refuse == nil) {
				t.Fatalf("active %d", got)
			}
		})
	}
}

func TestWaitUntilReturnsAtTheChangeAndWithTheContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{})
	ctx := testContext(t)
	result := make(chan error, 1)
	go func() {
		result <- w.jobs.WaitUntil(ctx, func(s servicebus.Stats) bool { return s.Active == 2 })
	}()
	w.sendText(t, "1")
	w.sendText(t, "2")
	must(t, <-result)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := w.srv.WaitIdle(gone); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	r := w.receiver(t,
		&azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
	one(t, r)
	one(t, r)
	must(t, w.srv.WaitIdle(ctx))
}

func TestWaitUntilEndsAtClose(t *testing.T) {
	t.Parallel()
	srv := servicebus.New(servicebus.Options{})
	q := srv.AddQueue("jobs", servicebus.QueueConfig{})
	result := make(chan error, 1)
	go func() {
		result <- q.WaitUntil(context.Background(), func(servicebus.Stats) bool { return false })
	}()
	srv.Close()
	if err := <-result; !errors.Is(err, net.ErrClosed) {
		t.Fatalf("got %v", err)
	}
}

func TestListenRefusesWhatIsNotLoopback(t *testing.T) {
	t.Parallel()
	srv := servicebus.New(servicebus.Options{})
	defer srv.Close()
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "example.org:0", "nonsense"} {
		if _, err := srv.Listen(addr); err == nil {
			t.Errorf("%s: listens", addr)
		}
	}
}
