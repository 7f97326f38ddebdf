package store

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

const (
	// deletedState marks a soft-deleted row in exports of the Azure server.
	deletedState = "http://azurehealthcareapis.com/data-extensions/deleted-state"
	softDeleted  = "soft-deleted"

	// instant is the format in which the Azure server writes lastUpdated: .NET's FFFFFFF drops
	// trailing zeros, so the length of the fraction varies.
	instant = "2006-01-02T15:04:05.999-07:00"
)

// Instant formats t as the server writes instants.
func Instant(t time.Time) string { return t.UTC().Format(instant) }

// head holds the members of a line that the store needs.
type head struct {
	typ, id     string
	versionID   string
	lastUpdated time.Time
	deleted     bool
}

func readHead(line []byte) (head, error) {
	if !json.Valid(line) {
		return head{}, errors.New("not valid JSON")
	}
	o := gjson.ParseBytes(line)
	if !o.IsObject() {
		return head{}, errors.New("not a JSON object")
	}
	h := head{typ: o.Get("resourceType").Str, id: o.Get("id").Str}
	var errs []error
	if h.typ == "" {
		errs = append(errs, errors.New("no resourceType"))
	}
	if h.id == "" {
		errs = append(errs, errors.New("no id"))
	}
	meta := o.Get("meta")
	if !meta.Exists() {
		return h, errors.Join(errs...)
	}
	if !meta.IsObject() {
		return head{}, errors.New("meta is not an object")
	}
	h.versionID = meta.Get("versionId").Str
	if text := meta.Get("lastUpdated").Str; text != "" {
		var err error
		if h.lastUpdated, err = time.Parse(time.RFC3339, text); err != nil {
			errs = append(errs, errors.New("meta.lastUpdated is not an instant"))
		}
		h.lastUpdated = h.lastUpdated.UTC()
	}
	h.deleted = meta.Get(`extension.#(url=="`+deletedState+`").valueString`).Str == softDeleted
	return h, errors.Join(errs...)
}

// stamp sets meta.versionId and meta.lastUpdated; all other bytes stay. A missing meta is added
// after the id, as servers write it.
func stamp(line []byte, versionID string, lastUpdated time.Time) ([]byte, error) {
	if !gjson.GetBytes(line, "meta").Exists() {
		id := gjson.GetBytes(line, "id")
		line = slices.Insert(slices.Clone(line), id.Index+len(id.Raw), []byte(`,"meta":{}`)...)
	}
	line, err := sjson.SetBytes(line, "meta.versionId", versionID)
	if err != nil {
		return nil, err
	}
	return sjson.SetBytes(line, "meta.lastUpdated", Instant(lastUpdated))
}

// tombstone returns the row of a soft-deleted resource, which has almost no content.
func tombstone(typ, id, versionID string, lastUpdated time.Time) ([]byte, error) {
	return json.Marshal(tombstoneRow{ResourceType: typ, ID: id, Meta: tombstoneMeta{
		Extension:   []stringExtension{{URL: deletedState, Value: softDeleted}},
		VersionID:   versionID,
		LastUpdated: Instant(lastUpdated),
	}})
}

type tombstoneRow struct {
	ResourceType string        `json:"resourceType"`
	ID           string        `json:"id"`
	Meta         tombstoneMeta `json:"meta"`
}

type tombstoneMeta struct {
	Extension   []stringExtension `json:"extension"`
	VersionID   string            `json:"versionId"`
	LastUpdated string            `json:"lastUpdated"`
}

type stringExtension struct {
	URL   string `json:"url"`
	Value string `json:"valueString"`
}

// nextVersion increments a numeric versionId. The Azure server writes only numeric values, but
// added data may have others.
func nextVersion(r *resource) string {
	if n, err := strconv.Atoi(r.newest().VersionID); err == nil {
		return strconv.Itoa(n + 1)
	}
	return strconv.Itoa(len(r.versions) + 1)
}
