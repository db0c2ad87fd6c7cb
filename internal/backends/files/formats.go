package files

import (
	"sync"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/evidence"
	"github.com/edrctl/edrctl/internal/model"
)

// products lets evidence know the forms in which the records of all products
// lie in files. Their drivers read them.
var products = sync.OnceFunc(func() {
	for _, x := range backends.Exports() {
		evidence.Register(evidence.Format{
			Name:   x.Name,
			Detect: func(v evidence.Value) bool { return x.Is(v) },
			Decode: func(v evidence.Value, o evidence.Options) ([]evidence.Item, error) {
				records, err := x.Read(v.Raw(), backends.Query{Raw: o.Raw, Log: o.Log})
				if err != nil {
					return nil, err
				}
				items := make([]evidence.Item, 0, len(records))
				for _, rec := range records {
					items = append(items, itemOf(rec))
				}
				return items, nil
			},
		})
	}
})

func itemOf(rec model.Record) (it evidence.Item) {
	switch r := rec.(type) {
	case *model.Event:
		it.Event = r
	case *model.Alert:
		it.Alert = r
	case *model.Host:
		it.Host = r
	case *model.Process:
		it.Process = r
	}
	return it
}
