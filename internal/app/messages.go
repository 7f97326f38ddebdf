package app

import (
	"context"
	"errors"
	"fmt"
	"io"

	"fhirsynapse/internal/config"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/quarantine"
	"fhirsynapse/internal/quarantine/retry"
)

// KeptMessage returns a message that the handler could not read, without its content.
func (o Operator) KeptMessage(ctx context.Context, id string) (quarantine.File, error) {
	f, _, err := o.keptMessage(ctx, id)
	return f, err
}

// CopyMessage writes the content of a message to w. A message of others may be health data.
func (o Operator) CopyMessage(ctx context.Context, id string, w io.Writer) error {
	_, body, err := o.keptMessage(ctx, id)
	if err != nil {
		return err
	}
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("write the message: %w", err)
	}
	return nil
}

func (o Operator) keptMessage(
	ctx context.Context, id string,
) (f quarantine.File, body []byte, err error) {
	a, err := o.journal()
	if err != nil {
		return f, nil, err
	}
	if f, body, err = quarantine.FindMessage(ctx, a.lake, id); err != nil {
		return f, nil, fmt.Errorf("read the quarantine: %w", err)
	}
	f.Message.Queue = a.config.StepsQueue
	return f, body, nil
}

// RetryMessages puts a kept message back on the queue of steps, or all for an empty id. It needs
// the settings of the storage account and of the queue.
func (o Operator) RetryMessages(
	ctx context.Context, id string, p *quarantine.Progress,
) (report retry.MessagesReport, err error) {
	cfg, err := config.QueueFromEnv(o.Environment.Environ)
	if err != nil {
		return report, err
	}
	a, err := o.with(cfg)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, a.queue.Close(context.WithoutCancel(ctx))) }()
	m := retry.Messenger{Lake: a.lake, Remover: a.lake, Queue: a.queue, Journal: a.journal}
	if id == "" {
		report, err = m.All(ctx, p)
	} else {
		report, err = m.Message(ctx, id)
	}
	for i := range report.Messages {
		report.Messages[i].Queue = a.config.StepsQueue
	}
	if fault.Of(err) == fault.Permanent {
		err = fmt.Errorf("retry messages (it needs Storage Blob Data Contributor on container %s and Azure Service Bus Data Sender on queue %s): %w",
			a.config.QuarantineContainer, a.config.StepsQueue, err)
	}
	return report, err
}
