package cohort_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/fault"
)

func TestACohortIsFoundAndKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.status("a", former, "2020-01-01")
	w.status("a", former, "2021-01-01") // twice the same patient
	w.status("b", never, "2020-01-01")
	w.status("c", former, "2020")
	w.status("c", never, "2024") // a relapse does not matter for ever
	w.status("d", former, "2020", `,"status":"entered-in-error"`)
	d := definition()
	r := w.refresh(d)
	w.expect("a", "c")
	if r.Members != 2 || r.Joins != 2 || r.Leaves != 0 || len(r.Groups) != 1 ||
		r.Groups[0].Does != cohort.Created || r.Groups[0].Group != "cohort-former-smokers-001" {
		t.Errorf("the report is %+v", r)
	}
	if r.Found.Resources != 4 || r.Found.InError != 1 {
		t.Errorf("found %+v", r.Found)
	}
	// A fixed cohort stays what it was.
	w.status("e", former, "2024")
	if r := w.refresh(d); r.Joins != 0 || r.Groups[0].Does != cohort.Kept || w.groupWrites != 1 {
		t.Errorf("the second time: %+v, %d writes", r, w.groupWrites)
	}
	w.expect("a", "c")
	ids, err := w.keeper.Parts(t.Context(), d)
	if err != nil || len(ids) != 1 {
		t.Errorf("Parts: %v %v", ids, err)
	}
}

func TestTrackingFollowsTheSearch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, p := range []string{"a", "b", "c", "d", "e", "f"} {
		w.status(p, former, "2020")
	}
	d := definition(tracking, latest)
	w.refresh(d)
	w.expect("a", "b", "c", "d", "e", "f")
	w.status("c", never, "2025") // a relapse
	w.status("g", former, "2025")
	dry := w.refresh(d, cohort.Options{DryRun: true})
	if dry.Joins != 1 || dry.Leaves != 1 || w.groupWrites != 1 {
		t.Errorf("the dry run: %+v, %d writes", dry, w.groupWrites)
	}
	w.expect("a", "b", "c", "d", "e", "f")
	r := w.refresh(d)
	w.expect("a", "b", "d", "e", "f", "g")
	if r.Joins != 1 || r.Leaves != 1 || r.Groups[0].Does != cohort.Updated {
		t.Errorf("the report is %+v", r)
	}
	// Unchanged: nothing is written.
	writes := w.groupWrites
	if r := w.refresh(d); r.Groups[0].Does != cohort.Unchanged || w.groupWrites != writes {
		t.Errorf("unchanged: %+v, %d writes more", r, w.groupWrites-writes)
	}
	doc, err := cohort.Read(t.Context(), w.journal, d.Name)
	if err != nil || doc.Joins != 1 || doc.Leaves != 1 || doc.Members != 6 {
		t.Errorf("the journal has %+v %v", doc, err)
	}
}

func TestTheNewestObservationDecides(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		in     bool
		record func(w *world)
	}{
		{"by date, not by order of arrival", true, func(w *world) {
			w.status("a", former, "2024-05-01")
			w.status("a", never, "2023-05-01")
		}},
		{"a relapse", false, func(w *world) {
			w.status("a", former, "2023-05-01")
			w.status("a", never, "2024-05-01")
		}},
		{"a relapse that was entered in error", true, func(w *world) {
			w.status("a", former, "2023-05-01")
			w.status("a", never, "2024-05-01", `,"status":"entered-in-error"`)
		}},
		{"the same date: the last change", false, func(w *world) {
			w.status("a", former, "2024-05-01")
			w.now = w.now.Add(time.Hour)
			w.status("a", never, "2024-05-01")
		}},
		{"no date is the oldest", true, func(w *world) {
			w.status("a", former, "2024-05-01")
			w.status("a", never, "")
		}},
		{"a month begins with its first day", false, func(w *world) {
			w.status("a", former, "2024-05")
			w.status("a", never, "2024-05-02")
		}},
		{"zones are compared as instants", true, func(w *world) {
			w.status("a", never, "2024-05-01T23:30:00+05:00")
			w.status("a", former, "2024-05-01T20:00:00Z")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.status("other", former, "2020")
			tt.record(w)
			w.refresh(definition(latest))
			if tt.in {
				w.expect("a", "other")
			} else {
				w.expect("other")
			}
		})
	}
}

func TestReferencesThatNameAPatientHere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, reference := range []string{
		"Patient/" + marker + "relative", w.base + "/Patient/" + marker + "absolute",
		"Patient/" + marker + "versioned/_history/3",
		"https://elsewhere.example/fhir/Patient/" + marker + "far", "#" + marker + "contained",
		"urn:uuid:" + marker, "Group/" + marker + "g", "Patient?identifier=" + marker,
	} {
		w.observe(fmt.Sprintf("%sr%d", marker, i), reference, former, "2020")
	}
	r := w.refresh(definition())
	w.expect("absolute", "relative", "versioned")
	if r.Found.Elsewhere != 1 || r.Found.NoPatient != 4 {
		t.Errorf("found %+v", r.Found)
	}
}

