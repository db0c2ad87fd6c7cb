package demo

import (
	"context"
	"net/http"
	"strconv"
	"time"

	carbonblack "github.com/edrctl/edrctl/internal/backends/carbonblack/fake"
	cwatch "github.com/edrctl/edrctl/internal/backends/cwatch/fake"
	esp "github.com/edrctl/edrctl/internal/backends/esp/fake"
	gene "github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/faults"
	"github.com/edrctl/edrctl/internal/story"
)

// makers tell the story to each product's fake. They fill what a profile of
// the instance holds, too.
var makers = map[string]func(i *Instance, s *story.Story, now func() time.Time, c faults.Conduct){
	story.CWatch: func(i *Instance, s *story.Story, now func() time.Time, c faults.Conduct) {
		i.Settings = map[string]string{"customer_id": strconv.Itoa(cwatchCustomer)}
		i.server = cwatch.New(cwatchData(s), cwatch.Options{Token: i.Secrets["token"], Clock: now, Conduct: c})
	},
	story.CarbonBlack: func(i *Instance, s *story.Story, now func() time.Time, c faults.Conduct) {
		i.Settings = map[string]string{"quarantine_policy": cbQuarantine}
		i.server = carbonblack.New(carbonBlackData(s), carbonblack.Options{
			Now: now, APIKey: i.Secrets["api_key"], SIEMKey: i.Secrets["siem_key"], LiveResponseKey: i.Secrets["live_response_key"], Conduct: c,
		})
	},
	story.Gene: func(i *Instance, s *story.Story, now func() time.Time, c faults.Conduct) {
		i.server = gene.New(geneData(s), gene.Options{Key: i.Secrets["api_key"], Now: now, Conduct: c})
	},
	story.ESP: func(i *Instance, s *story.Story, now func() time.Time, c faults.Conduct) {
		data := espData(s)
		data.Users[0].Password = i.Secrets["password"]
		i.Settings = map[string]string{"username": data.Users[0].Name}
		i.server = esp.New(data, esp.Options{Edition: esp.Enterprise, Now: now, Conduct: c})
	},
}

// Faulty is One with a SPEC of package faults.
func Faulty(spec string) func(context.Context, string, func() time.Time, int, func(http.Handler) http.Handler) (string, map[string]string, map[string]string, func() error, error) {
	return func(ctx context.Context, backend string, now func() time.Time, scale int, wrap func(http.Handler) http.Handler) (string, map[string]string, map[string]string, func() error, error) {
		return one(ctx, backend, now, scale, spec, wrap)
	}
}

// One serves one product until stop is called, and keeps nothing: what the
// conformance suite and other tests start. It gives what a profile holds.
func One(ctx context.Context, backend string, now func() time.Time, scale int, wrap func(http.Handler) http.Handler) (
	url string, secrets, settings map[string]string, stop func() error, err error,
) {
	return one(ctx, backend, now, scale, "", wrap)
}

func one(ctx context.Context, backend string, now func() time.Time, scale int, spec string, wrap func(http.Handler) http.Handler) (
	url string, secrets, settings map[string]string, stop func() error, err error,
) {
	opt := Options{Backends: []string{backend}, Scale: scale, Now: now, Faults: spec}
	if wrap != nil {
		opt.Wrap = func(_ string, h http.Handler) http.Handler { return wrap(h) }
	}
	d, err := Start(ctx, opt)
	if err != nil {
		return "", nil, nil, nil, err
	}
	i := d.Instances[0]
	return i.URL, i.Secrets, i.Settings, d.Close, nil
}
