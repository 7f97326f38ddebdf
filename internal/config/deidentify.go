package config

import (
	"regexp"
	"strings"

	"fhirsynapse/internal/pipeline"
)

var (
	deidentifyKeys = []string{"config", "etag", "collection"}
	// configFile matches a blob's path. The server divides its text at a colon.
	configFile = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9 ._/-]{0,254}$`)
	etag       = regexp.MustCompile(`^[A-Za-z0-9+/=_-]{1,64}$`)
	// collection matches an image in Azure Container Registry, with its tag or digest.
	collection = regexp.MustCompile(
		`^[a-z0-9-]{5,50}\.azurecr\.[a-z]{2,3}(/[a-z0-9._-]+)+(:[A-Za-z0-9_.-]{1,128}|@sha256:[0-9a-f]{64})$`)
)

// deidentify reads the rules by which the server de-identifies what it exports; nil if there are
// none.
func (r *reader) deidentify(o object, p *pipeline.Plan, e *Exports, dialect string) {
	if !o.has("deidentify") {
		return
	}
	if dialect != DialectAzure {
		o.fault("deidentify",
			"only servers of dialect azure take a configuration of de-identified exports")
		return
	}
	if o.boolean("deleted", false) {
		o.fault("deleted",
			"has no meaning with deidentify: each export is full, and a full export names no deletes")
	}
	d, ok := r.object(o.fields["deidentify"], o.what+": deidentify", deidentifyKeys...)
	if !ok {
		return
	}
	rules := &pipeline.Deidentify{
		Config: d.text("config", ""), ETag: strings.Trim(d.text("etag", ""), `"`),
		Collection: d.text("collection", ""),
	}
	switch {
	case rules.Config == "":
		d.fault("config",
			"is missing: write the name of the configuration file in the container anonymization")
	case !configFile.MatchString(rules.Config):
		d.fault("config",
			"must be the path of a blob, with letters, digits, spaces, dots, hyphens, underscores and slashes")
	}
	switch {
	case rules.ETag != "" && rules.Collection != "":
		d.fault("etag", "has no meaning with collection, whose tag or digest names the version")
	case rules.Collection != "" && !collection.MatchString(rules.Collection):
		d.fault("collection",
			"must be an image of Azure Container Registry with its tag or digest, such as registry.azurecr.io/deidentify:v1")
	case rules.Collection != "":
	case rules.ETag == "":
		d.fault("etag",
			"is missing: without it the file could change unnoticed, and one table would have rows by two configurations")
	case !etag.MatchString(rules.ETag):
		d.fault("etag", "must be the ETag of the blob, such as 0x8D8494A069489EC")
	}
	p.Deidentify = rules
	if p.Level != pipeline.LevelSystem {
		e.warn("%s: Microsoft documents de-identified exports for level system only: look at the first export before others do", o.what)
	}
	if p.Cohort != "" {
		e.warn("%s: de-identified files may have other ids, so that resources of patients outside the cohort are not filtered", o.what)
	}
}
