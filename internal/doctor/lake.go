package doctor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"
)

// Limits for the difference between two clocks. Storage refuses requests that are signed with a key
// and more than a quarter of an hour off; tokens end earlier or later than expected.
const (
	skewWorth = 2 * time.Minute
	skewWrong = 14 * time.Minute
)

// canaryFolder has the canary blobs, which are empty and live for a second.
const canaryFolder = "fhirsynapse-doctor/"

func lakeChecks(s Subject, plans Plans) []Check {
	if s.Lake == nil {
		return nil
	}
	lake := *s.Lake
	needs := []string{}
	out := []Check{}
	if s.Local && s.Machine != nil && loopback(lake.Address) {
		needs = append(needs, checkLake)
		out = append(out, Check{
			Name: checkLake, What: "storage emulator at " + lake.Address, Within: short,
			Do: func(ctx context.Context) Outcome {
				return reach(ctx, *s.Machine, lake.Address, startAzurite)
			},
		})
	}
	// The first canary tells the storage's clock.
	clock := make(chan Outcome, 1)
	for _, c := range lake.Containers {
		out = append(out, Check{
			Name: "lake-" + c.Use, What: "container " + c.Name, Needs: needs,
			Do: func(ctx context.Context) Outcome {
				return container(ctx, lake, c, s.Now, clock)
			},
		})
		if c.Use == "staging" {
			out = append(out, Check{
				Name: "lake-clock", What: "clock of the storage account",
				Needs: []string{"lake-staging"},
				Do: func(ctx context.Context) Outcome {
					select {
					case o := <-clock:
						return o
					case <-ctx.Done():
						return failed("", "no blob was written")
					}
				},
			})
		}
	}
	for _, server := range plans.Servers {
		if server.WritesToLake {
			out = append(out, Check{
				Name: "fhir-writes-" + server.Name, Needs: []string{"lake-landing"},
				What: "right of FHIR service " + server.Name + " to write to the lake",
				Do: func(ctx context.Context) Outcome {
					return serviceWrites(ctx, lake, s.Now())
				},
			})
		}
	}
	return out
}

const startAzurite = "make run starts one of its own; for Core Tools: make start, or docker compose up --detach azurite"

// reach dials a service of a developer's machine.
func reach(ctx context.Context, m Machine, address, remedy string) Outcome {
	if err := m.Dial(ctx, address); err != nil {
		o := warn(remedy, "nothing listens there now; checks that need it are skipped")
		o.Stops = true
		return o
	}
	return fine("it listens")
}

// container lists a container, and writes and deletes a canary where the program writes.
func container(
	ctx context.Context, lake Lake, c Container, now func() time.Time, clock chan<- Outcome,
) Outcome {
	if _, err := lake.Newest(ctx, c.Use, ""); err != nil {
		return broken(err, grant(lake, c))
	}
	if !c.Write {
		return fine("it can be listed")
	}
	path := canaryFolder + token()
	sent := now()
	at, err := lake.Write(ctx, c.Use, path)
	if err != nil {
		return broken(err, grant(lake, c))
	}
	if c.Use == "staging" {
		clock <- skew("the storage account", at, sent, now())
	}
	if err := lake.Remove(ctx, c.Use, path); err != nil {
		o := broken(err, grant(lake, c))
		o.Why += "; the empty blob " + path + " was left there"
		return o
	}
	return fine("it can be listed; a blob was written and deleted")
}

func token() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, according to its documentation
	return hex.EncodeToString(b[:])
}

// grant returns the command that gives the role for a container.
func grant(lake Lake, c Container) string {
	if lake.Account == "" {
		return ""
	}
	role := "Storage Blob Data Reader"
	if c.Write {
		role = "Storage Blob Data Contributor"
	}
	return fmt.Sprintf(
		"az role assignment create --assignee OBJECT_ID --role '%s' --scope \"$(az storage account show --name %s --query id --output tsv)/blobServices/default/containers/%s\"",
		role, lake.Account, c.Name)
}

// skew compares another clock with ours. A clock that shows whole seconds is up to one behind.
func skew(whose string, at, sent, received time.Time) Outcome {
	if at.IsZero() {
		return warn("", "%s does not tell its time", whose)
	}
	off := time.Duration(0)
	switch early := at.Add(time.Second); {
	case early.Before(sent):
		off = early.Sub(sent)
	case at.After(received):
		off = at.Sub(received)
	}
	const remedy = "set this machine's clock by a time server; if it is right, tell whoever runs the other"
	text := "differs from ours by less than a second"
	if off != 0 {
		direction := "behind"
		if off > 0 {
			direction = "ahead of"
		}
		text = fmt.Sprintf("is %s %s ours", off.Abs().Round(time.Second), direction)
	}
	switch {
	case off.Abs() > skewWrong:
		return failed(remedy, "the clock of %s %s", whose, text)
	case off.Abs() > skewWorth:
		return warn(remedy, "the clock of %s %s", whose, text)
	}
	return fine("it %s", text)
}

// recentDays is how far back the newest export is looked for.
const recentDays = 31

// serviceWrites looks for a folder that the FHIR service has written. Nobody but the service itself
// can try its right, and a kick-off does not: the service writes when the job runs.
func serviceWrites(ctx context.Context, lake Lake, now time.Time) Outcome {
	for days := range recentDays {
		// The service begins the names of its folders with the time of the job.
		prefix := now.UTC().AddDate(0, 0, -days).Format("20060102")
		newest, err := lake.Newest(ctx, "landing", prefix)
		if err != nil {
			return broken(err)
		}
		if !newest.IsZero() {
			return fine("it wrote a file at %s", newest.UTC().Format("2006-01-02 15:04 UTC"))
		}
	}
	remedy := "export something small, and see whether it ends: fhirsynapse exports start PLAN, then fhirsynapse exports watch PLAN"
	if lake.Account != "" {
		remedy += "\nits identity needs the role Storage Blob Data Contributor on the account: az role assignment list --scope \"$(az storage account show --name " +
			lake.Account + " --query id --output tsv)\" --output table"
	}
	return warn(remedy,
		"not known: it has written nothing in %d days, and only an export can try it", recentDays)
}
