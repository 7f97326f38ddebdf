package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"fhirsynapse/internal/emulator/fhirserver/rawjson"
)

const (
	// deletedState marks a soft-deleted row in exports of the Azure server.
	deletedState = "http://azurehealthcareapis.com/data-extensions/deleted-state"
	softDeleted  = "soft-deleted"

	// instant is how the Azure server writes lastUpdated: .NET's FFFFFFF drops
	// trailing zeros, so the length of the fraction varies.
	instant = "2006-01-02T15:04:05.999-07:00"
)

// Instant formats t the way the server writes instants.
func Instant(t time.Time) string { return t.UTC().Format(instant) }

// head is what the store must know of a line.
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
	o, err := rawjson.Parse(line)
	if err != nil {
		return head{}, errors.New("not a JSON object")
	}
	h := head{typ: o.String("resourceType"), id: o.String("id")}
	var errs []error
	if h.typ == "" {
		errs = append(errs, errors.New("no resourceType"))
	}
	if h.id == "" {
		errs = append(errs, errors.New("no id"))
	}
	if meta := o.Get("meta"); meta != nil {
		m, err := rawjson.Parse(meta)
		if err != nil {
			return head{}, errors.New("meta is not an object")
		}
		h.versionID = m.String("versionId")
		if text := m.String("lastUpdated"); text != "" {
			if h.lastUpdated, err = time.Parse(time.RFC3339, text); err != nil {
				errs = append(errs, errors.New("meta.lastUpdated is not an instant"))
			}
			h.lastUpdated = h.lastUpdated.UTC()
		}
		h.deleted = isTombstone(m)
	}
	return h, errors.Join(errs...)
}

func isTombstone(meta *rawjson.Object) bool {
	for _, e := range rawjson.At(meta.Text(), "extension") {
		if x, err := rawjson.Parse(e); err == nil && x.String("url") == deletedState {
			return x.String("valueString") == softDeleted
		}
	}
	return false
}

// stamp writes meta.versionId and meta.lastUpdated; the rest keeps its bytes.
func stamp(line []byte, versionID string, lastUpdated time.Time) ([]byte, error) {
	o, err := rawjson.Parse(line)
	if err != nil {
		return nil, err
	}
	version, err := json.Marshal(versionID)
	if err != nil {
		return nil, err
	}
	updated := []byte(strconv.Quote(Instant(lastUpdated)))
	meta := o.Get("meta")
	if meta == nil {
		text := fmt.Appendf(nil, `{"versionId":%s,"lastUpdated":%s}`, version, updated)
		return textAfter(o, o.InsertAfter("id", "meta", text))
	}
	m, err := rawjson.Parse(meta)
	if err != nil {
		return nil, err
	}
	if m.Get("versionId") == nil {
		err = m.InsertAfter("", "versionId", version)
	} else {
		err = m.Set("versionId", version)
	}
	if err != nil {
		return nil, err
	}
	if m.Get("lastUpdated") == nil {
		err = m.InsertAfter("versionId", "lastUpdated", updated)
	} else {
		err = m.Set("lastUpdated", updated)
	}
	if err != nil {
		return nil, err
	}
	return textAfter(o, o.Set("meta", m.Text()))
}

func textAfter(o *rawjson.Object, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return o.Text(), nil
}

// tombstone is the row of a soft-deleted resource: almost no content.
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

// nextVersion counts on from a numeric versionId; the Azure server writes
// nothing else, given data may.
func nextVersion(r *resource) string {
	if n, err := strconv.Atoi(r.newest().VersionID); err == nil {
		return strconv.Itoa(n + 1)
	}
	return strconv.Itoa(len(r.versions) + 1)
}
