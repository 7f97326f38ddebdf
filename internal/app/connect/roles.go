package connect

import (
	"context"
	"net/url"

	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/doctor"
)

// roles implements doctor.Roles for a deployed app.
type roles struct {
	m   *azure.Management
	app azure.FunctionApp
}

// OnLake implements doctor.Roles.
func (r roles) OnLake(ctx context.Context, account string) (doctor.Assigned, error) {
	return r.of(ctx, account, r.m.StorageRoles)
}

// OnBus implements doctor.Roles.
func (r roles) OnBus(ctx context.Context, namespace string) (doctor.Assigned, error) {
	return r.of(ctx, namespace, r.m.BusRoles)
}

// of joins the roles of all identities of the app.
func (r roles) of(
	ctx context.Context, name string,
	read func(ctx context.Context, subscription, name, principal string) (azure.Assigned, error),
) (out doctor.Assigned, err error) {
	for _, principal := range r.app.Principals {
		a, err := read(ctx, r.app.Subscription, name, principal)
		if err != nil {
			return out, err
		}
		if out.Principal == "" {
			out.Principal = principal
		}
		out.Resource = a.Resource
		out.Assignments = append(out.Assignments, assignments(a)...)
	}
	return out, nil
}

func assignments(a azure.Assigned) []doctor.Assignment {
	var out []doctor.Assignment
	for _, x := range a.Assignments {
		out = append(out, doctor.Assignment{Role: x.Role, Scope: x.Scope})
	}
	return out
}

// Service implements doctor.Roles.
func (r roles) Service(
	ctx context.Context, base, account string,
) (out doctor.Service, found bool, err error) {
	u, err := url.Parse(base)
	if err != nil {
		return out, false, nil //nolint:nilerr // the settings tell the fault
	}
	service, found, err := r.m.FHIRServiceAt(ctx, r.app.Subscription, u.Hostname())
	out.ExportsTo, out.Principal = service.ExportsTo, service.Principal
	if err != nil || !found || service.Principal == "" {
		return out, found, err
	}
	a, err := r.m.StorageRoles(ctx, r.app.Subscription, account, service.Principal)
	out.Resource, out.Assignments = a.Resource, assignments(a)
	return out, true, err
}
