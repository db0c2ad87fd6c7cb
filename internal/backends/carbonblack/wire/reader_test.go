package wire

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// The two readers of events mean the same.
func TestEventReaders(t *testing.T) {
	inputs := [][]byte{
		[]byte(`{"eventTime":"1490617768036","eventId":5,"threatIndicators":"X","alertScore":"3","netFlow":null,"processDetails":[],"selectedApp":"x"}`),
		[]byte(`{"eventTime":1.5e3,"alertScore":-4,"threatIndicators":[1,null,{"a":[]},"T"," "],"deviceDetails":{"deviceId":"7","deviceName":" a\u00e9\n"},"netFlow":{"destPort":99999999999999999999}}`),
		[]byte(`{"selectedApp":{"applicationName":"a"},"selectedApp":{"md5Hash":"B"},"eventId":true,"createTime":"x"}`),
	}
	if dir := os.Getenv("EDRCTL_SHARED"); dir != "" {
		files, _ := filepath.Glob(filepath.Join(dir, "recordings", "carbonblack", "event_*.json"))
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var doc struct {
				Results   []json.RawMessage `json:"results"`
				EventInfo json.RawMessage   `json:"eventInfo"`
			}
			if err := json.Unmarshal(b, &doc); err != nil {
				t.Fatal(err)
			}
			for _, r := range append(doc.Results, doc.EventInfo) {
				if len(r) > 0 {
					inputs = append(inputs, r)
				}
			}
		}
	}
	r := new(EventReader)
	for _, in := range inputs {
		var a, b Event
		var h EventHead
		if err := Decode(in, &a); err != nil {
			t.Fatal(err)
		}
		if err := r.Event(in, &b); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s:\n%+v\n%+v", in, a, b)
		}
		if err := r.Head(in, &h); err != nil || h.EventID != a.EventID || h.EventTime != a.EventTime || h.AlertScore != a.AlertScore || h.IncidentID != a.IncidentID {
			t.Errorf("%s: %+v %v", in, h, err)
		}
	}
	for _, bad := range []string{``, `[]`, `7`, `{`, `{"eventId":}`, `{"eventId":"x"`, `{"netFlow":{"destPort":"1"}`} {
		if r.Event([]byte(bad), new(Event)) == nil || r.Head([]byte(bad), new(EventHead)) == nil {
			t.Errorf("%q is not an event", bad)
		}
	}
}
