package gene_test

import (
	"slices"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/conformance"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/faults"
	"github.com/edrctl/edrctl/internal/model"
)

// What a host whose clock is ahead stamps later today and tomorrow is listed
// by an open window and by one that begins tomorrow, and read by its id, on
// managers that know no day after their own today, too.
func TestRecordsStampedAheadEveryVersion(t *testing.T) {
	ahead, err := faults.Parse("early=26h")
	if err != nil {
		t.Fatal(err)
	}
	stamps := []time.Duration{-time.Hour, time.Hour, 13 * time.Hour, 25 * time.Hour} // now is noon
	for _, v := range []string{fake.Head, fake.Beta2, fake.Beta, fake.V170} {
		t.Run(v, func(t *testing.T) {
			data := &fake.Data{Endpoints: machines(), Log: stamped(stamps)}
			d, _, _ := start(t, data, fake.Options{Version: v, Conduct: ahead.Conduct("gene")})
			list := func(since, until time.Duration) []time.Duration {
				q := backends.Query{Since: now.Add(since)}
				if until != 0 {
					q.Until = now.Add(until)
				}
				events, err := d.Events(t.Context(), q)
				var at []time.Duration
				for _, e := range collect(t, events, err) {
					at = append(at, e.Time.Sub(now))
				}
				slices.Sort(at)
				alerts, err := d.Alerts(t.Context(), q)
				if n := len(collect(t, alerts, err)); n != len(at) {
					t.Errorf("%d alerts and %d events since %v", n, len(at), since)
				}
				return at
			}
			if got := list(-2*time.Hour, 0); !slices.Equal(got, stamps) {
				t.Errorf("an open window has %v, want %v", got, stamps)
			}
			if got := list(-2*time.Hour, time.Minute); !slices.Equal(got, stamps[:1]) {
				t.Errorf("a window that ends now has %v, want %v", got, stamps[:1])
			}
			if got := list(12*time.Hour+time.Minute, 0); !slices.Equal(got, stamps[2:]) {
				t.Errorf("a window from tomorrow on has %v, want %v", got, stamps[2:])
			}
			if got := list(12*time.Hour+time.Minute, 24*time.Hour); !slices.Equal(got, stamps[2:3]) {
				t.Errorf("tomorrow morning has %v, want %v", got, stamps[2:3])
			}
			events, err := d.Events(t.Context(), backends.Query{Since: now})
			for _, e := range collect(t, events, err) {
				var rec model.Record
				if rec, err = d.Event(t.Context(), e.ID, false); err != nil || rec.GetOrigin().ID != e.ID {
					t.Errorf("the event stamped %v ahead is not read by its id: %v", e.Time.Sub(now), err)
				}
			}
		})
	}
}

// stamped is a log of detections with these times, from now.
func stamped(at []time.Duration) *memLog {
	log := busy(len(at), time.Hour).Log.(*memLog)
	for i, d := range at {
		log.meta[i].Time, log.meta[i].Detection = now.Add(d), true
		log.events[i].Signatures, log.events[i].Criticality = []string{"Rule"}, 5
		for j, kv := range log.events[i].Data {
			if kv.K == "UtcTime" {
				log.events[i].Data[j].V = now.Add(d).Format("2006-01-02 15:04:05.000")
			}
		}
	}
	return log
}

func TestOneAddressHasOneSpelling(t *testing.T) {
	data := busy(len(conformance.Spellings), time.Hour)
	log := data.Log.(*memLog)
	for i, ip := range conformance.Spellings { // Sysmon writes IPv6 in full
		log.events[i].EventID = 3
		log.events[i].Data = append(log.events[i].Data, fake.KV{K: "DestinationIp", V: ip}, fake.KV{K: "DestinationPort", V: "443"})
	}
	d, _, _ := start(t, data, fake.Options{})
	conformance.OneAddress(t, d, backends.Query{Since: now.Add(-2 * time.Hour), Until: now})
}
