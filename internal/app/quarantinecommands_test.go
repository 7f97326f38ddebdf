package app_test

import (
	"strings"
	"testing"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/quarantine"
)

// A person looks at the lines that a flattener has refused, with the settings of the storage
// account alone.
func TestOperatorsSeeTheQuarantine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, lake := t.Context(), w.App.Lake()
	o := operator(t, w.Settings(), "LakeStorage")
	list, err := o.Quarantined(ctx, quarantine.Query{Most: 5})
	if err != nil || len(list.Files) > 0 {
		t.Errorf("at first %v, %v", list.Files, err)
	}

	views, err := app.Views("")
	if err != nil {
		t.Fatal(err)
	}
	f, err := flatten.NewFlattener(flatten.Options{Lake: lake, Views: views})
	if err != nil {
		t.Fatal(err)
	}
	const marker = "Zebulon-Qx7"
	in := "{\"name\":\"" + marker + "\n{\"resourceType\":\"Patient\",\"id\":\"" + marker + "_ä\"}\n"
	if _, err := f.Flatten(ctx, pipeline.Flattening{
		Plan: "demo", Export: "demo-000001", Type: "Patient", Path: "f/Patient-1.ndjson",
		Dir: "demo-000001/Patient/v1/f/Patient-1.ndjson@0x8",
	}, strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}

	list, err = o.Quarantined(ctx, quarantine.Query{Name: "demo", Most: 5})
	if err != nil || len(list.Files) != 1 {
		t.Fatalf("%d files, %v", len(list.Files), err)
	}
	if x := list.Files[0]; x.Kind != quarantine.Lines || x.Export != "demo-000001" ||
		x.Type != "Patient" || x.From != "f/Patient-1.ndjson" || x.Lines == nil || *x.Lines != 2 {
		t.Errorf("listed %+v", x)
	}
	r, err := o.ExplainQuarantine(ctx, quarantine.Selection{Export: "demo-000001"})
	if err != nil || len(r.Reasons) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, x := range r.Reasons {
		if x.Lines != 1 || len(x.Where) != 1 || strings.Contains(x.Reason, marker) {
			t.Errorf("explained by %+v", x)
		}
	}
	var out strings.Builder
	n, err := o.CopyQuarantined(ctx, quarantine.Selection{Export: "demo-000001"}, &out)
	if err != nil || n != 2 || strings.Count(out.String(), marker) != 2 {
		t.Errorf("%d lines, %v", n, err)
	}
	if _, err := lake.Put(ctx, pipeline.Quarantine, "demo-000001/demo-000001.1/server-ab.txt",
		strings.NewReader("no\n")); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if n, err := o.CopyServerTexts(ctx, "demo-000001", &out); err != nil || n != 1 ||
		!strings.Contains(out.String(), `"text":"no"`) {
		t.Errorf("%d texts, %v: %s", n, err, out.String())
	}

	journal := records.Store{Journal: w.App.Journal()}
	if err := journal.CreateExport(ctx, records.Export{
		ID: "demo-000002", Plan: "demo", State: records.Loaded, Schema: "fhir",
	}); err != nil {
		t.Fatal(err)
	}
	if r, err := o.ExplainQuarantine(ctx,
		quarantine.Selection{Export: "demo-000002"}); err != nil || len(r.Reasons) > 0 {
		t.Errorf("of an export without bad lines: %+v, %v", r, err)
	}
	for name, want := range map[string]string{
		"demo-000003": "there is no such export in the journal", "weekly": "there is no such plan",
	} {
		if _, err := o.Quarantined(ctx, quarantine.Query{Name: name, Most: 1}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("list %s: %v, want %q", name, err, want)
		}
	}
	if _, err := o.ExplainQuarantine(ctx, quarantine.Selection{Export: "demo"}); err == nil ||
		!strings.Contains(err.Error(), `"demo" is no export id`) {
		t.Errorf("show a plan: %v", err)
	}
	if _, err := o.CopyQuarantined(ctx, quarantine.Selection{Export: "demo-000003"},
		&out); err == nil {
		t.Error("the lines of an unknown export are no error")
	}
	away := operator(t, map[string]string{
		"LakeStorage": w.Settings()["LakeStorage"], "QuarantineContainer": "other-place",
	}, "LakeStorage", "QuarantineContainer")
	if _, err := away.Quarantined(ctx, quarantine.Query{Most: 1}); err == nil ||
		!strings.Contains(err.Error(), "Storage Blob Data Reader on container other-place") {
		t.Errorf("a container that is missing: %v", err)
	}
}

// A message that was kept by a former version goes back on the queue of the sandbox, with the
// settings of storage and queue.
func TestOperatorsPutMessagesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, lake := t.Context(), w.App.Lake()
	const poll = `{"step":"poll","export":"demo-000001","job":1}`
	id := records.Digest(poll)
	for body, name := range map[string]string{poll: id, "foreign": records.Digest("foreign")} {
		if _, err := lake.Put(ctx, pipeline.Quarantine,
			pipeline.MessagesFolder+name+".json", strings.NewReader(body)); err != nil {
			t.Fatal(err)
		}
	}
	storage := operator(t, w.Settings(), "LakeStorage")
	list, err := storage.Quarantined(ctx, quarantine.Query{Most: 5})
	if err != nil || len(list.Files) != 2 || list.Files[0].Message.Queue != "export-steps" ||
		list.Files[0].Reason == "" {
		t.Errorf("listed %+v, %v", list.Files, err)
	}
	f, err := storage.KeptMessage(ctx, id)
	if err != nil || f.Message.Step != pipeline.StepPoll || f.Message.Export != "demo-000001" {
		t.Errorf("%+v, %v", f, err)
	}
	var out strings.Builder
	if err := storage.CopyMessage(ctx, id, &out); err != nil || out.String() != poll {
		t.Errorf("copied %q, %v", out.String(), err)
	}
	if _, err := storage.RetryMessages(ctx, "", nil); err == nil ||
		!strings.Contains(err.Error(), "ServiceBusConnection: is not set") {
		t.Errorf("without the queue: %v", err)
	}
	o := operator(t, w.Settings(), "LakeStorage", "ServiceBusConnection", "StepsQueue")
	r, err := o.RetryMessages(ctx, "", nil)
	if err != nil || r.Sent != 1 || r.Refused != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if got := w.Bus.Queue("export-steps").Stats().Active; got != 1 {
		t.Errorf("the queue has %d messages", got)
	}
	if _, err := o.KeptMessage(ctx, id); err == nil {
		t.Error("the copy is still there")
	}
}
