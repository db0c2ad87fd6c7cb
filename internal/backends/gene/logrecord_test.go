package gene_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// recordOf reads the log record of an event document again, member by
// member in the order of the document.
func recordOf(t testing.TB, raw []byte) *model.LogRecord {
	t.Helper()
	var doc struct {
		Event struct {
			System struct {
				Channel, Computer string
				EventID           any
				Provider          struct{ Name string }
			}
			EventData, UserData json.RawMessage
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	s := doc.Event.System
	l := &model.LogRecord{Product: "windows", Channel: s.Channel, Provider: s.Provider.Name, EventID: number(s.EventID), Computer: s.Computer}
	for _, data := range []json.RawMessage{doc.Event.EventData, doc.Event.UserData} {
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		var err error
		if l.Data, err = appendFields(l.Data, dec, ""); err != nil && err != io.EOF {
			t.Fatal(err)
		}
	}
	return l
}

// appendFields takes one value; name is the member it is of.
func appendFields(out []model.LogField, dec *json.Decoder, name string) ([]model.LogField, error) {
	tok, err := dec.Token()
	if err != nil {
		return out, err
	}
	switch tok {
	case json.Delim('{'):
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return out, err
			}
			if out, err = appendFields(out, dec, key.(string)); err != nil {
				return out, err
			}
		}
		_, err = dec.Token()
	case json.Delim('['):
		for dec.More() {
			if out, err = appendFields(out, dec, name); err != nil {
				return out, err
			}
		}
		_, err = dec.Token()
	default:
		out = append(out, model.LogField{Name: name, Value: fmt.Sprint(tok)})
	}
	return out, err
}

// checkRecord compares the log record of an event with its raw JSON.
func checkRecord(t testing.TB, e *model.Event, raw []byte) {
	t.Helper()
	got, want := e.Log, recordOf(t, raw)
	if got == nil {
		t.Fatalf("event %s has no log record", e.ID)
	}
	if len(got.Data) == 0 && len(want.Data) == 0 {
		got.Data, want.Data = nil, nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("event %s:\n got %+v\nwant %+v", e.ID, got, want)
	}
}

// TestLogRecord: an event that is asked for with its log record has the fields
// of the log in their order and case, also those that were sorted on disk.
func TestLogRecord(t *testing.T) {
	const process = `{"Event":{"EventData":{"UtcTime":"x","Hashes":"SHA1=6A32BCEA6106E9151A5BDB4B7A8AA31C78C8C5C7,MD5=2B2DC8D683ACDC977F9E4109F0BBE0D9","Image":"C:\\A.exe","User":"-","ProcessId":%d},` +
		`"System":{"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"ALPHA.corp.local","EventID":"1","Provider":{"Guid":"g","Name":"Microsoft-Windows-Sysmon"},"TimeCreated":{"SystemTime":%q}}}}`
	const cleared = `{"Event":{"UserData":{"LogFileCleared":{"SubjectUserName":"Wardog","Binary":["a","B"]}},"System":{"Channel":"Security","Computer":"ALPHA","EventID":1102,"Provider":{"Name":"Microsoft-Windows-Eventlog"},"TimeCreated":{"SystemTime":%q}}}}`
	at := func(i int) string { return now.Add(-time.Duration(i) * time.Second).Format(time.RFC3339) }
	docs := []string{fmt.Sprintf(cleared, at(1))}
	for i := range 2000 { // more than are kept decoded
		docs = append(docs, fmt.Sprintf(process, i, at(i+2)))
	}
	d, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/endpoints":
			_, _ = io.WriteString(w, `{"data":[{"uuid":"`+uuid1+`","hostname":"ALPHA"}]`+ok)
		case strings.HasSuffix(r.URL.Path, "/logs"):
			_, _ = io.WriteString(w, `{"data":[`+strings.Join(docs, ",")+`]`+ok)
		default:
			http.Error(w, "404 page not found", http.StatusNotFound)
		}
	}))
	q := backends.Query{Since: now.Add(-time.Hour), Until: now, Raw: true, Log: true}
	l, err := d.Events(t.Context(), q)
	events := collect(t, l, err)
	if len(events) != len(docs) {
		t.Fatalf("%d events of %d", len(events), len(docs))
	}
	for _, e := range events {
		checkRecord(t, e, e.Raw)
	}
	if first := events[0]; first.Log.Data[0] != (model.LogField{Name: "SubjectUserName", Value: "Wardog"}) || len(first.Log.Data) != 3 {
		t.Errorf("%+v", first.Log)
	}
	if second := events[1]; second.Log.Data[1].Value[:6] != "SHA1=6" || !strings.Contains(second.Log.Data[1].Value, "6A32BC") ||
		second.Process.Hash.SHA1 != "6a32bcea6106e9151a5bdb4b7a8aa31c78c8c5c7" {
		t.Errorf("%+v %+v", second.Log, second.Process.Hash)
	}
	q.Log = false
	l, err = d.Events(t.Context(), q)
	for i, e := range collect(t, l, err) {
		if e.Log != nil {
			t.Fatalf("event %d has a log record nobody asked for", i)
		}
	}
}