func TestPagesOfEveryForm(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		link fhirserver.LinkForm
		fail string
	}{
		{fhirserver.LinkAbsolute, ""},
		{fhirserver.LinkRelative, ""},
		{fhirserver.LinkQuery, ""},
		{fhirserver.LinkRaw, ""},
		{fhirserver.LinkElsewhere, "the URL of the next page is at https://elsewhere.example"},
		{fhirserver.LinkLoop, "leads in a circle"},
	} {
		t.Run("link "+string(tt.link), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(o *fhirserver.Options) {
				o.Pages = fhirserver.Pages{Link: tt.link, Warning: true}
			})
			const patients = 2100
			for n := range patients {
				w.status(fmt.Sprintf("p%04d", n), former, "2020")
			}
			d := definition()
			if tt.fail != "" {
				if text := w.refused(d); !strings.Contains(text, tt.fail) {
					t.Errorf("refused with %q", text)
				}
				return
			}
			w.server.ThrottleSearches(2, 0)
			if r := w.refresh(d); r.Members != patients || len(r.Groups) != 3 {
				t.Errorf("%d members in %d Groups", r.Members, len(r.Groups))
			}
			if got := len(w.members(d.Name)); got != patients {
				t.Errorf("the Groups have %d members", got)
			}
		})
	}
}

func TestAnIgnoredCriterionIsNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *fhirserver.Options) {
		o.Pages = fhirserver.Pages{Ignores: []string{"value-concept"}}
	})
	w.status("a", former, "2020")
	w.status("b", never, "2020")
	if text := w.refused(definition()); !strings.Contains(text, "ignored the criterion value-concept") {
		t.Errorf("refused with %q", text)
	}
	w.expect()
}

func TestNobodyChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := definition(tracking)
	if text := w.refused(d); !strings.Contains(text, "cohort former-smokers: the search found nobody") {
		t.Errorf("refused with %q", text)
	}
	w.status("a", former, "2020")
	w.refresh(d)
	for _, v := range []string{"1"} {
		if _, err := w.store.Delete("Observation", marker+"o"+v, w.now); err != nil {
			t.Fatal(err)
		}
	}
	for _, force := range []bool{false, true} {
		text := w.refused(d, cohort.Options{Force: force})
		if !strings.Contains(text, "found nobody") {
			t.Errorf("refused with %q", text)
		}
	}
	w.expect("a")
	doc, err := cohort.Read(t.Context(), w.journal, d.Name)
	if err != nil || !strings.Contains(doc.Trouble, "found nobody") {
		t.Errorf("the journal has %+v %v", doc, err)
	}
}

func TestACohortThatShrinksTooMuchStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 10 {
		w.status(fmt.Sprint(n), former, "2020")
	}
	d := definition(tracking, latest)
	w.refresh(d)
	for n := range 3 {
		w.status(fmt.Sprint(n), never, "2021")
	}
	text := w.refused(d)
	if !strings.Contains(text, "3 of 10 members would leave") ||
		!strings.Contains(text, "fhirsynapse cohort refresh former-smokers --force") {
		t.Errorf("refused with %q", text)
	}
	if got := len(w.members(d.Name)); got != 10 {
		t.Errorf("%d members", got)
	}
	if r := w.refresh(d, cohort.Options{Force: true}); r.Leaves != 3 {
		t.Errorf("the report is %+v", r)
	}
}

func TestAGroupThatOthersChanged(t *testing.T) {
	t.Parallel()
	const strangers = `{"resourceType":"Group","id":"cohort-former-smokers-001","identifier":[{"system":"urn:fhirsynapse:cohort","value":"former-smokers/001"}],"type":"person","actual":true,"member":[{"entity":{"reference":"Patient/` + marker + `x"}}]}`
	t.Run("is repaired with tracking", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.status("a", former, "2020")
		d := definition(tracking)
		w.refresh(d)
		w.add(strangers)
		if r := w.refresh(d); !r.Groups[0].Foreign || r.Groups[0].Does != cohort.Updated {
			t.Errorf("the report is %+v", r)
		}
		w.expect("a")
		if !strings.Contains(w.log.String(), "someone else has changed a Group") {
			t.Error("the log does not tell")
		}
	})
	t.Run("and that was deleted is made again with tracking", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.status("a", former, "2020")
		d := definition(tracking)
		w.refresh(d)
		if _, err := w.store.Delete("Group", "cohort-former-smokers-001", w.now); err != nil {
			t.Fatal(err)
		}
		if r := w.refresh(d); !r.Groups[0].Foreign || r.Groups[0].Does != cohort.Created {
			t.Errorf("the report is %+v", r)
		}
		w.expect("a")
	})
	t.Run("stops a fixed cohort", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.status("a", former, "2020")
		d := definition()
		w.refresh(d)
		w.add(strangers)
		if text := w.refused(d); !strings.Contains(text, "Group/cohort-former-smokers-001/_history/1") {
			t.Errorf("refused with %q", text)
		}
		w.refresh(d, cohort.Options{Force: true})
		w.expect("a")
	})
	t.Run("and restored is fine", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.status("x", former, "2020")
		d := definition()
		w.refresh(d)
		w.add(strangers) // another version with the same members
		if r := w.refresh(d); r.Groups[0].Does != cohort.Kept {
			t.Errorf("the report is %+v", r)
		}
	})
	t.Run("of another owner is never written", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.status("a", former, "2020")
		w.add(`{"resourceType":"Group","id":"cohort-former-smokers-001","type":"person","actual":true}`)
		for _, force := range []bool{false, true} {
			text := w.refused(definition(tracking), cohort.Options{Force: force})
			if !strings.Contains(text, "does not carry the identifier") {
				t.Errorf("refused with %q", text)
			}
		}
	})
	t.Run("that the journal forgot stops a fixed cohort", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.status("a", former, "2020")
		w.add(strangers)
		if text := w.refused(definition()); !strings.Contains(text, "the journal knows nothing") {
			t.Errorf("refused with %q", text)
		}
	})
}

