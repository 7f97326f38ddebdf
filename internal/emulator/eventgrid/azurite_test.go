package eventgrid_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"fhirsynapse/internal/emulator/azurite"
	"fhirsynapse/internal/emulator/eventgrid"
	"fhirsynapse/internal/emulator/servicebus"
)

// A blob goes into Azurite, its events come out of the queue.
func TestCommitsInAzuriteArriveInTheQueue(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not on PATH: install Node.js 20 to run this test", tool)
		}
	}
	const tools = "../../../tools/azurite"
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	must(t, azurite.Install(ctx, tools))
	storage, err := azurite.Start(ctx, azurite.Options{Tools: tools, Dir: t.TempDir()})
	must(t, err)
	defer storage.Stop()
	blobs, err := azblob.NewClientFromConnectionString(storage.ConnectionString(), nil)
	must(t, err)
	_, err = blobs.CreateContainer(ctx, "lake", nil)
	must(t, err)

	bus := servicebus.New(servicebus.Options{})
	defer bus.Close()
	queue := bus.AddQueue("blob-events", servicebus.QueueConfig{})
	_, err = bus.Listen("127.0.0.1:0")
	must(t, err)
	client, err := azservicebus.NewClientFromConnectionString(bus.ConnectionString(), nil)
	must(t, err)
	defer func() { _ = client.Close(ctx) }()
	sender, err := client.NewSender("blob-events", nil)
	must(t, err)

	lake := blobs.ServiceClient().NewContainerClient("lake")
	w, err := eventgrid.New(eventgrid.Options{
		Endpoint: storage.Endpoint(), Container: "lake", Lister: eventgrid.ContainerLister{Client: lake}, Sender: sender,
		Now: func() time.Time { return start }, Interval: 20 * time.Millisecond,
	})
	must(t, err)
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(running) }()

	blob := lake.NewBlockBlobClient("20260102T030405-1/Patient-1.ndjson")
	_, err = blob.StageBlock(ctx, "MQ==", streaming.NopCloser(strings.NewReader("{}\n")), nil)
	must(t, err)
	first, err := blob.CommitBlockList(ctx, []string{"MQ=="}, nil)
	must(t, err)
	must(t, queue.WaitUntil(ctx, func(s servicebus.Stats) bool { return s.Active == 2 }))
	second, err := blob.CommitBlockList(ctx, []string{"MQ=="}, nil) // the same bytes
	must(t, err)
	must(t, queue.WaitUntil(ctx, func(s servicebus.Stats) bool { return s.Active == 3 }))
	stop()
	<-ended

	const path = " 20260102T030405-1/Patient-1.ndjson"
	want := []string{
		"PutBlob 0 0x0" + path,
		"PutBlockList 3 " + strings.Trim(string(*first.ETag), `"`) + path,
		"PutBlockList 3 " + strings.Trim(string(*second.ETag), `"`) + path,
	}
	for i, m := range queue.Messages() {
		if got := brief(t, m.Body); i >= len(want) || got != want[i] {
			t.Errorf("event %d: got %q, want %q", i, got, want)
		}
	}
	named, err := azblob.ParseURL(decode(t, queue.Messages()[2].Body).Data.URL)
	must(t, err)
	if named.Host != storage.Addr() || named.ContainerName != "lake" || " "+named.BlobName != path {
		t.Errorf("the event names %+v", named)
	}
}
