package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/config"
	"fhirsynapse/internal/pipeline"
)

func TestDeidentifiedPlans(t *testing.T) {
	t.Parallel()
	const digest = "registry.azurecr.io/rules/study@sha256:" +
		"1ae21c6e33deb90f105982404c867671da624deda7dff364107ec8c2910b4992"
	for text, want := range map[string]pipeline.Deidentify{
		`{config: limited.json, etag: 0x8D8494A069489EC}`: {
			Config: "limited.json", ETag: "0x8D8494A069489EC",
		},
		`{config: a/limited set.json, etag: '"0x8D8494A069489EC"'}`: {
			Config: "a/limited set.json", ETag: "0x8D8494A069489EC",
		},
		`{config: a.json, collection: "registry.azurecr.io/rules:v1"}`: {
			Config: "a.json", Collection: "registry.azurecr.io/rules:v1",
		},
		`{config: a.json, collection: "` + digest + `"}`: {Config: "a.json", Collection: digest},
	} {
		e, err := config.ParseExports("x.yaml",
			[]byte(head+"- {name: a, source: s, schedule: manual, deidentify: "+text+"}\n"), none)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(&want, e.Plans[0].Deidentify); diff != "" || e.Plans[0].Deleted {
			t.Errorf("%s: deleted %t\n%s", text, e.Plans[0].Deleted, diff)
		}
		if len(e.Warnings) > 0 {
			t.Errorf("warnings %q", e.Warnings)
		}
	}
}

func TestFaultsOfDeidentifiedPlans(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"fullEvery: 3, deidentify: {config: a, etag: 1}":                       "fullEvery: has no meaning with deidentify",
		"deidentify: limited.json":                                             "deidentify must be an object, not text",
		"deidentify: {etag: 1}":                                                "deidentify: config: is missing",
		"deidentify: {config: a.json}":                                         "deidentify: etag: is missing: without it",
		"deidentify: {conf: a, etag: 1}":                                       "unknown key conf in plan a: deidentify: did you mean config?",
		"deidentify: {config: 'a:b', etag: 1}":                                 "config: must be the path of a blob",
		"deidentify: {config: a, etag: 'W/\"1\" '}":                            "etag: must be the ETag of the blob",
		"deidentify: {collection: 'abcde.azurecr.io/x:1'}":                     "config: is missing",
		"deidentify: {config: a, collection: 'docker.io/x:1'}":                 "collection: must be an image of Azure",
		"deidentify: {config: a, collection: abcde.azurecr.io/x}":              "collection: must be an image of Azure",
		"deidentify: {config: a, etag: 1, collection: 'abcde.azurecr.io/x:1'}": "etag: has no meaning with collection",
		"deleted: true, deidentify: {config: a, etag: 1}":                      "deleted: has no meaning with deidentify",
		"source: b, deidentify: {config: a, etag: 1}":                          "deidentify: only servers of dialect azure",
	} {
		text := "version: 1\nsources: {s: {url: 'https://x', auth: {kind: none}}, " +
			"b: {url: 'https://y', dialect: bulk, auth: {kind: none}}}\nplans:\n" +
			"- {name: a, source: s, schedule: manual, " + text + "}\n"
		text = strings.Replace(text, "s, schedule: manual, source: b", "b, schedule: manual", 1)
		_, err := config.ParseExports("x.yaml", []byte(text), none)
		if err == nil || !strings.Contains(err.Error(), want) ||
			!strings.HasPrefix(err.Error(), "x.yaml:4: ") {
			t.Errorf("%s got: %v, want %s", text, err, want)
		}
	}
}

func TestADeidentifiedPlanBelowSystemLevelIsWarnedOf(t *testing.T) {
	t.Parallel()
	e, err := config.ParseExports("x.yaml", []byte("version: 1\n"+
		"sources: {s: {url: 'https://x', auth: {kind: none}}}\n"+
		"cohorts: [{name: c, search: 'Patient?active=true'}]\n"+
		"plans:\n- {name: a, cohort: c, schedule: manual, deidentify: {config: a, etag: 1}}\n"),
		none)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(e.Warnings, "\n")
	for _, want := range []string{"for level system only", "outside the cohort are not filtered"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in %q", want, all)
		}
	}
}

func TestTheExampleOfTheDeidentifiedPageWorks(t *testing.T) {
	t.Parallel()
	e := example(t, "deidentified.md")
	want := pipeline.Deidentify{Config: "limited.json", ETag: "0x8D8494A069489EC"}
	if len(e.Plans) != 2 || e.Plans[0].Deidentify != nil || len(e.Warnings) > 0 {
		t.Errorf("it has %+v and warns of %q", e.Plans, e.Warnings)
	}
	if diff := cmp.Diff(&want, e.Plans[1].Deidentify); diff != "" {
		t.Error(diff)
	}
}