func TestAnotherSearchStopsAFixedCohort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.status("a", former, "2020")
	w.status("b", never, "2020")
	w.refresh(definition())
	other := definition(func(d *cohort.Definition) {
		d.Search = strings.Replace(d.Search, former, never, 1)
	})
	if text := w.refused(other); !strings.Contains(text, "it is fixed, and its search") {
		t.Errorf("refused with %q", text)
	}
	w.refresh(other, cohort.Options{Force: true})
	w.expect("b")
}

func TestJoinsAndLeavesTouchOneGroupEach(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 60 {
		w.status(fmt.Sprint(n), former, "2020")
	}
	d := definition(tracking, latest, func(d *cohort.Definition) { d.GroupSize = 10 })
	w.refresh(d)
	before := w.groupWrites
	if before != 8 {
		t.Errorf("%d Groups for 60 members of 10 each, want 8 with a quarter free", before)
	}
	w.status("new", former, "2024")
	w.refresh(d)
	if n := w.groupWrites - before; n != 1 {
		t.Errorf("one join wrote %d Groups", n)
	}
	before = w.groupWrites
	w.status("7", never, "2024")
	w.refresh(d)
	if n := w.groupWrites - before; n != 1 {
		t.Errorf("one leave wrote %d Groups", n)
	}
}

func TestAServerThatLetsUsWriteNoGroup(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403, 404, 405} {
		w := newWorld(t, func(o *fhirserver.Options) { o.GroupWrites = status })
		w.status("a", former, "2020")
		text := w.refused(definition())
		if !strings.Contains(text, cohort.ErrReadOnly.Error()) {
			t.Errorf("%d is refused with %q", status, text)
		}
		if status == http.StatusForbidden && !strings.Contains(text, "FHIR Data Writer") {
			t.Errorf("%d is refused with %q", status, text)
		}
	}
}

func TestAServerThatIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.status("a", former, "2020")
	w.refresh(definition(tracking))
	w.server.FailKickOffs(0, 0)
	_ = w.server.Close()
	_, err := w.keeper.Refresh(t.Context(), definition(tracking), cohort.Options{})
	if err == nil || fault.Of(err) != fault.Transient {
		t.Errorf("got %v", err)
	}
	w.silent(err.Error())
}

func TestAGroupOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := definition(tracking, func(d *cohort.Definition) { d.Search, d.Group = "", "theirs" })
	if text := w.refused(d); !strings.Contains(text, "the server has no Group theirs") {
		t.Errorf("refused with %q", text)
	}
	w.add(`{"resourceType":"Group","id":"theirs","type":"person","actual":true}`)
	if text := w.refused(d); !strings.Contains(text, "Group theirs has no patient") {
		t.Errorf("refused with %q", text)
	}
	w.add(`{"resourceType":"Group","id":"theirs","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/` + marker + `a"}}]}`)
	if r := w.refresh(d); r.Members != 1 || r.Groups[0].Group != "theirs" || w.groupWrites != 0 {
		t.Errorf("the report is %+v", r)
	}
	// Groups within it count, each once, also in a circle.
	w.add(`{"resourceType":"Group","id":"inner","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/` + marker + `b"}},{"entity":{"reference":"Group/theirs"}}]}`)
	w.add(`{"resourceType":"Group","id":"theirs","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/` + marker + `a"}},{"entity":{"reference":"Group/inner"}},{"entity":{"reference":"Group/gone"}}]}`)
	n := 0
	err := w.keeper.Members(t.Context(), d, "theirs", 0, func(string) { n++ })
	if r := w.refresh(d); r.Members != 2 || n != 2 || err != nil {
		t.Errorf("%d and %d members: %v", r.Members, n, err)
	}
}
