package batch_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/bulkfhir/auth"
	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/signin"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/refwarehouse"
)

type bulkWorld struct {
	*fhirserver.Server
	clock    *clock
	data     *store.Store
	base     string
	source   bulkfhir.Options
	exporter batch.Exporter
	told     []batch.ExportProgress
}

const matrixPatients = 6

func newBulkWorld(t *testing.T, c cell) *bulkWorld {
	t.Helper()
	w := &bulkWorld{clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	var err error
	if w.data, err = store.New(store.Options{}); err != nil {
		t.Fatal(err)
	}
	for i := range matrixPatients {
		for _, typ := range []string{"Patient", "Organization"} {
			if err := w.data.Add(fmt.Appendf(nil, `{"resourceType":%q,"id":"p%d"}`, typ,
				i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	bulk := c.bulk
	bulk.Faults = c.faults
	perFile := 0
	if c.files > 0 {
		perFile = matrixPatients / c.files
	}
	w.Server, err = fhirserver.New(fhirserver.Options{
		Store: w.data, Blobs: &jobs.Memory{}, Now: w.clock.Now, Bulk: &bulk, MaxCount: perFile,
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.base, err = w.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	views, err := bundled()
	if err != nil {
		t.Fatal(err)
	}
	lake := localfs.New(t.TempDir())
	flattener, err := flatten.NewFlattener(flatten.Options{Lake: lake, Views: views})
	if err != nil {
		t.Fatal(err)
	}
	w.source = bulkfhir.Options{
		Dialect: bulkfhir.DialectBulk, BaseURL: w.base, Now: w.clock.Now, AllowPrivate: true,
	}
	var token atomic.Uint64
	w.exporter = batch.Exporter{
		Plan: pipeline.Plan{Level: pipeline.LevelSystem, Schema: "main"}, Lake: lake,
		Landings:  lake,
		Warehouse: refwarehouse.NewStore().Warehouse(lake, views.Tables), Flattener: flattener,
		// With one worker the clock stands still while the worker is busy.
		Workers: 1,
		Now:     w.clock.Now, Timer: w.clock.Timer, Log: slog.New(slog.DiscardHandler),
		Patience: 72 * time.Hour,
		Token:    func() string { return fmt.Sprintf("%016x", token.Add(1)) },
		Watch:    func(p batch.ExportProgress) { w.told = append(w.told, p) },
	}
	if c.setUp != nil {
		c.setUp(t, w)
	}
	if w.exporter.Source, err = bulkfhir.New(w.source); err != nil {
		t.Fatal(err)
	}
	return w
}

// signedIn makes the server require a sign-in, and the client able to sign in.
func signedIn(c cell) cell {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	parsed, err := auth.ParseKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"k")
	if err != nil {
		panic(err)
	}
	later := &clock{}
	sign, err := signin.New(signin.Options{
		Now: later.Now,
		Clients: map[string]signin.Client{
			"app": {Keys: map[string]crypto.PublicKey{"k": &key.PublicKey}},
		},
	})
	if err != nil {
		panic(err)
	}
	c.bulk.SignIn = sign
	before := c.setUp
	c.setUp = func(t *testing.T, w *bulkWorld) {
		*later = clock{now: w.clock.Now()}
		tokens, err := auth.SMART(auth.Client{
			BaseURL: w.base, ClientID: "app", Now: later.Now,
			HTTP: bulkfhir.Guarded(true, later.Now, w.base),
		}, parsed)
		if err != nil {
			t.Fatal(err)
		}
		w.source.Token, w.source.Renew = tokens.Token, tokens.Renew
		if before != nil {
			before(t, w)
		}
	}
	return c
}

// elsewhere redirects the files to another host.
func elsewhere(t *testing.T, w *bulkWorld) {
	t.Helper()
	host, err := w.ListenFiles("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.SetFaults(fhirserver.Faults{AllFiles: &answer{Redirect: host}})
}
