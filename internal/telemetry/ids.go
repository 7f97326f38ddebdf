package telemetry

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// installation distinguishes exports of one name in two installations. All instances of an app have
// the same.
type installation string

func installationOf(env environment) installation {
	return installation(strings.Join([]string{
		env["WEBSITE_SITE_NAME"], env["OTEL_SERVICE_NAME"], env["LakeStorage__blobServiceUri"],
	}, "\n"))
}

// traceOf returns the trace of an export, and its first span. Both follow from the export, so that
// all instances put their steps into one trace, and no message has to carry it.
func (i installation) traceOf(export string) (t trace.TraceID, root trace.SpanID) {
	sum := sha256.Sum256([]byte("fhirsynapse export\n" + string(i) + "\n" + export))
	copy(t[:], sum[:16])
	copy(root[:], sum[16:24])
	return t, root
}

// ids makes the ids of spans.
type ids struct{ installation }

type exportKey struct{}

// NewIDs implements trace.IDGenerator of the SDK. A first span of an export has the export's ids.
func (i ids) NewIDs(ctx context.Context) (t trace.TraceID, s trace.SpanID) {
	if export, _ := ctx.Value(exportKey{}).(string); export != "" {
		return i.traceOf(export)
	}
	_, _ = rand.Read(t[:]) // never fails, according to its documentation
	_, _ = rand.Read(s[:])
	return t, s
}

// NewSpanID implements trace.IDGenerator of the SDK.
func (ids) NewSpanID(context.Context, trace.TraceID) (s trace.SpanID) {
	_, _ = rand.Read(s[:])
	return s
}
