package output_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext/corpus"
)

var hostile = corpus.Strings()

// fill sets random values into every field of a record: absent ones, hostile
// text, awkward numbers and times. depth bounds the recursion.
func fill(r *rand.Rand, v reflect.Value, depth int) {
	switch x := v.Addr().Interface().(type) {
	case *model.Time:
		*x = randomTime(r)
		return
	case *json.RawMessage:
		if raw := rawTexts[r.IntN(len(rawTexts))]; raw != "" {
			*x = json.RawMessage(raw)
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i), depth)
		}
	case reflect.Pointer:
		if depth <= 0 || r.IntN(3) == 0 {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem(), depth-1)
	case reflect.Slice:
		if depth <= 0 {
			return
		}
		n := r.IntN(4)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(r, v.Index(i), depth-1)
		}
	case reflect.String:
		if r.IntN(3) > 0 {
			v.SetString(hostile[r.IntN(len(hostile))])
		}
	case reflect.Int, reflect.Int64:
		v.SetInt([]int64{0, 1, -1, 42, 1 << 40, -1 << 62, 1<<63 - 1}[r.IntN(7)])
	case reflect.Float64:
		v.SetFloat([]float64{0, 1, 7.5, -0.25, 1e-7, 1e21, 123456789.125, 1e-300, 3}[r.IntN(9)])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	}
}

var rawTexts = []string{
	"", `{"a": 1,  "b":[1, 2,{"c":null}] }`, `"text"`, ` [ ] `, `{"esc":"\u001b[31m","html":"<&>"}`, `12.50`,
	"{\"bidi\":\"\u202e\",\"c1\":\"\u009b\",\"del\":\"\x7f\",\"bad\":\"\xff\"}",
}

func randomTime(r *rand.Rand) model.Time {
	switch r.IntN(5) {
	case 0:
		return model.Time{}
	case 1:
		return model.At(time.Unix(r.Int64N(4e9), 0))
	case 2:
		return model.At(time.UnixMilli(r.Int64N(4e12)))
	case 3:
		return model.Time{Time: time.Unix(r.Int64N(4e9), r.Int64N(1e9)).In(time.FixedZone("x", 5400))}
	}
	return model.At(time.Date(1+r.IntN(9998), 2, 3, 4, 5, 6, 120_000_000, time.UTC))
}

// records makes one random record of each type of the model.
func records(r *rand.Rand) []any {
	recs := []any{
		&model.Alert{}, &model.Event{}, &model.Process{}, &model.Host{}, &model.Rule{}, &model.Report{},
		&model.Carve{}, &model.HashInfo{}, &model.Count{},
	}
	for _, rec := range recs {
		fill(r, reflect.ValueOf(rec).Elem(), 4)
	}
	return recs
}
