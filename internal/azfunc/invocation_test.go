package azfunc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
)

func read(t *testing.T, text string) Invocation {
	t.Helper()
	b, err := decode(strings.NewReader(text))
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return Invocation{Function: "F", Data: b.data, Metadata: b.metadata}
}

const eventText = `{"id":"e1","topic":"/subscriptions/s","subject":"/blobServices/default/containers/ndjson/blobs/run1/Patient.ndjson",` +
	`"eventType":"Microsoft.Storage.BlobCreated","eventTime":"2026-11-23T05:00:00.1234567Z","dataVersion":"","metadataVersion":"1",` +
	`"data":{"api":"FlushWithClose","contentType":"application/x-ndjson","contentLength":1234567,"blobType":"BlockBlob","eTag":"0x8D","url":"https://acct/ndjson/run1/Patient.ndjson","sequencer":"1"}}`

const sbMetadata = `"MessageId":"\"m-1\"","DeliveryCount":"3","SequenceNumber":"42","LockToken":"\"6b1f\"",` +
	`"EnqueuedTimeUtc":"2026-11-23T05:00:00","EnqueuedTime":"2026-11-23T06:00:00+01:00","ContentType":"\"application/json\"",` +
	`"Subject":"\"poll\"","CorrelationId":"\"j1\"","ApplicationProperties":{"attempt":3},"MessageActions":{},"sys":{}`

func TestMessageBodyIsWhatWasSentWhateverTheBindingMadeOfIt(t *testing.T) {
	t.Parallel()
	quoted := func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	const body = `{"jobId":"j1 Ä"}`
	for name, data := range map[string]string{
		"binary, base64":             `"` + base64.StdEncoding.EncodeToString([]byte(body)) + `"`,
		"text, JSON in JSON":         quoted(quoted(body)),
		"text, once":                 quoted(body),
		"a bare object":              body,
		"binary with byte order":     ` "` + base64.StdEncoding.EncodeToString([]byte(body)) + `" `,
		"text, JSON in JSON in JSON": quoted(quoted(quoted(body))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := read(t, `{"Data":{"message":`+data+`},"Metadata":{`+sbMetadata+`}}`).Message()
			if err != nil {
				t.Fatal(err)
			}
			want := Message{
				Body: []byte(body), ID: "m-1", DeliveryCount: 3, Sequence: 42,
				Enqueued: time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC),
				Subject:  "poll", CorrelationID: "j1", ContentType: "application/json",
			}
			if diff := cmp.Diff(want, m); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMessageOfBinaryBytesThatAreNoText(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"\x00\xff\xfe", "", "nul", "12", "\xef\xbb\xbf{}"} {
		m, err := read(t,
			`{"Data":{"message":"`+base64.StdEncoding.EncodeToString([]byte(body))+
				`"},"Metadata":null}`).Message()
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Body) != body {
			t.Errorf("got %q, want %q", m.Body, body)
		}
	}
}

func TestTriggerOfAnotherNameIsBadDataThatNamesBoth(t *testing.T) {
	t.Parallel()
	_, err := read(t, `{"Data":{"msg":"e30="},"Metadata":{}}`).Message()
	if fault.Of(err) != fault.BadData || !strings.Contains(err.Error(), `"message"`) ||
		!strings.Contains(err.Error(), `"msg"`) {
		t.Errorf("got %v", err)
	}
	if _, err := read(t, `{"Data":{"timer":null}}`).Timer(); fault.Of(err) != fault.BadData {
		t.Errorf("got %v", err)
	}
}

