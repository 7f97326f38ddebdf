package coretools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"fhirsynapse/internal/emulator/azurite"
)

// report holds the observations of the emulated func.
type report struct {
	Args       []string
	Files      []string
	Unwanted   []string
	Containers []string
	Message    string // received back from the steps queue
	AtTheEnd   string // whether the emulators still answered after the interrupt
	Fault      string
}

// beFunc records the environment of func start, waits for an interrupt, and records it again.
func beFunc(path string) int {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	ctx, done := context.WithTimeout(context.Background(), time.Minute)
	defer done()
	r := report{Args: os.Args[1:]}
	for _, name := range unwanted {
		if os.Getenv(name) != "" {
			r.Unwanted = append(r.Unwanted, name)
		}
	}
	err := r.look(ctx)
	code, _ := strconv.Atoi(os.Getenv(exitVariable))
	if err == nil && code == 0 {
		_, _ = fmt.Fprintln(os.Stdout, ready)
		select {
		case <-interrupted:
			again := report{}
			if err = again.look(ctx); err == nil {
				r.AtTheEnd = "the emulators answer"
			}
		case <-ctx.Done():
			err = errors.New("no interrupt came")
		}
	}
	if err != nil {
		r.Fault = err.Error()
	}
	text, err := json.Marshal(r)
	if err != nil || os.WriteFile(path, text, 0o600) != nil {
		return 1
	}
	return code
}

func (r *report) look(ctx context.Context) error {
	entries, err := os.ReadDir(".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		r.Files = append(r.Files, e.Name())
	}
	values, err := readSettings(".")
	if err != nil {
		return err
	}
	blobs, err := azblob.NewClientFromConnectionString(values["LakeStorage"], nil)
	if err != nil {
		return err
	}
	for pages := blobs.NewListContainersPager(nil); pages.More(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, c := range page.ContainerItems {
			r.Containers = append(r.Containers, *c.Name)
		}
	}
	fields := fieldsOf(values["AzureWebJobsStorage"])
	for _, endpoint := range []string{"queueendpoint", "tableendpoint"} {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp",
			strings.TrimSuffix(strings.TrimPrefix(fields[endpoint], "http://"),
				"/"+azurite.Account))
		if err != nil {
			return err
		}
		_ = c.Close()
	}
	return r.echo(ctx, values)
}

// echo sends a step and receives it, signed with the key of the settings.
func (r *report) echo(ctx context.Context, values map[string]string) error {
	client, err := azservicebus.NewClientFromConnectionString(values["ServiceBusConnection"], nil)
	if err != nil {
		return err
	}
	sender, err := client.NewSender(values["StepsQueue"], nil)
	if err != nil {
		return err
	}
	if err := sender.SendMessage(ctx, &azservicebus.Message{Body: []byte("step")},
		nil); err != nil {
		return err
	}
	receiver, err := client.NewReceiverForQueue(values["StepsQueue"],
		&azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
	if err != nil {
		return err
	}
	messages, err := receiver.ReceiveMessages(ctx, 1, nil)
	if err != nil {
		return err
	}
	if len(messages) == 1 {
		r.Message = string(messages[0].Body)
	}
	return nil
}

// output is the output of a Start; seen is closed when a line of func has arrived.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	seen chan struct{}
	once sync.Once
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	if strings.Contains(o.text.String(), ready) {
		o.once.Do(func() { close(o.seen) })
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
