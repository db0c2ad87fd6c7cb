package gene

import (
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client/jsonwalk"
	"github.com/edrctl/edrctl/internal/model"
)

func init() { backends.RegisterExports(exports...) }

// exports: events of the log, the streams and the API of a manager, of either
// generation. An event on which a signature fired is an alert, too.
var exports = []backends.Export{{
	Name: "gene",
	Is: func(d backends.Document) bool {
		return d.Has("Event.System") && (d.Has("Event.EdrData") || d.Has("Event.Detection") || d.Has("Event.GeneInfo"))
	},
	Read: func(document []byte, q backends.Query) ([]model.Record, error) {
		var d wire.EventDecoder
		var w jsonwalk.Walker
		w.Reset(document)
		d.Walk(&w)
		if err := w.Err(); err != nil {
			return nil, backends.Malformed("", "an event is not of the promised shape")
		}
		d.Finish()
		e := normalise(&d, endpoint{}, keepOf(q))
		if !d.Fired() {
			return []model.Record{e}, nil
		}
		return []model.Record{e, alertOf(&d, e)}, nil
	},
}}