func TestTimer(t *testing.T) {
	t.Parallel()
	last := time.Date(2026, 11, 23, 5, 0, 0, 2100000, time.UTC)
	next := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		data string
		want Timer
	}{
		"as today's host sends it": {
			`{"Schedule":{"AdjustForDST":true},"ScheduleStatus":{"Last":"2026-11-23T05:00:00.0021+00:00","Next":"2026-11-23T06:00:00+00:00","LastUpdated":"2026-11-23T05:00:00.0021+00:00"},"IsPastDue":true}`,
			Timer{PastDue: true, Last: last, Next: next, Updated: last},
		},
		"never ran, year 1 without a zone": {
			`{"ScheduleStatus":{"Last":"0001-01-01T00:00:00","Next":"2026-11-23T06:00:00","LastUpdated":"0001-01-01T00:00:00+00:00"},"IsPastDue":false}`,
			Timer{Next: next},
		},
		"no monitor":  {`{"ScheduleStatus":null,"IsPastDue":"False"}`, Timer{}},
		"in a string": {`"{\"IsPastDue\":\"True\"}"`, Timer{PastDue: true}},
		"in camelCase": {
			`{"isPastDue":true,"scheduleStatus":{"next":"11/23/2026 06:00:00"}}`,
			Timer{PastDue: true, Next: next},
		},
		"empty": {`{}`, Timer{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(t,
				`{"Data":{"timer":`+tt.data+
					`},"Metadata":{"sys":{"MethodName":"TimerExport"}}}`).Timer()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBlobEventsFromEveryTrigger(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 5, 0, 0, 123456700, time.UTC)
	event := BlobEvent{
		ID: "e1", Type: "Microsoft.Storage.BlobCreated", API: "FlushWithClose",
		URL: "https://acct/ndjson/run1/Patient.ndjson", ETag: "0x8D", Length: 1234567, Time: at,
	}
	pushed := BlobEvent{
		URL: "http://127.0.0.1:10000/a/ndjson/run1/P.ndjson", ETag: "0x1", Length: 77,
		Time: at.Truncate(time.Second),
	}
	const pushedMetadata = `"Metadata":{"Uri":"\"http://127.0.0.1:10000/a/ndjson/run1/P.ndjson\"","name":"\"run1/P.ndjson\"",` +
		`"Properties":{"LastModified":"2026-11-23T05:00:00+00:00","ContentLength":77,"ETag":"\"0x1\""},"Metadata":{"job":"j1"},"sys":{}}`
	b64 := base64.StdEncoding.EncodeToString
	for name, tt := range map[string]struct {
		body string
		want []BlobEvent
	}{
		"service bus message": {`{"Data":{"message":"` + b64([]byte(eventText)) +
			`"},"Metadata":{"Uri":"\"x\""}}`, []BlobEvent{event}},
		"array in a message": {`{"Data":{"message":"` +
			b64([]byte("["+eventText+","+eventText+"]")) + `"}}`, []BlobEvent{event, event}},
		"event grid": {
			`{"Data":{"event":` + eventText + `},"Metadata":{"data":{}}}`,
			[]BlobEvent{event},
		},
		"cloud event": {
			`{"Data":{"event":{"specversion":"1.0","id":"e1","type":"Microsoft.Storage.BlobCreated","time":"2026-11-23T05:00:00.1234567Z","data":{"api":"FlushWithClose","contentLength":"1234567","eTag":"\"0x8D\"","url":"https://acct/ndjson/run1/Patient.ndjson"}}}}`,
			[]BlobEvent{event},
		},
		"pushed blob":   {`{"Data":{"blob":"AAAA"},` + pushedMetadata + `}`, []BlobEvent{pushed}},
		"deferred blob": {`{"Data":{"blob":{"Version":"1.0","Source":"AzureStorageBlobs","Content":{},"ContentType":"application/json"}},` + pushedMetadata + `}`, []BlobEvent{pushed}},
		"deferred blob as the real host has it": {
			strings.ReplaceAll(
				`{"Data":{"blob":{"Version":"1.0","Source":"AzureStorageBlobs","Content":{}}},`+
					pushedMetadata+`}`, `"\"0x1\""`, `{}`),
			[]BlobEvent{{URL: pushed.URL, Length: 77, Time: pushed.Time}},
		},
		"length not said": {
			`{"Data":{"event":{"data":{"url":"u"}}}}`,
			[]BlobEvent{{URL: "u", Length: -1}},
		},
		"empty array is none": {`{"Data":{"event":[]}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(t, tt.body).BlobEvents()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatIsNoStorageEventIsBadDataAndIsNotQuoted(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`secret`, `"secret"`, `{"secret":1}`, `[{"data":{"url":"u"}},"secret"]`,
		`{"data":"secret"}`, ``, `[1`,
	} {
		_, err := read(t,
			`{"Data":{"message":"`+base64.StdEncoding.EncodeToString([]byte(body))+
				`"}}`).BlobEvents()
		if fault.Of(err) != fault.BadData {
			t.Errorf("%s: got %v", body, err)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error quotes the message: %v", err)
		}
	}
}

func TestDecodeRefusesWhatIsNoInvocation(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":            "",
		"white space":      "  \n",
		"array":            `[]`,
		"truncated object": `{"Data":{"message":"e30="`,
		"truncated string": `{"Data":{"message":"e30`,
		"truncated escape": `{"Data":{"message":"e30\`,
		"no colon":         `{"Data" {}}`,
		"no name":          `{1:2}`,
		"no value":         `{"Data":,"Metadata":{}}`,
		"wrong bracket":    `{"Data":{"a":[1}]}}`,
		"bad literal":      `{"Data":{"a":nope}}`,
		"bad escape":       `{"Data":{"a":"\x"}}`,
		"no comma":         `{"Data":{"a":1 "b":2}}`,
		"too deep": `{"Data":{"a":` + strings.Repeat("[", maxDepth+1) +
			strings.Repeat("]", maxDepth+1) + `}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if b, err := decode(strings.NewReader(text)); err == nil {
				t.Errorf("got %v", b)
			}
		})
	}
}

func TestDecodeAllowsTheOddButHarmless(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"byte order mark":   "\xef\xbb\xbf" + `{"Data":{"a":1}}`,
		"other case":        `{"data":{"a":1},"metadata":{}}`,
		"white space":       " {\n\"Data\" :\t{ \"a\" : 1 } , \"Metadata\" : null }\r\n",
		"unknown members":   `{"X":[{"Data":{"a":2}},"}"],"Data":{"a":1},"Y":"\"}"}`,
		"escaped name":      `{"D\u0061ta":{"\u0061":1}}`,
		"last of two wins":  `{"Data":{"a":2,"a":1}}`,
		"a name too long":   `{"Data":{"a":1,"` + strings.Repeat("n", 10_000) + `":3}}`,
		"bytes after it":    `{"Data":{"a":1}} trailing`,
		"metadata a string": `{"Data":{"a":1},"Metadata":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := read(t, text)
			if n, ok := in.Data["a"].Int(); !ok || n != 1 || len(in.Data) != 1 {
				t.Errorf("got %v", in.Data)
			}
		})
	}
}

// Not parallel: it measures the allocations of the process.
func TestHugeValuesAreStreamedPastInBoundedMemory(t *testing.T) {
	const size = 9 << 20
	for name, value := range map[string]io.Reader{
		"blob":           wrap(`"`, repeat("QUJD", size), `"`),
		"escaped string": wrap(`"`, repeat(`\"a\\`, size), `"`),
		"number":         repeat("1", size),
		"nested":         wrap(`[`, repeat(`{"a":["b"]},`, size), `1]`),
	} {
		t.Run(name, func(t *testing.T) {
			in := io.MultiReader(strings.NewReader(`{"Data":{"x":`), value,
				strings.NewReader(`},"Metadata":{"Uri":"\"u\""}}`))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			b, err := decode(in)
			if err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
				t.Errorf("decoding allocated %d bytes", grown)
			}
			if n := b.data["x"].Skipped(); n < size {
				t.Errorf("skipped %d of %d bytes", n, size)
			}
			if got := b.metadata["Uri"].Text(); got != "u" {
				t.Errorf("Uri is %q", got)
			}
		})
	}
}

func TestOversizeMessageIsBadData(t *testing.T) {
	t.Parallel()
	in := read(t, `{"Data":{"message":"`+strings.Repeat("A", maxValue)+`"},"Metadata":{}}`)
	if _, err := in.Message(); fault.Of(err) != fault.BadData {
		t.Errorf("got %v", err)
	}
	if in.Skipped() != maxValue+2 {
		t.Errorf("skipped %d", in.Skipped())
	}
}

func TestKeptValuesShareABudget(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString(`{"Metadata":{`)
	for i := range 20 {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(`"k` + string(rune('a'+i)) + `":"` + strings.Repeat("x", maxValue-10) +
			`"`)
	}
	text.WriteString(`}}`)
	kept := 0
	for _, v := range read(t, text.String()).Metadata {
		kept += len(v.raw)
	}
	if kept == 0 || kept > maxKept {
		t.Errorf("kept %d bytes", kept)
	}
}

func TestReadErrorsAreKept(t *testing.T) {
	t.Parallel()
	cause := errors.New("cut")
	_, err := decode(io.MultiReader(strings.NewReader(`{"Data":`), failing{cause}))
	if !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"Data":{"timer":{"IsPastDue":false,"ScheduleStatus":{"Last":"0001-01-01T00:00:00"}}},"Metadata":{"sys":{}}}`))
	f.Add([]byte(`{"Data":{"message":"\"{\\\"jobId\\\":\\\"j1\\\"}\""},"Metadata":{` + sbMetadata +
		`}}`))
	f.Add([]byte(`{"Data":{"event":` + eventText + `},"Metadata":{"data":{}}}`))
	f.Add([]byte(`{"Data":{"blob":"AA=="},"Metadata":{"Uri":"\"u\"","Properties":{"ContentLength":"1e3"}}}`))
	f.Add([]byte(`{"a":[[[{"b":"\u00e4\\"}]]],"Data":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := decode(strings.NewReader(string(text)))
		if err != nil {
			return
		}
		in := Invocation{Data: b.data, Metadata: b.metadata}
		sameAsEncodingJSON(t, text, b)
		kept := 0
		for _, m := range []map[string]Value{in.Data, in.Metadata} {
			for _, v := range m {
				kept += len(v.raw)
				_, _ = v.Int()
				_, _, _ = v.Bool(), v.Time(), v.Text()
				if v.Skipped() > 0 && v.raw != nil {
					t.Error("a value is both kept and skipped")
				}
			}
		}
		if kept > len(text) {
			t.Errorf("kept %d bytes of %d", kept, len(text))
		}
		if m, err := in.Message(); err == nil && len(m.Body) > len(text) {
			t.Errorf("a body of %d bytes out of %d", len(m.Body), len(text))
		}
		if _, err := in.BlobEvents(); err != nil && fault.Of(err) != fault.BadData {
			t.Errorf("not bad data: %v", err)
		}
		if _, err := in.Timer(); err != nil && fault.Of(err) != fault.BadData {
			t.Errorf("not bad data: %v", err)
		}
	})
}

