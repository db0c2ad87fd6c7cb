package wire

import (
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

func TestInstants(t *testing.T) {
	for in, want := range map[string]string{
		`"2019-05-31T09:00:00.123Z"`:     "2019-05-31T09:00:00.123Z",
		`"2019-05-31T11:00:00+02:00"`:    "2019-05-31T09:00:00.000Z",
		`"2019-05-31 09:00:00"`:          "2019-05-31T09:00:00.000Z",
		`"2019-05-31T09:00:00.5"`:        "2019-05-31T09:00:00.500Z",
		`"2019-05-31T11:00:00.000+0200"`: "2019-05-31T09:00:00.000Z",
		`1559293200123`:                  "2019-05-31T09:00:00.123Z",
		`"1559293200123"`:                "2019-05-31T09:00:00.123Z",
		`1.559293200123e12`:              "2019-05-31T09:00:00.123Z",
		`1559293200`:                     "2019-05-31T09:00:00.000Z",
		`1559293200123456`:               "2019-05-31T09:00:00.123Z",
		`0`:                              "", `-5`: "", `"string"`: "", `""`: "", `null`: "", `{}`: "", `9223372036854775807`: "", `"0001-01-01T00:00:00Z"`: "",
	} {
		if got := model.At(Time([]byte(in))).String(); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestUnits(t *testing.T) {
	at := time.UnixMilli(1559293200123)
	if Millis.Floor(at) != 1559293200123 || Millis.Ceil(at) != 1559293200123 || Millis.Ceil(at.Add(1)) != 1559293200124 ||
		Seconds.Floor(at) != 1559293200 || Seconds.Ceil(at) != 1559293201 {
		t.Error("units")
	}
}
