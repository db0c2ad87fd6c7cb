package carbonblack

import (
	"slices"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/model"
)

func init() { backends.RegisterExports(exports...) }

// exports: events and devices of lists and details, alerts, and notifications
// as they come or as they were kept.
var exports = []backends.Export{
	{
		Name: "carbonblack event",
		Is: func(d backends.Document) bool {
			return d.Has("eventId") && (d.Has("processDetails") || d.Has("deviceDetails"))
		},
		Read: readExport(func(w *wire.Event, _ []byte) model.Record { return eventOf(w) }),
	},
	{
		Name: "carbonblack alert",
		Is: func(d backends.Document) bool {
			return d.Has("threatInfo") && d.Has("deviceInfo") && d.Has("events") && !d.Has("eventDescription")
		},
		Read: readExport(func(w *wire.Alert, _ []byte) model.Record { return alertOf(w, "") }),
	},
	{
		Name: "carbonblack notification",
		Is: func(d backends.Document) bool {
			return d.Has("eventDescription") && d.Has("deviceInfo") || d.Has("ruleName") && d.Has("eventTime") && (d.Has("threatInfo") || d.Has("policyAction") || d.Has("threatHunterInfo"))
		},
		Read: readExport(func(w *wire.Notification, raw []byte) model.Record { return notificationAlert(w, raw) }),
	},
	{
		Name: "carbonblack device",
		Is: func(d backends.Document) bool {
			return d.Has("deviceId") && d.Has("sensorVersion") && (d.Has("deviceType") || d.Has("lastContact"))
		},
		Read: readExport(func(w *wire.Device, _ []byte) model.Record {
			h := deviceHost(w, model.Time{})
			h.Online = nil // when the file was written is unknown
			return h
		}),
	},
}

// readExport reads a document of the vendor's type T.
func readExport[T any](normalise func(*T, []byte) model.Record) func([]byte, backends.Query) ([]model.Record, error) {
	return func(document []byte, q backends.Query) ([]model.Record, error) {
		w := new(T)
		if err := wire.Decode(document, w); err != nil {
			return nil, backends.Malformed("", "a record is not of the promised shape")
		}
		rec := normalise(w, document)
		if !q.Raw {
			return []model.Record{rec}, nil
		}
		raw, err := wire.WithoutMembers(slices.Clone(document), wire.DeviceSecrets)
		if err != nil {
			return nil, backends.Malformed("", err.Error())
		}
		switch r := rec.(type) {
		case *model.Event:
			r.Raw = raw
		case *model.Alert:
			r.Raw = raw
		case *model.Host:
			r.Raw = raw
		}
		return []model.Record{rec}, nil
	}
}
