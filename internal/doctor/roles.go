package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// role is a built-in role of Azure.
type role struct{ id, name string }

var (
	blobOwner       = role{"b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "Storage Blob Data Owner"}
	blobContributor = role{"ba92f5b4-2d11-453d-a403-e96b0029c9fe", "Storage Blob Data Contributor"}
	blobReader      = role{"2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", "Storage Blob Data Reader"}
	busOwner        = role{"090c5cfd-751d-490a-894a-3ce6f1109419", "Azure Service Bus Data Owner"}
	busSender       = role{"69a216fc-b8fb-44d8-bc22-1f3c2cd27a39", "Azure Service Bus Data Sender"}
	busReceiver     = role{"4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0", "Azure Service Bus Data Receiver"}
)

// need is a role that an identity needs on a resource, with the stronger ones.
type need struct {
	scope string // the id of the resource, in lower case
	what  string // for people
	role  role
	or    []role
}

func roleChecks(s Subject, plans Plans) []Check {
	if s.Roles == nil {
		return nil
	}
	var out []Check
	if s.Lake != nil && s.Lake.Account != "" {
		lake := *s.Lake
		out = append(out, Check{
			Name: "roles-lake", What: "roles of the app's identity on the lake",
			Do: func(ctx context.Context) Outcome {
				a, err := s.Roles.OnLake(ctx, lake.Account)
				return compared(a, err, "storage account "+lake.Account, lakeNeeds(a, lake))
			},
		})
	}
	if s.Bus != nil && s.Bus.Namespace != "" {
		bus := *s.Bus
		out = append(out, Check{
			Name: "roles-queues", What: "roles of the app's identity on the queues",
			Do: func(ctx context.Context) Outcome {
				a, err := s.Roles.OnBus(ctx, bus.Namespace)
				return compared(a, err, "namespace "+bus.Namespace, busNeeds(a, bus))
			},
		})
	}
	for _, server := range plans.Servers {
		if server.WritesToLake && s.Lake != nil && s.Lake.Account != "" {
			account := s.Lake.Account
			out = append(out, Check{
				Name: "roles-fhir-" + server.Name,
				What: "export storage and roles of FHIR service " + server.Name,
				Do: func(ctx context.Context) Outcome {
					return serviceRoles(ctx, s.Roles, server.URL, account)
				},
			})
		}
	}
	return out
}

func lakeNeeds(a Assigned, lake Lake) []need {
	var out []need
	for _, c := range lake.Containers {
		n := need{
			scope: a.Resource + "/blobservices/default/containers/" + c.Name,
			what:  "container " + c.Name, role: blobContributor, or: []role{blobOwner},
		}
		if !c.Write {
			n.role, n.or = blobReader, []role{blobContributor, blobOwner}
		}
		out = append(out, n)
	}
	return out
}

func busNeeds(a Assigned, bus Bus) []need {
	var out []need
	for _, q := range bus.Queues {
		n := need{
			scope: a.Resource + "/queues/" + strings.ToLower(q.Name), what: "queue " + q.Name,
			role: busReceiver, or: []role{busOwner},
		}
		out = append(out, n)
		if q.Send {
			n.role = busSender
			out = append(out, n)
		}
	}
	return out
}

// compared reports the roles that an identity lacks.
func compared(a Assigned, err error, resource string, needs []need) Outcome {
	switch {
	case err != nil:
		o := broken(err)
		o.Status = Warning
		o.Why = "not known: " + o.Why
		return o
	case a.Principal == "":
		return failed("give the app an identity: az functionapp identity assign, as infra/ does",
			"the app has no identity")
	case a.Resource == "":
		return warn("", "not known: %s is not in the subscription of the app", resource)
	}
	var missing, commands []string
	for _, n := range needs {
		if has(a, n) {
			continue
		}
		missing = append(missing, n.role.name+" on "+n.what)
		commands = append(commands, fmt.Sprintf(
			"az role assignment create --assignee-object-id %s --assignee-principal-type ServicePrincipal --role '%s' --scope %s",
			a.Principal, n.role.name, n.scope))
	}
	if len(missing) > 0 {
		return failed(strings.Join(commands, "\n"), "it lacks %s", strings.Join(missing, ", "))
	}
	return fine("it has the %d roles that the app needs", len(needs))
}

// has reports whether an identity has a role, or a stronger one, on a resource or above it.
func has(a Assigned, n need) bool {
	return slices.ContainsFunc(a.Assignments, func(x Assignment) bool {
		return (x.Role == n.role.id || slices.ContainsFunc(n.or, func(r role) bool {
			return r.id == x.Role
		})) && strings.HasPrefix(n.scope+"/", strings.TrimSuffix(x.Scope, "/")+"/")
	})
}

// serviceRoles reports whether a FHIR service exports into the lake, and may write there.
func serviceRoles(ctx context.Context, roles Roles, url, account string) Outcome {
	service, found, err := roles.Service(ctx, url, account)
	switch {
	case err != nil:
		o := broken(err)
		o.Status = Warning
		o.Why = "not known: " + o.Why
		return o
	case !found:
		return warn("", "not known: the subscription of the app has no FHIR service of that URL")
	case service.ExportsTo == "":
		return failed(
			"name the lake: az healthcareapis workspace fhir-service update --resource-group GROUP --workspace-name WORKSPACE --fhir-service-name SERVICE --export-configuration-storage-account-name "+account,
			"no storage account is configured for exports")
	case !strings.EqualFold(service.ExportsTo, account):
		return failed("correct it at the FHIR service, or the setting LakeStorage",
			"it exports into the storage account %s, and the app reads %s", service.ExportsTo,
			account)
	case service.Principal == "":
		return failed("switch on the system-assigned identity of the FHIR service",
			"it has no identity to write with")
	}
	return compared(service.Assigned, nil, "storage account "+account, []need{{
		scope: service.Resource, what: "storage account " + account, role: blobContributor,
		or: []role{blobOwner},
	}})
}
