package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/config"
	"fhirsynapse/internal/fault"

	"github.com/google/go-cmp/cmp"
)

const bulkFile = `
version: 1
sources:
  ehr:
    url: https://ehr.example/fhir
    dialect: bulk
    until: %t
    method: POST
    lenient: true
    fileToken: always
    privateFiles: true
    statusHosts: [jobs.example, "jobs.example:8443"]
    downloads: 4
    auth: {kind: smart, clientId: me, keyId: kid-1, keyFile: /run/secrets/key.pem, scope: system/Patient.rs}
plans:
  - {name: cohort, level: group, group: g1, patients: [p1, p2], schedule: manual, paused: true}
`

func parse(t *testing.T, text string, env map[string]string) (config.Exports, error) {
	t.Helper()
	return config.ParseExports("x.yaml", []byte(text), func(n string) string { return env[n] })
}

func TestASourceOfDialectBulk(t *testing.T) {
	t.Parallel()
	e, err := parse(t, fmt.Sprintf(bulkFile, true), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Source{
		Name: "ehr", URL: "https://ehr.example/fhir", Dialect: "bulk", Until: true, Method: "POST",
		Lenient:   true,
		FileToken: "always", PrivateFiles: true,
		StatusHosts: []string{"jobs.example", "jobs.example:8443"}, Downloads: 4,
		Auth: config.Auth{
			Kind: config.AuthSMART, ClientID: "me", KeyID: "kid-1",
			SecretFile: "/run/secrets/key.pem", Scope: "system/Patient.rs",
		},
	}
	if diff := cmp.Diff(want, e.Sources["ehr"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"p1", "p2"}, e.PatientsOf["cohort"]); diff != "" {
		t.Error(diff)
	}
	if p := e.Plans[0]; !p.Paused || p.OpenEnd || p.Deleted {
		t.Errorf("%+v", p)
	}
	if e, err = parse(t, fmt.Sprintf(bulkFile, false), nil); err != nil || !e.Plans[0].OpenEnd ||
		e.Plans[0].Lag != 0 {
		t.Errorf("without _until: %+v, %v", e.Plans, err)
	}
}

func TestEveryKindOfSignIn(t *testing.T) {
	t.Parallel()
	env := map[string]string{"S": "hunter2"}
	for auth, want := range map[string]config.Auth{
		`{kind: none}`: {Kind: config.AuthNone},
		`{kind: managed-identity}`: {
			Kind: config.AuthManagedIdentity, Audience: "https://fhir.example",
		},
		`{kind: workload-identity}`: {
			Kind: config.AuthWorkloadIdentity, Audience: "https://fhir.example",
		},
		`{kind: managed-identity, scope: "api://x/.default"}`: {
			Kind: config.AuthManagedIdentity, Audience: "https://fhir.example",
			Scope: "api://x/.default",
		},
		`{kind: client-credential, tenantId: t, clientId: c, secret: "${S}"}`: {
			Kind: config.AuthClientCredential, Audience: "https://fhir.example", TenantID: "t",
			ClientID: "c", Secret: config.NewSecret("hunter2"),
		},
		`{kind: smart, clientId: c, key: "${S}"}`: {
			Kind: config.AuthSMART, ClientID: "c", Secret: config.NewSecret("hunter2"),
		},
		`{kind: client-secret, clientId: c, secretFile: /s, tokenUrl: "https://auth.example"}`: {
			Kind: config.AuthClientSecret, ClientID: "c", SecretFile: "/s",
			TokenURL: "https://auth.example",
		},
		`{kind: bearer, token: "${S}"}`: {
			Kind: config.AuthBearer, Secret: config.NewSecret("hunter2"),
		},
	} {
		text := `{version: 1, sources: {s: {url: "https://fhir.example/r4", auth: ` + auth +
			`}}, plans: [{name: a, schedule: manual}]}`
		e, err := parse(t, text, env)
		if err != nil {
			t.Errorf("%s: %v", auth, err)
			continue
		}
		got := e.Sources["s"].Auth
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", auth, diff)
		}
		if shown := fmt.Sprintf("%v %+v %#v", got, e, e); strings.Contains(shown, "hunter2") {
			t.Errorf("%s: the secret is printed", auth)
		}
	}
}

