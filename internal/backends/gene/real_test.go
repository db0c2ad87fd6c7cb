package gene_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/model"
)

func number(v any) int {
	switch v := v.(type) {
	case float64:
		return int(v)
	case string:
		n, _ := strconv.Atoi(v)
		return n
	}
	return 0
}

// kindOf is the table of docs/formats.md 3.1, written again.
func kindOf(channel string, id int, data map[string]any) model.Kind {
	if channel != sysmon {
		// What the recordings hold of other logs; internal/winlog has the rest.
		switch {
		case channel == "Security" && id == 4624:
			return model.KindLogon
		case channel == "Security" && (id == 4656 || id == 4663) && data["ObjectType"] == "File":
			return model.KindFileRead
		case strings.Contains(channel, "DNS-Client") && slices.Contains([]int{3006, 3008, 3016, 3018, 3020}, id):
			return model.KindDNSQuery
		}
		return model.KindOther
	}
	switch id {
	case 1:
		return model.KindProcessStart
	case 2:
		return model.KindFileWrite
	case 3:
		return model.KindNetworkConnect
	case 5:
		return model.KindProcessEnd
	case 6:
		return model.KindDriverLoad
	case 7:
		return model.KindModuleLoad
	case 8:
		return model.KindProcessInject
	case 9:
		return model.KindRawRead
	case 10:
		return model.KindProcessAccess
	case 11, 27, 28, 29:
		return model.KindFileCreate
	case 14:
		return model.KindRegistrySet
	case 15:
		return model.KindFileStream
	case 17:
		return model.KindPipeCreate
	case 18:
		return model.KindPipeConnect
	case 19, 20, 21:
		return model.KindWMI
	case 24:
		return model.KindClipboard
	case 25:
		return model.KindProcessTamper
	case 12:
		if s, _ := data["EventType"].(string); strings.HasPrefix(s, "Delete") {
			return model.KindRegistryDelete
		}
		return model.KindRegistryCreate
	case 13:
		return model.KindRegistrySet
	case 22:
		return model.KindDNSQuery
	case 23, 26:
		return model.KindFileDelete
	}
	return model.KindOther
}

// dataSpan holds every event of the recorded attack.
var dataSpan = backends.Query{
	Since: time.Date(2020, 10, 22, 0, 0, 0, 0, time.UTC), Until: time.Date(2020, 10, 23, 0, 0, 0, 0, time.UTC),
}

// TestRealTelemetry reads 22,054 real Sysmon events from a v1.7.0 envelope.
func TestRealTelemetry(t *testing.T) {
	lines := realEvents(t)
	d, _ := serve(t, answerLines(lines))
	q := dataSpan
	q.Raw, q.Log = true, true
	l, err := d.Events(t.Context(), q)
	events := collect(t, l, err)
	compareReal(t, lines, events)
	for i := 0; i < len(events); i += 16 {
		checkRecord(t, events[i], events[i].Raw)
	}
}

func compareReal(t *testing.T, lines [][]byte, events []*model.Event) {
	t.Helper()
	if len(lines) != 22054 || len(events) != len(lines) {
		t.Fatalf("%d events of %d", len(events), len(lines))
	}
	byRecord := map[string][]recordedEvent{} // a few are alike but for their record number
	for _, l := range lines {
		var doc recordedEvent
		if err := json.Unmarshal(l, &doc); err != nil {
			t.Fatal(err)
		}
		byRecord[recordKey(t, l)] = append(byRecord[recordKey(t, l)], doc)
	}
	kinds := map[model.Kind]int{}
	var times []time.Time
	for _, e := range events {
		key := recordKey(t, e.Raw)
		docs := byRecord[key]
		if len(docs) == 0 {
			t.Fatalf("event %s is not of the data", e.ID)
		}
		doc := docs[0]
		if byRecord[key] = docs[1:]; len(docs) == 1 {
			delete(byRecord, key)
		}
		times = append(times, e.Time.Time)
		want := kindOf(doc.Event.System.Channel, number(doc.Event.System.EventID), doc.Event.EventData)
		if e.Kind != want {
			t.Fatalf("event %s: kind %s, want %s", e.ID, e.Kind, want)
		}
		kinds[e.Kind]++
		compareFields(t, e, doc)
	}
	newestFirst(t, times)
	if len(byRecord) != 0 {
		t.Errorf("%d events were lost", len(byRecord))
	}
	t.Logf("%d events, kinds %v", len(events), kinds)
}

