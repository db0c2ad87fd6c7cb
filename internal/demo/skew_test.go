package demo_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/demo"
	"github.com/edrctl/edrctl/internal/story"
)

// What reaches a server late, or is stamped ahead, is there from its arrival
// on, with the time it carries.
func TestSkewedRecordsAreThereFromTheirArrivalOn(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	clock := func() time.Time { return now }
	count := func(backend, spec, method, path, body, id string) int {
		d := start(t, demo.Options{Backends: []string{backend}, Now: clock, Faults: spec})
		_, answer := ask(t, d.Instances[0], method, path, body)
		found := regexp.MustCompile(id).FindAllString(answer, -1)
		slices.Sort(found)
		return len(slices.Compact(found))
	}
	at := func(d time.Duration) string { return now.Add(d).Format(time.RFC3339) }
	for _, tc := range []struct{ backend, method, path, body, id string }{
		{story.CWatch, http.MethodGet, fmt.Sprintf("/alert?alertTime=%d&scoreMin=0&scoreMax=10", now.Add(-2*time.Hour).UnixMilli()), "", `"id":"[^"]+"`},
		{story.CarbonBlack, http.MethodGet, "/integrationServices/v3/event?rows=5000&startTime=" + at(-2*time.Hour) + "&endTime=" + at(2*time.Hour), "", `"eventId":"[^"]+"`},
		{story.Gene, http.MethodGet, "/endpoints/" + geneHost(t, now) + "/logs?limit=10000&since=" + at(-2*time.Hour) + "&until=" + at(2*time.Hour), "", `"Hash":"[^"]+"`},
	} {
		plain := count(tc.backend, "", tc.method, tc.path, tc.body, tc.id)
		late := count(tc.backend, "late=1h", tc.method, tc.path, tc.body, tc.id)
		early := count(tc.backend, "early=1h", tc.method, tc.path, tc.body, tc.id)
		other := count(tc.backend, "early=1h:host=NOBODY", tc.method, tc.path, tc.body, tc.id)
		if late >= plain || early <= plain || other != plain || plain == 0 {
			t.Errorf("%s: %d records, %d when they come an hour late, %d when clocks are an hour ahead, %d when that of another host is",
				tc.backend, plain, late, early, other)
		}
	}
}

// geneHost is the id of a host of the demo's Gene manager.
func geneHost(t *testing.T, now time.Time) string {
	t.Helper()
	for _, h := range story.New(now, 1).HostsOn(story.Gene) {
		if h.Name == "ENG-WS-107" {
			return strings.ToLower(h.UUID)
		}
	}
	t.Fatal("the story has no such host")
	return ""
}
