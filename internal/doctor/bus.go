package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrUntold reports that the settings of a queue cannot be read from here.
var ErrUntold = errors.New("the settings of the queue cannot be read")

// What the pipeline relies on. A burst of refused calls, while a handler restarts, must not make
// dead letters.
const (
	leastDelivery = 100
	leastLock     = 30 * time.Second
)

func busChecks(s Subject) []Check {
	if s.Bus == nil {
		return nil
	}
	bus := *s.Bus
	needs := []string{}
	out := []Check{}
	if s.Local && s.Machine != nil && loopback(bus.Address) {
		needs = append(needs, checkBus)
		address := bus.Address
		if !strings.Contains(address, ":") {
			address += ":5672"
		}
		out = append(out, Check{
			Name: checkBus, What: "Service Bus emulator at " + address, Within: short,
			Do: func(ctx context.Context) Outcome {
				return reach(ctx, *s.Machine, address,
					"make run starts one of its own; for Core Tools: make start, or docker compose up --detach servicebus")
			},
		})
	}
	for _, q := range bus.Queues {
		name := strings.ToLower(strings.TrimSuffix(q.Setting, "Queue"))
		sends := needs
		if q.Send {
			out = append(out, Check{
				Name: "queue-" + name + "-send", What: "queue " + q.Name + ", right to send",
				Needs: needs,
				Do:    func(ctx context.Context) Outcome { return maySend(ctx, bus, q) },
			})
			sends = append(sends[:len(sends):len(sends)], "queue-"+name+"-send")
		}
		out = append(out, Check{
			Name: "queue-" + name + "-settings", What: "queue " + q.Name + ", settings",
			Needs: sends,
			Do:    func(ctx context.Context) Outcome { return queueSettings(ctx, bus, q) },
		})
	}
	return out
}

func maySend(ctx context.Context, bus Bus, q Queue) Outcome {
	if err := bus.MaySend(ctx, q.Name); err != nil {
		remedy := ""
		if bus.Namespace != "" {
			remedy = fmt.Sprintf(
				"az role assignment create --assignee OBJECT_ID --role 'Azure Service Bus Data Sender' --scope \"$(az servicebus namespace show --name %s --resource-group GROUP --query id --output tsv)/queues/%s\"",
				bus.Namespace, q.Name)
		}
		return broken(err, remedy)
	}
	return fine("a sender was opened; nothing was sent")
}

func queueSettings(ctx context.Context, bus Bus, q Queue) Outcome {
	set, err := bus.Describe(ctx, q.Name)
	switch {
	case errors.Is(err, ErrUntold) && bus.Namespace == "":
		return warn("", "not known: %v", err)
	case errors.Is(err, ErrUntold):
		return warn(fmt.Sprintf("sign in as somebody with the role Azure Service Bus Data Owner, or look yourself: az servicebus queue show --namespace-name %s --resource-group GROUP --name %s",
			bus.Namespace, q.Name), "not known: %v", err)
	case err != nil:
		return broken(err)
	}
	wrong, worth := judge(set, q)
	update := func(option string) string {
		return fmt.Sprintf("az servicebus queue update --namespace-name %s --resource-group GROUP --name %s %s",
			bus.Namespace, q.Name, option)
	}
	remedies := []string{}
	for _, f := range append(wrong, worth...) {
		remedy := f.remedy
		if f.option != "" {
			remedy = update(f.option)
		}
		remedies = append(remedies, remedy)
	}
	remedy := strings.Join(remedies, "\n")
	switch {
	case len(wrong) > 0:
		return failed(remedy, "%s", texts(append(wrong, worth...)))
	case len(worth) > 0:
		return warn(remedy, "%s", texts(worth))
	}
	duplicates := "no duplicate detection"
	if set.Duplicates {
		duplicates = "duplicates are dropped for " + set.Window.String()
	}
	return fine("%s, lock %s, max delivery %d; %d messages wait, %d are scheduled, no dead letters",
		duplicates, set.Lock, set.MaxDelivery, set.Active, set.Scheduled)
}

// wish is a setting of a queue that should differ.
type wish struct {
	text string
	// option is the option of az that changes the setting. If there is none, remedy tells what
	// to do.
	option, remedy string
}

func texts(wishes []wish) string {
	out := make([]string, len(wishes))
	for i, w := range wishes {
		out[i] = w.text
	}
	return strings.Join(out, "; ")
}

// judge compares the settings of a queue with what the pipeline relies on.
func judge(set QueueSettings, q Queue) (wrong, worth []wish) {
	const again = "it is chosen when a queue is made: stop the app, delete the queue, and deploy infra/ or make it with --enable-duplicate-detection true"
	if q.Window > 0 && !set.Duplicates {
		wrong = append(wrong, wish{text: "it has no duplicate detection", remedy: again})
	} else if set.Window < q.Window {
		wrong = append(wrong, wish{
			text: fmt.Sprintf("its duplicate detection lasts %s, less than %s", set.Window,
				q.Window),
			option: "--duplicate-detection-history-time-window PT1H",
		})
	}
	if set.Sessions {
		wrong = append(wrong, wish{
			text:   "it requires sessions, which the app does not use",
			remedy: "make the queue without sessions: it is chosen when a queue is made",
		})
	}
	if set.Status != "" && set.Status != "Active" {
		wrong = append(wrong, wish{
			text: "its status is " + set.Status, option: "--status Active",
		})
	}
	if set.MaxDelivery < leastDelivery {
		worth = append(worth, wish{
			text: fmt.Sprintf("its max delivery count is %d: %d calls that are refused while a handler restarts make a dead letter",
				set.MaxDelivery, set.MaxDelivery),
			option: fmt.Sprintf("--max-delivery-count %d", leastDelivery),
		})
	}
	if set.Lock > 0 && set.Lock < leastLock {
		worth = append(worth, wish{
			text:   fmt.Sprintf("its lock time is %s", set.Lock),
			option: "--lock-duration PT5M",
		})
	}
	if set.Dead > 0 {
		worth = append(worth, wish{
			text:   fmt.Sprintf("it has %d dead letters", set.Dead),
			remedy: "docs/operations.md, Why are there dead letters",
		})
	}
	return wrong, worth
}
