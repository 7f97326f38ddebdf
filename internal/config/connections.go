package config

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// warehouse splits scheme:rest. The rest stays out of faults, because it may hold a password.
func (e *env) warehouse(schemes []string) Warehouse {
	const name = "Warehouse"
	known := make([]string, 0, len(schemes))
	for _, s := range schemes {
		known = append(known, s+":...")
	}
	slices.Sort(known)
	text := e.get(name)
	if len(schemes) == 0 {
		e.fault(name, "this program was built without a warehouse that it could open")
		return Warehouse{}
	}
	scheme, rest, ok := strings.Cut(text, ":")
	switch {
	case text == "":
		e.fault(name, "is not set: write one of %s", strings.Join(known, ", "))
	case !ok:
		e.fault(name, "must be scheme:rest, one of %s", strings.Join(known, ", "))
	case !slices.Contains(schemes, scheme):
		e.fault(name, "this program has no warehouse %q: write one of %s", scheme,
			strings.Join(known, ", "))
	case rest == "":
		e.fault(name, "has nothing after %q", scheme+":")
	}
	return Warehouse{Scheme: scheme, Rest: NewSecret(rest)}
}

func (e *env) bus() Connection {
	c := e.connection(serviceBus, suffixBusHost)
	if text := c.ConnectionString.Reveal(); text != "" {
		fields := connectionFields(text)
		if fields["endpoint"] == "" {
			e.fault(serviceBus, "is not a Service Bus connection string: it has no Endpoint")
		}
		if fields["entitypath"] != "" {
			e.fault(serviceBus,
				"has an EntityPath, which ties it to one entity: use the namespace's own connection string")
		}
	}
	if c.Address != "" && strings.ContainsAny(c.Address, ":/ ") {
		e.fault(serviceBus+suffixBusHost,
			"must be a bare host name such as name.servicebus.windows.net")
	}
	return c
}

func (e *env) lake() Connection {
	c := e.connection(lakeStorage, suffixBlobURI)
	if text := c.ConnectionString.Reveal(); text != "" {
		fields := connectionFields(text)
		if fields["accountname"] == "" && fields["blobendpoint"] == "" &&
			fields["usedevelopmentstorage"] == "" {
			e.fault(lakeStorage,
				"is not a storage connection string: it has neither AccountName nor BlobEndpoint")
		}
	}
	if c.Address != "" {
		u, err := url.Parse(c.Address)
		switch {
		case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
			e.fault(lakeStorage+suffixBlobURI,
				"must be a URL such as https://name.blob.core.windows.net")
		case u.RawQuery != "" || u.User != nil:
			e.fault(lakeStorage+suffixBlobURI,
				"may not carry a key or signature: a managed identity signs in")
		}
		c.Address = strings.TrimRight(c.Address, "/")
	}
	return c
}

// connection reads a setting in either of the host's two forms.
func (e *env) connection(name, addressSuffix string) Connection {
	c := Connection{
		ConnectionString: NewSecret(e.given(name)),
		Address:          e.given(name + addressSuffix),
		ClientID:         e.given(name + suffixClientID),
	}
	switch {
	case c.ConnectionString.IsZero() && c.Address == "":
		e.fault(name, "is not set: write a connection string, or %s for a managed identity",
			name+addressSuffix)
	case !c.ConnectionString.IsZero() && c.Address != "":
		e.fault(name, "and %s are both set: remove one", name+addressSuffix)
	}
	return c
}

// connectionFields parses "A=b;C=d" into a map with lower-case names.
func connectionFields(text string) map[string]string {
	fields := map[string]string{}
	for part := range strings.SplitSeq(text, ";") {
		if name, value, ok := strings.Cut(part, "="); ok {
			fields[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
		}
	}
	return fields
}

// functionTimeout checks a step's deadline against the host's, which kills the process with all its
// invocations. No deadline applies outside a host.
func (e *env) functionTimeout(step time.Duration, readFile func(string) ([]byte, error)) {
	const override = "AzureFunctionsJobHost__functionTimeout"
	// The host's default outside the Consumption plan.
	text, where := "00:30:00", "the host's default functionTimeout"
	if root := e.given(appRoot); root != "" {
		data, err := readFile(filepath.Join(root, "host.json"))
		var host struct {
			FunctionTimeout string `json:"functionTimeout"`
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return
		case err != nil:
			e.fault("host.json", "read: %w", err)
			return
		}
		if err := json.Unmarshal(data, &host); err != nil {
			e.fault("host.json", "%w", err)
			return
		}
		if host.FunctionTimeout != "" {
			text, where = host.FunctionTimeout, "functionTimeout of host.json"
		}
	} else if e.given(override) == "" {
		return
	}
	if v := e.given(override); v != "" {
		text, where = v, override
	}
	limit, err := parseTimeSpan(text)
	switch {
	case err != nil:
		e.fault(where, "%w", err)
	case step >= limit:
		e.fault("StepTimeout", "%s is not below %s, %s: the host would kill the process", step,
			where, text)
	}
}