// sameAsEncodingJSON compares the scanner with the standard library on valid JSON.
func sameAsEncodingJSON(t *testing.T, text []byte, got body) {
	t.Helper()
	var want struct{ Data, Metadata map[string]json.RawMessage }
	if json.Unmarshal(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), &want) != nil {
		return
	}
	for name, raw := range want.Data {
		if v := got.data[name]; name != "" && len(name) < maxName && v.Skipped() == 0 &&
			!bytes.Equal(compact(t, raw), compact(t, v.raw)) {
			t.Errorf("Data %q: got %s, want %s", name, v.raw, raw)
		}
	}
	for name, raw := range want.Metadata {
		if v := got.metadata[name]; name != "" && len(name) < maxName && v.Skipped() == 0 &&
			!bytes.Equal(compact(t, raw), compact(t, v.raw)) {
			t.Errorf("Metadata %q: got %s, want %s", name, v.raw, raw)
		}
	}
}

func compact(t *testing.T, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Errorf("kept what is not JSON: %q", raw)
	}
	return b.Bytes()
}

// repeat reads the unit repeatedly, at least n bytes.
func repeat(unit string, n int64) io.Reader {
	block := strings.Repeat(unit, 1+(64<<10)/len(unit))
	return &repeater{block: block, left: 1 + n/int64(len(block))}
}

type repeater struct {
	block string
	at    int
	left  int64
}

func (r *repeater) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.block[r.at:])
	if r.at += n; r.at == len(r.block) {
		r.at, r.left = 0, r.left-1
	}
	return n, nil
}

func wrap(before string, r io.Reader, after string) io.Reader {
	return io.MultiReader(strings.NewReader(before), r, strings.NewReader(after))
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
