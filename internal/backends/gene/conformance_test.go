package gene_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends/conformance"
	"github.com/edrctl/edrctl/internal/backends/gene"
	"github.com/edrctl/edrctl/internal/backends/gene/catalog"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/demo"
	"github.com/edrctl/edrctl/internal/faults"
)

// TestConformance holds the driver to the common rules on every version the
// fake can be; the newest is the demo's.
func TestConformance(t *testing.T) {
	for _, v := range []string{fake.Head, fake.V170, fake.Beta, fake.Beta2} {
		t.Run(v, func(t *testing.T) {
			if v != fake.Head && (testing.Short() || raceDetector) {
				t.Skip("short, or under the race detector: only the newest version")
			}
			conformance.Run(t, conformance.Harness{Backend: gene.Name, Start: starter(v), Faulty: faulty(v), Skip: excused(v)})
		})
	}
}

// TestConformanceCalls holds every operation of the catalogue to the rules of
// raw calls, at both ends of the versions.
func TestConformanceCalls(t *testing.T) {
	for _, v := range []string{fake.Head, fake.V170} {
		t.Run(v, func(t *testing.T) {
			skip := map[string]string{}
			for _, op := range catalog.Operations() {
				switch {
				case v == fake.V170 && op.Since != "":
					skip["calls/"+op.Name] = "since " + op.Since
				case v == fake.Head && op.Until != "":
					skip["calls/"+op.Name] = "up to " + op.Until
				}
			}
			conformance.RunCalls(t, conformance.Harness{Backend: gene.Name, Start: starter(v), Skip: skip})
		})
	}
}

// excused names the rules a version cannot be held to.
func excused(version string) map[string]string {
	skip := map[string]string{
		"moving pages/none":    "answers count nothing: none given cannot be distinguished from none there",
		"moving pages/resolve": "alerts have no state that a colleague could change",
	}
	if version != fake.Head {
		// Of all the filters a version's server sees the host's alone; the rest
		// is one code over normalised records.
		const once = "held on the newest version, and for what differs by TestFiltersEveryVersion"
		skip["events/filters"], skip["alerts/filters"], skip["processes/filters"] = once, once, once
	}
	if version == fake.V170 || version == fake.Beta {
		const bytes = "events carry no hash: the id is the SHA-1 of their bytes, which the rule changes"
		const poll = "this version has no streams: the watcher is Unsupported and the caller polls"
		skip["events/raw"], skip["alerts/raw"] = bytes, bytes
		skip["watch events"], skip["watch alerts"] = poll, poll
	}
	if version == fake.V170 {
		const none = "this version keeps no artifacts: Unsupported"
		skip["carves"], skip["carves/plan"] = none, none
	}
	return skip
}

// starter serves the story as one version.
func starter(version string) conformance.Starter { return serveStory(version, faults.Spec{}) }

// faulty is starter with a SPEC of package faults.
func faulty(version string) func(spec string) conformance.Starter {
	return func(spec string) conformance.Starter {
		s, err := faults.Parse(spec)
		if err != nil {
			panic(err) // a rule of the suite has a wrong SPEC
		}
		return serveStory(version, s)
	}
}

func serveStory(version string, spec faults.Spec) conformance.Starter {
	return func(_ context.Context, _ string, now func() time.Time, scale int, wrap func(http.Handler) http.Handler) (string, map[string]string, map[string]string, func() error, error) {
		f := demo.GeneServer(now(), scale, fake.Options{Version: version, Key: testKey, Now: now, Conduct: spec.Conduct(gene.Name)})
		h := spec.Wrap(gene.Name, f)
		if wrap != nil {
			h = wrap(h)
		}
		srv := httptest.NewServer(h)
		stop := func() error {
			f.Close()
			srv.Close()
			return nil
		}
		return srv.URL, map[string]string{"api_key": testKey}, nil, stop, nil
	}
}
