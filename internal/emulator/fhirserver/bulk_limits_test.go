package fhirserver_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/signin"
)

func TestTooManyDownloadsAtOnce(t *testing.T) {
	t.Parallel()
	w := newBulk(t, fhirserver.Bulk{}, patient("a"), observation("o", "a", "1"))
	m := w.page(w.start("/$export"))
	w.srv.SetFaults(fhirserver.Faults{
		ParallelDownloads: 1,
		File: map[int][]fhirserver.Answer{
			0: slices.Repeat([]fhirserver.Answer{{Hang: true}}, 1000),
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	var hanging sync.WaitGroup
	hanging.Go(func() { // first until it is the one that is served, then until it is canceled
		for ctx.Err() == nil {
			_, _ = w.send(ctx, http.MethodGet, m.Output[0].URL)
		}
	})
	deadline := time.Now().Add(10 * time.Second)
	got := ""
	for got != "429 Retry-After 1 outcome" && time.Now().Before(deadline) {
		got = w.said(http.MethodGet, m.Output[1].URL)
	}
	cancel()
	hanging.Wait()
	if got != "429 Retry-After 1 outcome" {
		t.Errorf("a second download at once: %s", got)
	}
	for got != "200" && time.Now().Before(deadline) {
		got = w.said(http.MethodGet, m.Output[1].URL)
	}
	if got != "200" {
		t.Errorf("a download alone: %s", got)
	}
}

func TestGarbageRepeatsBySeed(t *testing.T) {
	t.Parallel()
	hear := func() (all []string) {
		w := newBulk(t, fhirserver.Bulk{Faults: fhirserver.Faults{Garbage: 7}}, patient("a"))
		for range 200 {
			r, err := w.ask(http.MethodGet, w.base+"/$export", "", asyncly...)
			all = append(all, fmt.Sprint(r.status, r.body, err != nil))
		}
		return all
	}
	first, second := hear(), hear()
	different := map[string]bool{}
	for i := range first {
		different[first[i]] = true
		if first[i] != second[i] {
			t.Fatalf("answer %d differs", i)
		}
	}
	if len(different) < 50 {
		t.Errorf("only %d different answers", len(different))
	}
}

func TestTokensForStatusAndFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	sign, err := signin.New(signin.Options{Now: w.clock, Bearer: []string{"good"}})
	if err != nil {
		t.Fatal(err)
	}
	good, bad := []string{"Authorization", "Bearer good"}, []string{"Authorization", "Bearer bad"}
	for name, tt := range map[string]struct {
		bulk     fhirserver.Bulk
		requires string
		files    [3]string // without a token, with a bad token, with a good token
	}{
		"a token for everything": {
			fhirserver.Bulk{SignIn: sign},
			"true",
			[3]string{"401 outcome", "401 outcome", "200"},
		},
		"signed addresses": {
			fhirserver.Bulk{SignIn: sign, OpenFiles: true},
			"false",
			[3]string{"200", "400 outcome", "400 outcome"},
		},
		"it says false and wants a token": {fhirserver.Bulk{
			SignIn: sign, OpenFiles: true, Faults: fhirserver.Faults{TokenForFiles: true},
		}, "false", [3]string{"401 outcome", "401 outcome", "200"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newBulk(t, tt.bulk, patient("a"))
			for _, refused := range [][]string{nil, bad} {
				if got := w.said(http.MethodGet, w.base+"/$export",
					append(refused, asyncly...)...); got != "401 outcome" {
					t.Errorf("kick-off with %v: %s", refused, got)
				}
			}
			status := w.location("/$export",
				w.mustAsk(http.MethodGet, w.base+"/$export", "", append(good, asyncly...)...))
			w.wait(status)
			if got := w.said(http.MethodGet, status); got != "401 outcome" {
				t.Errorf("poll without a token: %s", got)
			}
			body := w.mustAsk(http.MethodGet, status, "", good...).body
			if !strings.Contains(body, `"requiresAccessToken":`+tt.requires) {
				t.Errorf("manifest %s", body)
			}
			_, target, _ := strings.Cut(body, `"url":"`)
			target, _, _ = strings.Cut(target, `"`)
			for i, headers := range [][]string{nil, bad, good} {
				if got := w.said(http.MethodGet, target, headers...); got != tt.files[i] {
					t.Errorf("file with %v: %s, want %s", headers, got, tt.files[i])
				}
			}
			if r := w.mustAsk(http.MethodGet, w.base+"/metadata", ""); r.status != http.StatusOK {
				t.Errorf("metadata answered %d", r.status)
			}
			if r := w.mustAsk(http.MethodGet, w.base+signin.ConfigurationPath,
				""); !strings.Contains(r.body, w.base+signin.TokenPath) {
				t.Errorf("smart-configuration %s", r.body)
			}
		})
	}
}

func TestTwentyThousandTinyFiles(t *testing.T) {
	t.Parallel()
	const files = 20_000
	w := newWorld(t, func(o *fhirserver.Options) { o.Bulk, o.MaxCount = &fhirserver.Bulk{}, 1 })
	for i := range files {
		if err := w.store.Add([]byte(patient(fmt.Sprint("p", i)))); err != nil {
			t.Fatal(err)
		}
	}
	m := w.page(w.start("/$export"))
	if len(m.Output) != files {
		t.Fatalf("%d files, want %d", len(m.Output), files)
	}
	if got := w.lines(m.Output[files-1].URL); len(got) != 1 {
		t.Errorf("the last file has %d lines", len(got))
	}
}

func TestTheServerCountsWhatItIsAsked(t *testing.T) {
	t.Parallel()
	w := newBulk(t,
		fhirserver.Bulk{
			Faults: fhirserver.Faults{KickOffs: []fhirserver.Answer{fhirserver.Throttled("1")}},
		}, patient("a"), observation("o", "a", "1"))
	w.said(http.MethodGet, w.base+"/$export", asyncly...)
	status := w.start("/$export")
	w.srv.SetFaults(fhirserver.Faults{})
	for _, o := range w.page(status).Output {
		w.lines(o.URL)
	}
	w.mustAsk(http.MethodDelete, status, "")
	w.mustAsk(http.MethodGet, w.base+"/metadata", "")
	if got, want := w.srv.Asked(),
		(fhirserver.Asked{KickOffs: 2, Polls: 1, Cancels: 1, Metadata: 1, Files: 2}); got != want {
		t.Errorf("asked %+v, want %+v", got, want)
	}
}
