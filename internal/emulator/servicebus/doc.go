// Package servicebus emulates a Service Bus namespace with queues, for tests and for the
// demo: the server side of AMQP 1.0 to the extent that the azservicebus SDK uses it, in
// this process and in memory.
//
// It supports scheduled messages, peek-lock with renewal and expiry, abandon, defer, dead
// letters, duplicate detection, receive-and-delete, batches and SAS tokens. It does not
// support topics, sessions, expiry of messages or transactions. AddQueue is the only way to
// administer queues.
//
// Tests can control two things that the real service does not let them control: the time (see
// ManualClock) and faults (see Queue.CutSends, Queue.LoseLocks and similar methods).
//
//	srv := servicebus.New(servicebus.Options{Clock: clock})
//	defer srv.Close()
//	srv.AddQueue("jobs", servicebus.QueueConfig{})
//	_, err := srv.Listen("127.0.0.1:0")
//	client, err := azservicebus.NewClientFromConnectionString(srv.ConnectionString(), nil)
//
// To do without a port, return srv.Pipe() from ClientOptions.NewWebSocketConn of the SDK.
//
// One mutex guards the whole namespace. A connection has a reader, which handles one frame
// at a time under the mutex, and a writer, which empties a bounded outbox. Timers of the
// clock take the mutex when they fire. Exported methods take the mutex; unexported methods
// expect that the caller holds it. Message bodies are never logged.
package servicebus
