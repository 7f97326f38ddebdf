package doctor

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// directory implements Roles.
type directory struct {
	lake, bus Assigned
	service   Service
	none      bool
	err       error
}

func (d directory) OnLake(context.Context, string) (Assigned, error) { return d.lake, d.err }
func (d directory) OnBus(context.Context, string) (Assigned, error)  { return d.bus, d.err }

func (d directory) Service(context.Context, string, string) (Service, bool, error) {
	return d.service, !d.none, d.err
}

func permitted() directory {
	return directory{
		lake: Assigned{"p", "/sub/acct", []Assignment{
			{blobReader.id, "/sub/acct/blobservices/default/containers/fhir-landing"},
			{blobOwner.id, "/sub/acct/blobservices/default/containers/fhir-staging"},
		}},
		bus: Assigned{"p", "/sub/ns", []Assignment{{busOwner.id, "/sub"}}},
		service: Service{
			Assigned{"svc", "/sub/acct", []Assignment{{blobContributor.id, "/sub/acct"}}}, "ACCT",
		},
	}
}

func TestRolesOfTheAppAndTheService(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(d *directory)
		check  string
		status Status
		text   string
	}{
		"all is well": {func(*directory) {}, "roles-lake", OK, "2 roles"},
		"queues":      {func(*directory) {}, "roles-queues", OK, "2 roles"},
		"service":     {func(*directory) {}, "roles-fhir-main", OK, "1 roles"},
		"reading is not writing": {
			func(d *directory) { d.lake.Assignments[1].Role = blobReader.id }, "roles-lake", Failed,
			"az role assignment create --assignee-object-id p --assignee-principal-type ServicePrincipal --role 'Storage Blob Data Contributor' --scope /sub/acct/blobservices/default/containers/fhir-staging",
		},
		"a container whose name begins alike": {
			func(d *directory) { d.lake.Assignments[1].Scope += "-2" }, "roles-lake", Failed,
			"it lacks Storage Blob Data Contributor on container fhir-staging",
		},
		"sending is not receiving": {
			func(d *directory) { d.bus.Assignments[0].Role = busSender.id }, "roles-queues", Failed,
			"Azure Service Bus Data Receiver on queue export-steps",
		},
		"no identity": {
			func(d *directory) { d.lake = Assigned{} }, "roles-lake", Failed, "no identity",
		},
		"another subscription": {
			func(d *directory) { d.lake.Resource = "" }, "roles-lake", Warning, "not known",
		},
		"roles that may not be read": {
			func(d *directory) { d.err = errors.New("HTTP 403") }, "roles-fhir-main", Warning,
			"not known: HTTP 403",
		},
		"a service of others": {
			func(d *directory) { d.none = true }, "roles-fhir-main", Warning, "no FHIR service",
		},
		"no export storage": {
			func(d *directory) { d.service.ExportsTo = "" }, "roles-fhir-main", Failed,
			"az healthcareapis workspace fhir-service update",
		},
		"another account": {
			func(d *directory) { d.service.ExportsTo = "other" }, "roles-fhir-main", Failed,
			"exports into the storage account other, and the app reads acct",
		},
		"a service without identity": {
			func(d *directory) { d.service.Principal = "" }, "roles-fhir-main", Failed,
			"no identity to write with",
		},
		"a service without the role": {
			func(d *directory) { d.service.Assignments = nil }, "roles-fhir-main", Failed,
			"--assignee-object-id svc",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newInstallation()
			d := permitted()
			c.change(&d)
			i.Roles = d
			r := i.examine(t)[c.check]
			if r.Status != c.status || !strings.Contains(r.Why+"\n"+r.Remedy, c.text) {
				t.Errorf("%s is %q: %s -> %s", c.check, r.Status, r.Why, r.Remedy)
			}
		})
	}
}
