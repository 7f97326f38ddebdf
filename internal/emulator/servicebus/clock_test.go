package servicebus_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/servicebus"
)

func TestAdvanceCallsTimersInOrderAtTheirInstants(t *testing.T) {
	t.Parallel()
	c := servicebus.NewManualClock(start)
	var got []string
	note := func(name string) func() {
		return func() { got = append(got, name+" "+c.Now().Sub(start).String()) }
	}
	c.AfterFunc(3*time.Second, note("c"))
	c.AfterFunc(time.Second, func() {
		note("a")()
		c.AfterFunc(time.Second, note("made late"))
		c.AfterFunc(time.Hour, note("never"))
	})
	c.AfterFunc(2*time.Second, note("b"))
	c.AfterFunc(2*time.Second, note("b again"))
	stopped := c.AfterFunc(2*time.Second, note("stopped"))
	c.AfterFunc(-time.Second, note("overdue"))
	if !stopped.Stop() || stopped.Stop() {
		t.Fatal("Stop does not tell its first call from its second")
	}
	if at, ok := c.Next(); !ok || !at.Equal(start.Add(-time.Second)) {
		t.Fatalf("next %v %v", at, ok)
	}
	c.Advance(5 * time.Second)
	want := []string{"overdue 0s", "a 1s", "b 2s", "b again 2s", "made late 2s", "c 3s"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if !c.Now().Equal(start.Add(5 * time.Second)) {
		t.Fatalf("now %v", c.Now())
	}
	if at, ok := c.Next(); !ok || !at.Equal(start.Add(time.Second+time.Hour)) {
		t.Fatalf("next %v %v", at, ok)
	}
}

func TestTheWallClockCalls(t *testing.T) {
	t.Parallel()
	called := make(chan struct{})
	before := servicebus.WallClock{}.Now()
	servicebus.WallClock{}.AfterFunc(time.Millisecond, func() { close(called) })
	<-called
	if d := (servicebus.WallClock{}).Now().Sub(before); d < time.Millisecond {
		t.Fatalf("called after %v", d)
	}
}
