package cwatch_test

import (
	"testing"

	"github.com/edrctl/edrctl/internal/backends/conformance"
	"github.com/edrctl/edrctl/internal/model"
)

// TestFields leaves out the document's own samples, which hold placeholders.
func TestFields(t *testing.T) {
	var more []model.Record
	for _, bodies := range []map[string]string{
		{
			"/events": "events_list.all_groups.synthetic.json", "/alert": "alert_list.documented_fields.synthetic.json",
			"/endpoint": "endpoint_list.synthetic.json", "/process": "process_list.synthetic.json",
		},
		{"/alert": "alert_list.with_post_fields.synthetic.json"},
	} {
		more = append(more, harness.Records(t, replay(t, bodies), recorded)...)
	}
	conformance.RunFields(t, harness, more, false)
}
