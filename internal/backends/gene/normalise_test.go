package gene

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client/jsonwalk"
	"github.com/edrctl/edrctl/internal/model"
)

const legacyEvent = `{"Event":{"EventData":{"Ancestors":"System|C:\\Windows\\System32\\smss.exe","CommandLine":"\"C:\\a b.exe\" /x","Hashes":"SHA1=6A32BCEA6106E9151A5BDB4B7A8AA31C78C8C5C7,MD5=2B2DC8D683ACDC977F9E4109F0BBE0D9,SHA256=C779EA16CE7AD786AA83455F2A5A46A964ADE47FB8CDA5537CFE116B14ECACD3,IMPHASH=4606D7A079BA8D6E7F9540975D7E79FF","Image":"C:\\a b.exe","ProcessGuid":"{515cd0d1-00f6-6040-4400-000000005a00}","ProcessId":"2796","User":"NT AUTHORITY\\SYSTEM","UtcTime":"2021-03-03 21:34:46.769"},"GeneInfo":{"Criticality":10,"Signature":["A","B"],"ATTACK":[{"ID":"T1003","Tactic":"Credential Access","Reference":"r"}]},"System":{"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"DESK.corp.local","EventID":"1","Task":"1","Provider":{"Guid":"g","Name":"Microsoft-Windows-Sysmon"},"TimeCreated":{"SystemTime":"2021-03-03T21:34:51.7906616Z"}}}}`

func decode(t testing.TB, doc string) (*wire.EventDecoder, bool) {
	t.Helper()
	var w jsonwalk.Walker
	w.Reset([]byte(doc))
	d := new(wire.EventDecoder)
	if d.Walk(&w); w.Err() != nil {
		return nil, false
	}
	d.Finish()
	return d, true
}

func TestDecodeLegacy(t *testing.T) {
	d, good := decode(t, legacyEvent)
	if !good {
		t.Fatal("not decoded")
	}
	e := normalise(d, endpoint{Endpoint: wire.Endpoint{UUID: "u", Hostname: "desk"}}, keep{raw: true})
	a := alertOf(d, e)
	if e.Kind != model.KindProcessStart || e.Host.Name != "desk" || e.Host.Domain != "corp.local" || e.Host.ID != "u" ||
		e.Process.Hash.Imphash != "4606d7a079ba8d6e7f9540975d7e79ff" || e.Process.PID != 2796 || e.User.Name != "SYSTEM" || e.User.Domain != "NT AUTHORITY" ||
		e.Time.Nanosecond() != 790661600 || e.Action != "ProcessCreate" || string(e.Raw) != legacyEvent {
		t.Errorf("event %+v %+v", e, e.Process)
	}
	if a.Title != "A, B" || a.Rule.Name != "A" || *a.Score != 10 || a.Severity != model.SeverityCritical || *a.Risk != 100 || len(a.Indicators) != 2 ||
		len(a.Ancestors) != 2 || a.Ancestors[1].Name != "smss.exe" || a.Attack[0].Technique.ID != "T1003" || a.ID != e.ID || len(a.ID) != 40 {
		t.Errorf("alert %+v", a)
	}
}

func TestKindsOfOddEvents(t *testing.T) {
	sys := func(id, data string) string {
		return `{"Event":{"EventData":` + data + `,"System":{"Channel":"Microsoft-Windows-Sysmon/Operational","EventID":` + id + `}}}`
	}
	for _, tc := range []struct {
		doc  string
		kind model.Kind
	}{
		{sys(`12`, `{"EventType":"CreateKey","TargetObject":"HKLM\\x"}`), model.KindRegistryCreate},
		{sys(`"12"`, `{"EventType":"DeleteKey","TargetObject":"HKLM\\x"}`), model.KindRegistryDelete},
		{sys(`12`, `{"EventType":"DeleteValue","TargetObject":"HKLM\\x"}`), model.KindRegistryDelete},
		{sys(`14`, `{"EventType":"RenameKey","TargetObject":"HKLM\\x","NewName":"y"}`), model.KindRegistrySet},
		{sys(`15`, `{"TargetFilename":"C:\\a:Zone.Identifier","Hash":"MD5=2B2DC8D683ACDC977F9E4109F0BBE0D9"}`), model.KindFileStream},
		{sys(`2`, `{"TargetFilename":"C:\\a"}`), model.KindFileWrite},
		{sys(`26`, `{"TargetFilename":"C:\\a"}`), model.KindFileDelete},
		{sys(`6`, `{"ImageLoaded":"C:\\a.sys"}`), model.KindDriverLoad},
		{sys(`8`, `{"SourceImage":"C:\\a","TargetImage":"C:\\b"}`), model.KindProcessInject},
		{sys(`255`, `{}`), model.KindOther},
		{sys(`-1`, `{}`), model.KindOther},
		{sys(`{"x":1}`, `[1]`), model.KindOther},
		{`{"Event":{"UserData":{"LogFileCleared":{"SubjectUserName":"wardog","SubjectDomainName":"W5"}},"System":{"Channel":"Security","EventID":"1102"}}}`, model.KindLogCleared},
		{`{"Event":{"EventData":{"Image":"x"},"System":{"Channel":"Security","EventID":1}}}`, model.KindOther},
		{`{"Event":{}}`, model.KindOther},
	} {
		d, good := decode(t, tc.doc)
		if !good {
			t.Errorf("%s: not decoded", tc.doc)
			continue
		}
		e := normalise(d, endpoint{}, keep{})
		if e.Kind != tc.kind {
			t.Errorf("%s: %s, want %s", tc.doc, e.Kind, tc.kind)
		}
		if strings.Contains(tc.doc, "wardog") && (e.User == nil || e.User.Name != "wardog" || e.User.Domain != "W5") {
			t.Errorf("user %+v", e.User)
		}
	}
}

// FuzzEvent: no input makes the decoder panic; what encoding/json takes as an
// event, it takes, and nothing else.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(legacyEvent))
	f.Add([]byte(`{"Event":{"System":{"EventID":10,"Keywords":{"Value":9223372036854775808}},"EdrData":{"Endpoint":{"UUID":"u"},"Event":{"Hash":"h"}},"Detection":{"Signature":["a"],"Criticality":"x"}}}`))
	f.Add([]byte(`{"Event":{"EventData":{"a":{"b":{"c":{"d":{"Image":"x"}}}}}}}`))
	f.Add([]byte(`{"Event":null}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		d, good := decode(t, string(doc))
		if !good {
			return
		}
		if !json.Valid(d.Raw) {
			t.Fatalf("%q is taken for JSON", d.Raw)
		}
		e := normalise(d, byUUID("u"), keep{raw: true})
		if e.ID == "" && d.Get(wire.FieldHash) != "-" {
			t.Error("an event without an id")
		}
		if d.Fired() {
			alertOf(d, e)
		}
		if _, err := json.Marshal(e); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	doc := []byte(legacyEvent)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	d := new(wire.EventDecoder)
	ep := endpoint{Endpoint: wire.Endpoint{UUID: "u", Hostname: "desk"}}
	for b.Loop() {
		var w jsonwalk.Walker
		w.Reset(doc)
		d.Walk(&w)
		d.Finish()
		normalise(d, ep, keep{})
	}
}