func TestFaultsOfSources(t *testing.T) {
	t.Parallel()
	for what, want := range map[string]string{
		`dialect: bulk, auth: {kind: bearer, token: hunter2}`:                               "token: may not stand in this file",
		`dialect: bulk, auth: {kind: bearer, token: "x${S}"}`:                               "token: may not stand in this file",
		`dialect: bulk, auth: {kind: bearer, token: "${S}"}`:                                "refers to the setting S, which is not set",
		`dialect: bulk, auth: {kind: bearer, token: "${S}", tokenFile: f}`:                  "and tokenFile are both given",
		`dialect: bulk, auth: {kind: smart, clientId: c}`:                                   "key: is missing: write key: ${NAME}",
		`dialect: bulk, auth: {kind: smart, keyFile: f}`:                                    "clientId: is missing",
		`dialect: bulk, auth: {kind: none, clientId: c}`:                                    "clientId: has no meaning with kind none",
		`dialect: bulk, auth: {kind: smart, clientId: c, keyFile: f, tokenUrl: "http://x"}`: "tokenUrl: is not a URL that begins with https://",
		`auth: {kind: managed-identity, scope: s, audience: a}`:                             "scope: and audience are both given",
		`auth: {kind: password}`:                                                            `unknown kind "password"`,
		`dialect: bulk, method: PUT, auth: {kind: none}`:                                    `method: "PUT"`,
		`dialect: bulk, fileToken: sometimes, auth: {kind: none}`:                           "fileToken:",
		`dialect: bulk, downloads: 1000, auth: {kind: none}`:                                "downloads:",
		`dialect: bulk, maxCount: 5, auth: {kind: none}`:                                    "maxCount: has no meaning with dialect bulk",
		`until: true, auth: {kind: none}`:                                                   "until: has no meaning with dialect azure",
		`dialect: blue, auth: {kind: none}`:                                                 `unknown dialect "blue"`,
	} {
		text := `{version: 1, sources: {s: {url: "https://fhir.example", ` + what +
			`}}, plans: [{name: a, schedule: manual}]}`
		_, err := parse(t, text, nil)
		if fault.Of(err) != fault.Permanent || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s:\n%v\nwant %q", what, err, want)
		}
		if strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: the secret is in the error", what)
		}
	}
}

func TestFaultsOfPlansByDialect(t *testing.T) {
	t.Parallel()
	for what, want := range map[string]string{
		"z: patients: [p], level: patient":         "patients: this server takes no list",
		"b: patients: [p]":                         "patients: has no meaning at level system",
		"b: patients: [Patient/p], level: patient": "entry 1 is not the id",
		"b: elements: [id]":                        "elements: is refused",
		"b: lag: 3m":                               "lag: has no meaning",
		"b: deleted: false":                        "always reports deletes",
		"b: typeFilter: ['Observation?_count=5']":  "_count shapes an answer",
		"b: typeFilter: ['Observation?code']":      "not of the form name=value",
		"z: typeFilter: ['Observation?code=a=b'], types: [Observation], deleted: false": `second "="`,
	} {
		source, fields, _ := strings.Cut(what, ": ")
		text := `{version: 1, sources: {z: {url: "https://z.example", auth: {kind: none}}, b: {url: "https://b.example", dialect: bulk, auth: {kind: none}}},
			plans: [{name: a, schedule: manual, source: ` + source + `, ` + fields + `}]}`
		if _, err := parse(t, text, nil); !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v\nwant %q", what, err, want)
		}
	}
	text := `{version: 1, sources: {b: {url: "https://b.example", dialect: bulk, auth: {kind: none}}},
		plans: [{name: a, schedule: manual, typeFilter: ['Observation?code=a,b']}]}`
	if e, err := parse(t, text, nil); err != nil || len(e.Warnings) != 1 ||
		!strings.Contains(e.Warnings[0], "a view's where") {
		t.Errorf("a comma within a filter: %v, %q", err, e.Warnings)
	}
}

// The clock skips an hour in spring and repeats one in autumn. One export more or less does no
// harm.
func TestSchedulesOverTheChangeOfClocks(t *testing.T) {
	t.Parallel()
	text := `{version: 1, sources: {b: {url: "https://b.example", auth: {kind: none}}},
		plans: [{name: a, schedule: "30 2 * * *", timezone: Europe/Berlin}]}`
	e, err := parse(t, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	for day, starts := range map[string]int{"2026-03-29": 0, "2026-10-25": 2, "2026-07-01": 1} {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		from, n := at.Add(-2*time.Hour), 0
		for next := e.Plans[0].Schedule.Next(from); next.Before(
			at.Add(22 * time.Hour)); next = e.Plans[0].Schedule.Next(next) {
			if n++; n > 10 {
				t.Fatal("the schedule does not move on")
			}
		}
		if n != starts {
			t.Errorf("%s: %d starts, want %d", day, n, starts)
		}
	}
}
