package cwatch

import (
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

func init() { backends.RegisterExports(exports...) }

// exports: rows of /events, items of /alert and of /endpoints.
var exports = []backends.Export{
	{
		Name: "cwatch event",
		Is: func(d backends.Document) bool {
			return d.Has("base_event_type") && (d.Has("endpoint_id") || d.Has("process_device_name") || d.Has("customer_id"))
		},
		Read: func(document []byte, q backends.Query) ([]model.Record, error) {
			e, err := new(reader).event(document, q.Raw)
			if err != nil {
				return nil, errRow("event")
			}
			return []model.Record{e}, nil
		},
	},
	{
		Name: "cwatch alert",
		Is: func(d backends.Document) bool {
			return d.Has("endpointID") && (d.Has("customerID") || d.Has("timestamp")) && (d.Has("data") || d.Has("isActive"))
		},
		Read: func(document []byte, q backends.Query) ([]model.Record, error) {
			a, _, err := new(reader).alert(document, q.Raw)
			if err != nil {
				return nil, errRow("alert")
			}
			return []model.Record{a}, nil
		},
	},
	{
		Name: "cwatch endpoint",
		Is: func(d backends.Document) bool {
			return d.Has("endpointID") && d.Has("device_name") && (d.Has("operating_system") || d.Has("status"))
		},
		Read: func(document []byte, q backends.Query) ([]model.Record, error) {
			h, err := new(reader).endpointHost(document, q.Raw)
			if err != nil {
				return nil, errRow("endpoint")
			}
			return []model.Record{h}, nil
		},
	},
}
