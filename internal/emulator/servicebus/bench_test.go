package servicebus_test

import (
	"context"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"fhirsynapse/internal/emulator/servicebus"
)

// BenchmarkRoundTrip sends, receives and completes one message after the other.
func BenchmarkRoundTrip(b *testing.B) {
	srv := servicebus.New(servicebus.Options{})
	defer srv.Close()
	srv.AddQueue("jobs", servicebus.QueueConfig{})
	client, err := azservicebus.NewClientFromConnectionString(srv.ConnectionString(),
		pipeOptions(srv))
	if err != nil {
		b.Fatal(err)
	}
	defer closeClient(client)
	s, err := client.NewSender("jobs", nil)
	if err != nil {
		b.Fatal(err)
	}
	r, err := client.NewReceiverForQueue("jobs", nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	for b.Loop() {
		if err := s.SendMessage(ctx, &azservicebus.Message{Body: []byte("x")}, nil); err != nil {
			b.Fatal(err)
		}
		for done := false; !done; {
			ms, err := r.ReceiveMessages(ctx, 1, nil)
			if err != nil {
				b.Fatal(err)
			}
			for _, m := range ms {
				if err := r.CompleteMessage(ctx, m, nil); err != nil {
					b.Fatal(err)
				}
				done = true
			}
		}
	}
}
