package esp

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/model"
)

func init() { backends.RegisterExports(exports...) }

// exports: stored results of scheduled queries, alerts and hosts. Hosts never
// keep their JSON: it has the key of the agent.
var exports = []backends.Export{
	{
		Name: "esp result",
		Is: func(d backends.Document) bool {
			return d.Has("columns") && !d.Has("hostIdentifier") && !d.Has("unixTime") && (d.Has("node_id") || d.Has("host_identifier") || d.Has("hostname") || d.Has("timestamp") && d.Has("action"))
		},
		Read: func(document []byte, q backends.Query) ([]model.Record, error) {
			var r wire.Row
			if err := new(wire.RowReader).Read(document, &r); err != nil {
				return nil, backends.Malformed("", err.Error())
			}
			return []model.Record{eventOf(&r, q.Raw)}, nil
		},
	},
	{
		Name: "esp alert",
		Is: func(d backends.Document) bool {
			return d.Has("severity") && d.Has("created_at") && (d.Has("alerted_entry") || d.Has("message") && d.Has("source") && d.Has("query_name"))
		},
		Read: readAlert,
	},
	{
		Name: "esp host",
		Is: func(d backends.Document) bool {
			return d.Has("host_identifier") && d.Has("os_info")
		},
		Read: func(document []byte, _ backends.Query) ([]model.Record, error) {
			var h wire.Host
			if err := json.Unmarshal(document, &h); err != nil {
				return nil, backends.Malformed("", "a host is not of the promised shape")
			}
			return []model.Record{hostModel(&h)}, nil
		},
	},
}

// readAlert reads an alert of a list or of a detail; the rule is known as far
// as the alert names it.
func readAlert(document []byte, q backends.Query) ([]model.Record, error) {
	var w wire.Alert
	if err := json.Unmarshal(document, &w); err != nil {
		return nil, backends.Malformed("", "an alert is not of the promised shape")
	}
	a := alertOf(&w)
	if a.ID == "" { // a detail is asked for by its id, which it does not repeat
		sum := sha256.Sum256(document)
		a.ID = "x" + hex.EncodeToString(sum[:10])
	}
	if w.NodeID != "" || w.Hostname != "" {
		a.Host = &model.Host{Name: string(w.Hostname)}
		a.Host.ID = string(w.NodeID)
	}
	fillRule(a, &w, func(string) *model.Rule { return nil })
	if _, err := fillEntry(a, &w); err != nil {
		return nil, backends.Malformed("", "the row of an alert is not of the promised shape")
	}
	if a.Title == "" {
		a.Title = sourceTitle(a)
	}
	if q.Raw {
		a.Raw = slices.Clone(document)
	}
	return []model.Record{a}, nil
}
