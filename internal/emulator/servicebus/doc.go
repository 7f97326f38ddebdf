// Package servicebus is a stand-in for a Service Bus namespace with queues, for tests
// and for the demo: the server side of AMQP 1.0 as far as the azservicebus SDK
// speaks it, in this process and in memory.
//
// It holds scheduled messages, peek-lock with renewal and expiry, abandon, defer,
// dead letters, duplicate detection, receive-and-delete, batches and SAS tokens. It
// has no topics, no sessions, no expiry of messages, no transactions, and no way to
// administer queues but AddQueue.
//
// Two things the real service lacks make it good for tests: time is given (see
// ManualClock), and faults are given (see Queue.CutSends, Queue.LoseLocks and their
// neighbours).
//
//	srv := servicebus.New(servicebus.Options{Clock: clock})
//	defer srv.Close()
//	srv.AddQueue("jobs", servicebus.QueueConfig{})
//	_, err := srv.Listen("127.0.0.1:0")
//	client, err := azservicebus.NewClientFromConnectionString(srv.ConnectionString(), nil)
//
// Without a port, give the SDK srv.Pipe() from ClientOptions.NewWebSocketConn.
//
// One mutex guards the whole namespace. A connection has a reader, which handles one
// frame at a time under the mutex, and a writer, which empties a bounded outbox; timers
// of the clock take the mutex when they fire. Exported methods take the mutex,
// unexported ones expect it to be held. Message bodies are never logged.
package servicebus
