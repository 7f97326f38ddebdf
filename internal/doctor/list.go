package doctor

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// The names of checks that others need.
const (
	checkApp       = "app"
	checkSettings  = "settings"
	checkViews     = "views"
	checkPlans     = "plans"
	checkLake      = "lake-reachable"
	checkBus       = "bus-reachable"
	checkWarehouse = "warehouse"
)

// Examine runs all checks of a subject. The plans name the FHIR servers and the schemas, so they
// are read before the list is complete.
func Examine(ctx context.Context, s Subject, o Options) []Result {
	r := newRunner(o)
	first, plans := opening(s)
	results := r.run(ctx, first)
	return append(results, r.run(ctx, List(s, plans.get()))...)
}

// kept holds the plans that a check has read. The check may be late.
type kept struct {
	mu    sync.Mutex
	plans Plans
}

func (k *kept) set(p Plans) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.plans = p
}

func (k *kept) get() Plans {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.plans
}

// opening returns the checks of what the other checks are made from, and the plans, which are
// complete after the run.
func opening(s Subject) ([]Check, *kept) {
	plans := &kept{}
	var out []Check
	if s.App != nil {
		out = append(out, Check{
			Name: checkApp, What: "function app " + s.App.Name,
			Do: func(context.Context) Outcome { return app(*s.App) },
		})
	}
	if s.Machine != nil {
		out = append(out, machine(*s.Machine)...)
	}
	if s.Settings != nil {
		out = append(out, Check{
			Name: checkSettings, What: "settings from " + s.Settings.From,
			Do: func(context.Context) Outcome { return settings(*s.Settings) },
		})
	}
	if s.Views != nil {
		out = append(out, Check{
			Name: checkViews, What: "ViewDefinitions",
			Do: func(context.Context) Outcome { return views(s.Views) },
		})
	}
	if s.Plans != nil {
		out = append(out, Check{
			Name: checkPlans, What: "exports.yaml",
			Do: func(ctx context.Context) Outcome { return readPlans(ctx, s.Plans, plans) },
		})
	}
	return out, plans
}

// List returns the checks of the services.
func List(s Subject, plans Plans) []Check {
	return slices.Concat(roleChecks(s, plans), lakeChecks(s, plans), busChecks(s),
		serverChecks(s, plans), warehouseChecks(s, plans))
}

// loopback reports whether an address is on this machine.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	host = strings.Trim(host, "[]")
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// short bounds checks that only dial.
const short = 5 * time.Second
