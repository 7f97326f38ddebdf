package azure

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"fhirsynapse/internal/fault"
)

const (
	versionRoles      = "2022-04-01"
	versionHealthcare = "2024-03-31"

	typeStorage    = "Microsoft.Storage/storageAccounts"
	typeServiceBus = "Microsoft.ServiceBus/namespaces"
	typeFHIR       = "Microsoft.HealthcareApis/workspaces/fhirservices"
)

// Assignment is a role of an identity on a resource or on what contains it.
type Assignment struct {
	// Role is the id of a built-in role, Scope the id of a resource, both in lower case.
	Role, Scope string
}

// Assigned are the roles of an identity that concern a resource.
type Assigned struct {
	// Resource is the id of the resource in lower case; empty if it was not found.
	Resource    string
	Assignments []Assignment
}

// FHIRService is a FHIR service of Azure Health Data Services.
type FHIRService struct {
	ID string
	// Principal is its own identity; empty if it has none.
	Principal string
	// ExportsTo is the name of the storage account of its exports.
	ExportsTo string
}

// StorageRoles returns the roles of an identity on a storage account and its containers.
func (m *Management) StorageRoles(
	ctx context.Context, subscription, account, principal string,
) (Assigned, error) {
	return m.assigned(ctx, subscription, typeStorage, account, principal)
}

// BusRoles returns the roles of an identity on a Service Bus namespace and its queues.
func (m *Management) BusRoles(
	ctx context.Context, subscription, namespace, principal string,
) (Assigned, error) {
	return m.assigned(ctx, subscription, typeServiceBus, namespace, principal)
}

func (m *Management) assigned(
	ctx context.Context, subscription, kind, name, principal string,
) (out Assigned, err error) {
	ids, err := m.resources(ctx, subscription, kind, name)
	if err != nil || len(ids) == 0 {
		return out, err
	}
	out.Resource = strings.ToLower(ids[0])
	var list struct {
		Value []struct {
			Properties struct{ RoleDefinitionID, Scope string }
		}
	}
	filter := url.QueryEscape("assignedTo('" + principal + "')")
	err = m.ask(ctx, "list the roles on "+name, http.MethodGet, ids[0]+
		"/providers/Microsoft.Authorization/roleAssignments?api-version="+versionRoles+
		"&$filter="+filter, &list)
	for _, a := range list.Value {
		role := a.Properties.RoleDefinitionID
		out.Assignments = append(out.Assignments, Assignment{
			Role:  strings.ToLower(role[strings.LastIndex(role, "/")+1:]),
			Scope: strings.ToLower(a.Properties.Scope),
		})
	}
	return out, err
}

// resources returns the ids of the resources of a type, with a name or all.
func (m *Management) resources(
	ctx context.Context, subscription, kind, name string,
) ([]string, error) {
	filter := "resourceType eq '" + kind + "'"
	if name != "" {
		if strings.ContainsAny(name, "'/?#") {
			return nil, fault.Permanentf("%q is not the name of a resource", name)
		}
		filter += " and name eq '" + name + "'"
	}
	var list struct{ Value []struct{ ID string } }
	err := m.ask(ctx, "look for "+kind+" in subscription "+subscription, http.MethodGet,
		"/subscriptions/"+url.PathEscape(subscription)+"/resources?api-version="+
			versionResources+"&$filter="+strings.ReplaceAll(url.QueryEscape(filter), "+", "%20"),
		&list)
	out := make([]string, len(list.Value))
	for i, r := range list.Value {
		out[i] = r.ID
	}
	return out, err
}

// FHIRServiceAt returns the FHIR service of a host, WORKSPACE-SERVICE.fhir.azurehealthcareapis.com.
// It returns false if the subscription has none.
func (m *Management) FHIRServiceAt(
	ctx context.Context, subscription, host string,
) (out FHIRService, found bool, err error) {
	label, _, _ := strings.Cut(host, ".")
	ids, err := m.resources(ctx, subscription, typeFHIR, "")
	if err != nil {
		return out, false, err
	}
	for _, id := range ids {
		name := segment(id, "workspaces") + "-" + segment(id, "fhirservices")
		if !strings.EqualFold(name, label) {
			continue
		}
		var service struct {
			Identity   struct{ PrincipalID string }
			Properties struct {
				ExportConfiguration struct{ StorageAccountName string }
			}
		}
		err := m.ask(ctx, "read the FHIR service "+name, http.MethodGet,
			id+"?api-version="+versionHealthcare, &service)
		return FHIRService{
			ID: id, Principal: service.Identity.PrincipalID,
			ExportsTo: service.Properties.ExportConfiguration.StorageAccountName,
		}, true, err
	}
	return out, false, nil
}
