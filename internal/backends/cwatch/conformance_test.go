package cwatch_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/conformance"
	"github.com/edrctl/edrctl/internal/backends/cwatch/fake"
	"github.com/edrctl/edrctl/internal/demo"
	"github.com/edrctl/edrctl/internal/model"
)

var harness = conformance.Harness{Backend: "cwatch", Start: demo.One, Faulty: demo.Faulty, Ignore: ignoreFilters}

// ignoreFilters plays a server that looks at no filter; dismissed is more than
// one: nothing else tells which alerts were dismissed.
func ignoreFilters(r *http.Request) {
	q := r.URL.Query()
	q.Del("q")
	q.Del("process_hash")
	if q.Has("scoreMin") {
		q.Set("scoreMin", "0")
		q.Set("scoreMax", "10")
	}
	r.URL.RawQuery = q.Encode()
}

func TestConformance(t *testing.T) { conformance.Run(t, harness) }

func TestConformanceHunt(t *testing.T) { conformance.RunHunt(t, harness) }

func TestConformanceTree(t *testing.T) { conformance.RunTree(t, harness) }

// anOpenAlert gives the change for the first open alert of a server.
func anOpenAlert(c backends.Change) func(*testing.T, backends.Driver) backends.Change {
	return func(t *testing.T, d backends.Driver) backends.Change {
		t.Helper()
		l, err := d.(backends.AlertLister).Alerts(t.Context(), backends.Query{Since: time.Now().Add(-80 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		for a, err := range l.Seq {
			if err != nil {
				t.Fatal(err)
			}
			if a.Status == model.StatusOpen && a.Verdict == model.VerdictUnknown {
				c.AlertID = a.ID
				return c
			}
		}
		t.Fatal("no alert is open")
		return c
	}
}

func TestConformanceChange(t *testing.T) {
	conformance.RunChange(t, harness, []conformance.ChangeCase{
		{Name: "alert.close", Make: anOpenAlert(backends.Change{Verb: backends.VerbAlertClose})},
		{Name: "alert.close as true positive", Make: anOpenAlert(backends.Change{Verb: backends.VerbAlertClose, Verdict: model.VerdictTruePositive, Comment: "IR-1, seen & done"})},
		{Name: "alert.dismiss", Make: anOpenAlert(backends.Change{Verb: backends.VerbAlertDismiss})},
		{Name: "alert.dismiss as false positive", Make: anOpenAlert(backends.Change{Verb: backends.VerbAlertDismiss, Verdict: model.VerdictFalsePositive}), Fewer: true},
		{Name: "alert.create", Make: func(*testing.T, backends.Driver) backends.Change {
			return backends.Change{Verb: backends.VerbAlertCreate, Body: fmt.Appendf(nil, `{"timestamp":%d,"endpointID":30001,"alertName":"By hand","isActive":true,"data":{"score":8}}`, time.Now().Add(-time.Hour).UnixMilli())}
		}},
	})
}

func TestConformanceCalls(t *testing.T) { conformance.RunCalls(t, harness) }

func TestOneAddressHasOneSpelling(t *testing.T) {
	var events []*fake.Event
	for i, ip := range conformance.Spellings {
		events = append(events, eventAt(i+1, func(e *fake.Event) {
			e.BaseType = 3
			e.Network = &fake.Network{SourceIP: "10.0.0.1", DestinationIP: ip, DestinationPort: 443, Protocol: 1}
		}))
	}
	r := newRig(t, &fake.Data{Customer: 1042, Events: fake.NewEventList(events)}, fake.Options{}, nil, nil)
	conformance.OneAddress(t, r.Driver, day())
}