// recordKey names an event in either format: everything the agent sent.
func recordKey(t *testing.T, raw []byte) string {
	t.Helper()
	var doc struct {
		Event struct {
			System struct {
				Computer    string
				EventID     any
				TimeCreated struct{ SystemTime time.Time }
			}
			EventData json.RawMessage
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	var data map[string]any
	if err := json.Unmarshal(doc.Event.EventData, &data); err != nil {
		t.Fatal(err)
	}
	canon, _ := json.Marshal(data) // sorted
	s := doc.Event.System
	return s.Computer + "|" + strconv.Itoa(number(s.EventID)) + "|" + s.TimeCreated.SystemTime.Format(time.RFC3339Nano) + "|" + string(canon)
}

// short is an address as RFC 5952 wants it: Sysmon writes IPv6 in full.
func short(s string) string {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().String()
	}
	return s
}

// compareFields checks the fields of an event by its own reading.
func compareFields(t *testing.T, e *model.Event, doc recordedEvent) {
	t.Helper()
	str := func(name string) string {
		s, _ := doc.Event.EventData[name].(string)
		if s == "-" {
			return ""
		}
		return s
	}
	check := func(what, got, want string) {
		if got != want {
			t.Errorf("event %s: %s is %q, want %q", e.ID, what, got, want)
		}
	}
	check("time", e.Time.Format(time.RFC3339Nano), doc.Event.System.TimeCreated.SystemTime.UTC().Format(time.RFC3339Nano))
	check("host", e.Host.Name, doc.Event.System.Computer)
	prefix, guid := "", "ProcessGuid"
	if number(doc.Event.System.EventID) == 10 {
		prefix, guid = "Source", "ProcessGUID"
	}
	if e.Process == nil {
		t.Fatalf("event %s has no process", e.ID)
	}
	check("image", e.Process.Path, str(prefix+"Image"))
	check("process uid", e.Process.UID, strings.Trim(str(prefix+guid), "{}"))
	if s := str(prefix + "ProcessId"); s != "" {
		check("pid", strconv.FormatInt(e.Process.PID, 10), s)
	}
	switch e.Kind {
	case model.KindProcessStart:
		check("command line", e.Process.CommandLine, str("CommandLine"))
		check("parent", e.Process.Parent.Path, str("ParentImage"))
		check("parent uid", e.Process.Parent.UID, strings.Trim(str("ParentProcessGuid"), "{}"))
		if !strings.Contains(strings.ToLower(str("Hashes")), e.Process.Hash.SHA256) || e.Process.Hash.SHA256 == "" {
			t.Errorf("event %s: hash %+v", e.ID, e.Process.Hash)
		}
		check("user", e.User.Domain+`\`+e.User.Name, str("User"))
	case model.KindProcessAccess:
		check("target", e.Target.Path, str("TargetImage"))
		check("target uid", e.Target.UID, strings.Trim(str("TargetProcessGUID"), "{}"))
	case model.KindFileCreate, model.KindFileDelete:
		check("file", e.File.Path, str("TargetFilename"))
	case model.KindRegistryCreate, model.KindRegistrySet:
		check("registry", e.Registry.Path, str("TargetObject"))
		check("details", e.Registry.Data, str("Details"))
	case model.KindModuleLoad:
		check("module", e.Module.Path, str("ImageLoaded"))
	case model.KindNetworkConnect:
		check("destination", e.Network.Destination.IP, short(str("DestinationIp")))
		check("port", strconv.Itoa(e.Network.Destination.Port), str("DestinationPort"))
		check("source", e.Network.Source.IP, short(str("SourceIp")))
		check("domain", e.Network.Destination.Domain, str("DestinationHostname"))
		check("transport", e.Network.Transport, str("Protocol"))
	case model.KindDNSQuery:
		check("question", e.DNS.Question.Name, str("QueryName"))
		if str("QueryResults") != "" && len(e.DNS.Answers) == 0 {
			t.Errorf("event %s: no answers of %s", e.ID, str("QueryResults"))
		}
	case model.KindPipeCreate, model.KindPipeConnect:
		check("pipe", e.Pipe.Name, str("PipeName"))
	}
}

// TestRealTelemetryThroughFake reads the same events from the fake, in every version.
func TestRealTelemetryThroughFake(t *testing.T) {
	lines := realEvents(t)
	log := &memLog{}
	for _, l := range lines {
		var doc recordedEvent
		if err := json.Unmarshal(l, &doc); err != nil {
			t.Fatal(err)
		}
		e := fake.Event{Computer: doc.Event.System.Computer, EventID: number(doc.Event.System.EventID)}
		for k, v := range doc.Event.EventData {
			e.Data = append(e.Data, fake.KV{K: k, V: v.(string)})
		}
		slices.SortFunc(e.Data, func(a, b fake.KV) int { return strings.Compare(a.K, b.K) })
		log.put(fake.Meta{Time: doc.Event.System.TimeCreated.SystemTime}, e)
	}
	data := &fake.Data{Endpoints: []fake.Endpoint{{UUID: uuid1}}, Log: log}
	each(t, func(t *testing.T, v string) {
		if v != fake.Head && (testing.Short() || raceDetector) {
			t.Skip("short, or under the race detector: only the newest version")
		}
		d, _, _ := start(t, data, fake.Options{Version: v})
		q := dataSpan
		q.Raw = true
		l, err := d.Events(t.Context(), q)
		compareReal(t, lines, collect(t, l, err))
	})
}
