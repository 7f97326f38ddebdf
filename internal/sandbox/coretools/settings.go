package coretools

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"fhirsynapse/internal/emulator/azurite"
)

// The ports of the emulators that UseDevelopmentStorage=true and UseDevelopmentEmulator=true
// select.
const (
	blobPort, queuePort, tablePort = 10000, 10001, 10002
	amqpPort                       = 5672
)

// storageOf returns the ports of the storage emulator in the settings, and whether the settings
// name an emulator on this machine.
func storageOf(values map[string]string) (o azurite.Options, wanted bool, err error) {
	o.Queues = true
	// The host's own connection is first, because the host needs queues and tables too.
	for _, name := range []string{"AzureWebJobsStorage", "LakeStorage"} {
		if !isDevelopment(values[name]) {
			continue
		}
		wanted = true
		fields := fieldsOf(values[name])
		if strings.EqualFold(fields["usedevelopmentstorage"], "true") {
			o.BlobPort, o.QueuePort, o.TablePort = blobPort, queuePort, tablePort
			return o, wanted, nil
		}
		for field, port := range map[string]*int{
			"blobendpoint": &o.BlobPort, "queueendpoint": &o.QueuePort,
			"tableendpoint": &o.TablePort,
		} {
			if fields[field] == "" {
				continue
			}
			u, err := url.Parse(fields[field])
			if err != nil {
				return o, wanted, fmt.Errorf("%s: %s is not a URL: %w", name, field, err)
			}
			if *port, err = strconv.Atoi(cmp.Or(u.Port(), "80")); err != nil {
				return o, wanted, fmt.Errorf("%s: the port of %s: %w", name, field, err)
			}
		}
		return o, wanted, nil
	}
	return o, false, nil
}

// isDevelopment reports whether a connection string names a storage emulator on this machine.
func isDevelopment(text string) bool {
	fields := fieldsOf(text)
	if strings.EqualFold(fields["usedevelopmentstorage"], "true") {
		return true
	}
	u, err := url.Parse(fields["blobendpoint"])
	return err == nil && u.Scheme == "http" && isLoopback(u.Hostname())
}

// bus is the Service Bus namespace that the settings expect.
type bus struct {
	addr, keyName, key string
	queues             []string
}

// busOf returns the Service Bus emulator in the settings, and whether the settings name an emulator
// on this machine.
func busOf(values map[string]string) (b bus, wanted bool, err error) {
	const name = "ServiceBusConnection"
	fields := fieldsOf(values[name])
	if !strings.EqualFold(fields["usedevelopmentemulator"], "true") {
		return b, false, nil
	}
	u, err := url.Parse(fields["endpoint"])
	if err != nil {
		return b, false, fmt.Errorf("%s: the Endpoint is not a URL: %w", name, err)
	}
	if !isLoopback(u.Hostname()) {
		return b, false, nil // an emulator on another machine
	}
	b = bus{
		addr:    net.JoinHostPort("127.0.0.1", cmp.Or(u.Port(), strconv.Itoa(amqpPort))),
		keyName: fields["sharedaccesskeyname"], key: fields["sharedaccesskey"],
	}
	for _, setting := range []string{"StepsQueue", "BlobEventsQueue"} {
		if values[setting] == "" {
			return b, true,
				fmt.Errorf("%s is missing: the Functions host knows no default", setting)
		}
		b.queues = append(b.queues, values[setting])
	}
	slices.Sort(b.queues)
	return b, true, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// fieldsOf reads a connection string; names become lower case.
func fieldsOf(text string) map[string]string {
	fields := map[string]string{}
	for part := range strings.SplitSeq(text, ";") {
		if name, value, ok := strings.Cut(part, "="); ok {
			fields[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
		}
	}
	return fields
}
