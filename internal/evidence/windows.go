package evidence

import (
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/winlog"
)

// FromRecord gives what a record of a Windows log means: its event and, when
// the record is a detection, the alert. record is the record's number in its
// log, 0 when unknown; raw stands for it then.
func FromRecord(r *winlog.Record, record int64, raw []byte, o Options) []Item {
	e := winlog.Event(r)
	if record > 0 && r.Computer != "" && (r.Channel != "" || r.Provider != "") {
		e.ID = partsID(r.Computer, first(r.Channel, r.Provider), strconv.FormatInt(record, 10), strconv.FormatInt(r.Time.UnixMilli(), 10))
	} else {
		e.ID = contentID(raw)
	}
	if e.Host.Name != "" {
		e.Host.Name, e.Host.Domain = splitHost(e.Host.Name)
		e.Host.OS = windowsOS
		if strings.HasPrefix(r.Provider, "Linux-") {
			e.Host.OS = linuxOS
		}
	}
	if o.Log {
		e.Log = winlog.Log(r)
	}
	items := []Item{{Event: e}}
	if a := alertOf(e, r); a != nil {
		items = append(items, Item{Alert: a})
	}
	return items
}

// shared by all events: nobody changes them.
var (
	windowsOS = &model.OS{Platform: "windows"}
	linuxOS   = &model.OS{Platform: "linux"}
)

// splitHost takes the domain off a full name, but leaves an address alone.
func splitHost(name string) (host, domain string) {
	if i := strings.IndexByte(name, '.'); i > 0 && ipOf(name) == "" {
		return name[:i], name[i+1:]
	}
	return name, ""
}

// isWindows: a record as the event log's XML has it, turned into JSON by one of
// many tools: {"Event": {"System": …, "EventData": …}}, or without the outer
// object (Velociraptor).
func isWindows(v Value) bool {
	if v.Get("Event").Kind() == '{' {
		v = v.Get("Event")
	}
	return v.Get("System").Kind() == '{' && v.Has("System.EventID")
}

func decodeWindows(v Value, o Options) ([]Item, error) {
	if e := v.Get("Event"); e.Kind() == '{' {
		v = e
	}
	var r winlog.Record
	c := clock{zone: o.zone()}
	number := systemOf(v.Get("System"), &r, &c)
	for _, name := range [...]string{"EventData", "UserData"} {
		r.Data = members(v.Get(name), r.Data, name == "UserData", 0)
	}
	r.Message = first(v.Str("Message"), v.Str("RenderingInfo.Message"))
	if r.Time.IsZero() {
		r.Time, _ = c.read(r.Get("UtcTime"))
		c.local = false // Sysmon's is UTC
	}
	return finishRecord(&r, number, v, c.local, o)
}

// finishRecord adds what all the readers of Windows records add.
func finishRecord(r *winlog.Record, number int64, v Value, local bool, o Options) ([]Item, error) {
	items := FromRecord(r, number, v.Raw(), o)
	for i := range items {
		items[i].Local = local
	}
	if o.Raw {
		items[0].Event.Raw = append([]byte(nil), v.Raw()...)
		if len(items) > 1 {
			items[1].Alert.Raw = items[0].Event.Raw
		}
	}
	return items, nil
}

// systemOf reads the part that every record has and gives its number.
func systemOf(s Value, r *winlog.Record, c *clock) (number int64) {
	for name, v := range s.Members() {
		switch name {
		case "Provider", "Provider_attributes":
			r.Provider = first(r.Provider, attribute(v, "Name"))
		case "EventID":
			r.EventID = int(wholeNumber(first(v.Text(), v.Str("#text", "Value", "$", "text", "_"))))
		case "Task":
			r.Task = first(v.Text(), v.Str("Name"))
		case "TimeCreated", "TimeCreated_attributes":
			if t, ok := c.read(first(attribute(v, "SystemTime"), v.Text())); ok {
				r.Time = t
			}
		case "EventRecordID":
			number = wholeNumber(v.Text())
		case "Execution", "Execution_attributes":
			r.PID = wholeNumber(attribute(v, "ProcessID"))
		case "Security", "Security_attributes":
			r.UserID = attribute(v, "UserID")
		case "Channel":
			r.Channel = first(v.Text(), v.Str("#text"))
		case "Computer":
			r.Computer = first(v.Text(), v.Str("#text"))
		}
	}
	return number
}

// attribute is an attribute of an XML element, as the many tools write it.
func attribute(v Value, name string) string {
	if v.Kind() == '"' {
		return v.Text()
	}
	return v.Str("#attributes."+name, name, "@"+name, "$."+name, "_attributes."+name)
}

// members reads EventData and UserData: a map of names, a list of values, or
// a list of objects with name and text; in UserData one element deeper.
func members(v Value, into []winlog.Field, nested bool, depth int) []winlog.Field {
	if depth > 3 {
		return into
	}
	if v.Kind() == '[' || v.Kind() == '"' {
		return dataList(v, into)
	}
	for name, m := range v.Members() {
		switch {
		case name == "#attributes" || name == "xmlns" || strings.HasPrefix(name, "@") || strings.HasSuffix(name, "_attributes"):
		case name == "Data":
			into = dataList(m, into)
		case m.Kind() == '{':
			if text := m.Get("#text"); text.Ok() {
				into = append(into, winlog.Field{Name: name, Value: text.Text()})
			} else {
				into = members(m, into, nested, depth+1)
			}
		case m.Kind() == '[':
			for e := range m.List() {
				into = append(into, winlog.Field{Name: name, Value: first(e.Text(), e.Str("#text"))})
			}
		default:
			into = append(into, winlog.Field{Name: name, Value: m.Text()})
		}
	}
	return into
}

// dataList reads <Data> elements. Those without a name are param1, param2 …
func dataList(v Value, into []winlog.Field) []winlog.Field {
	n := 0
	param := func(text string) {
		n++
		into = append(into, winlog.Field{Name: "param" + strconv.Itoa(n), Value: text})
	}
	one := func(e Value) {
		if e.Kind() != '{' {
			param(e.Text())
			return
		}
		text := e.Get("#text")
		if !text.Ok() {
			text = e.Get("Value")
		}
		name := first(e.Str("Name", "@Name", "#attributes.Name", "_attributes.Name"))
		switch {
		case name != "":
			into = append(into, winlog.Field{Name: name, Value: text.Text()})
		case text.Kind() == '[':
			for _, s := range text.Texts() {
				param(s)
			}
		case text.Ok():
			param(text.Text())
		default: // {"Name": "value"} of tools that turn the list into objects
			into = members(e, into, false, 1)
		}
	}
	if v.Kind() == '[' {
		for i := v.d.nodes[v.i].kids; i != 0; i = v.d.nodes[i].next {
			one(Value{v.d, i})
		}
		return into
	}
	if v.Ok() && v.Kind() != 'n' {
		one(v)
	}
	return into
}

// Roles of the members of a flat record: what names the record is not its data.
type role uint8

const (
	roleData role = iota
	roleNone
	roleID
	roleChannel
	roleProvider
	roleComputer
	roleTask
	roleRecord
	rolePID
	roleUserID
	roleMessage
	roleTime      // with a zone, as a rule
	roleLocalTime // of the collector
	roleReceived  // of the collector's receipt, with a zone
	roleType
	roleHost // mostly the collector
)

var flatRoles = map[string]role{
	"EventID": roleID, "EventId": roleID, "event_id": roleID, "EventCode": roleID, "eventid": roleID, "Id": roleID, "EventIDCode": roleID,
	"Channel": roleChannel, "LogName": roleChannel, "log_name": roleChannel, "channel": roleChannel, "Log": roleChannel,
	"SourceName": roleProvider, "ProviderName": roleProvider, "Provider": roleProvider, "Provider_Name": roleProvider, "provider_name": roleProvider, "Source": roleProvider, "source_name": roleProvider,
	"Hostname": roleComputer, "Computer": roleComputer, "ComputerName": roleComputer, "MachineName": roleComputer, "computer_name": roleComputer, "computer": roleComputer,
	"Task": roleTask, "TaskCategory": roleTask, "RecordNumber": roleRecord, "EventRecordID": roleRecord, "RecordId": roleRecord, "record_number": roleRecord, "EventRecordId": roleRecord,
	"ExecutionProcessID": rolePID, "UserID": roleUserID, "Message": roleMessage, "message": roleMessage,
	"TimeCreated": roleTime, "SystemTime": roleTime, "_time": roleTime, "TimeGenerated": roleTime, "timestamp": roleTime,
	"EventTime": roleLocalTime, "@timestamp": roleReceived, "EventType": roleType,
	// what a collector adds, or says of its own
	"@version": roleNone, "EventReceivedTime": roleNone, "SourceModuleName": roleNone, "SourceModuleType": roleNone, "SeverityValue": roleNone, "host": roleHost, "port": roleNone,
	"tags": roleNone, "OpcodeValue": roleNone, "ThreadID": roleNone, "_raw": roleNone, "_bkt": roleNone, "_cd": roleNone, "_si": roleNone, "_serial": roleNone,
	"_indextime": roleNone, "index": roleNone, "linecount": roleNone, "splunk_server": roleNone, "sourcetype": roleNone, "source": roleNone, "punct": roleNone,
}

// isFlat: a record whose fields lie next to each other (nxlog, Splunk,
// PowerShell).
func isFlat(v Value) bool {
	id, where := false, false
	for name, m := range v.Members() {
		switch flatRoles[name] {
		case roleID:
			id = id || isCode(m)
		case roleChannel, roleProvider:
			where = where || m.Kind() == '"'
		}
		if id && where {
			return !v.Has("class_uid") && !v.Has("ecs")
		}
	}
	return false
}

// isCode tells whether a value can be an event id.
func isCode(v Value) bool {
	s := v.Text()
	return s != "" && len(s) < 7 && digits(s) >= 0
}

func decodeFlat(v Value, o Options) ([]Item, error) {
	var r winlog.Record
	var number int64
	var when, local, received, kind, collector string
	for name, m := range v.Members() {
		switch flatRoles[name] {
		case roleData:
			into := &r.Data
			switch m.Kind() {
			case '{':
				*into = members(m, *into, false, 1)
			case '[':
				for e := range m.List() {
					*into = append(*into, winlog.Field{Name: name, Value: e.Text()})
				}
				if name == "Properties" { // PowerShell: values without names
					*into = dataList(m, *into)
				}
			case 'n':
			default:
				*into = append(*into, winlog.Field{Name: name, Value: m.Text()})
			}
		case roleID:
			if r.EventID == 0 && isCode(m) {
				r.EventID = digits(m.Text())
			}
		case roleChannel:
			r.Channel = first(r.Channel, m.Text())
		case roleProvider:
			r.Provider = first(r.Provider, m.Text())
		case roleComputer:
			r.Computer = first(r.Computer, m.Text())
		case roleTask:
			r.Task = first(r.Task, m.Text())
		case roleRecord:
			number = wholeNumber(m.Text())
		case rolePID:
			r.PID = wholeNumber(m.Text())
		case roleUserID:
			r.UserID = first(m.Text(), m.Str("Value"))
		case roleMessage:
			r.Message = first(r.Message, m.Text())
		case roleTime:
			when = first(when, m.Text())
		case roleLocalTime:
			local = m.Text()
		case roleReceived:
			received = m.Text()
		case roleType:
			kind = m.Text()
		case roleHost:
			collector = first(m.Text(), m.Str("name"))
		}
	}
	r.Computer = first(r.Computer, collector)
	eventType(&r, kind)
	c := clock{zone: o.zone()}
	r.Time = flatTime(&r, when, local, received, &c)
	return finishRecord(&r, number, v, c.local, o)
}

// eventType keeps Sysmon's own EventType ("DeleteKey"). A collector that puts
// INFO there has the other in the text, if anywhere.
func eventType(r *winlog.Record, kind string) {
	switch kind {
	case "":
		return
	case "INFO", "AUDIT_SUCCESS", "AUDIT_FAILURE", "WARNING", "ERROR", "VERBOSE", "4":
		_, rest, ok := strings.Cut(r.Message, "EventType: ")
		if !ok {
			return
		}
		kind, _, _ = strings.Cut(rest, "\n")
		kind = strings.TrimSpace(kind)
	}
	r.Data = append(r.Data, winlog.Field{Name: "EventType", Value: kind})
}

// flatTime finds when it happened. A time of the collector without a zone is
// exact but for the zone, which follows from the time of receipt, if that has
// one: the two are at most minutes apart, zones a multiple of a quarter hour.
func flatTime(r *winlog.Record, when, local, received string, c *clock) time.Time {
	if t, ok := c.read(when); ok && !c.local {
		return t
	}
	c.local = false
	if t, _, ok := readTime(r.Get("UtcTime"), time.UTC); ok {
		return t
	}
	got, zoned, gotOK := readTime(received, time.UTC)
	for _, s := range [...]string{local, when} {
		t, _, ok := readTime(s, time.UTC)
		if !ok {
			continue
		}
		if gotOK && zoned {
			const quarter = 15 * time.Minute
			off := t.Sub(got).Round(quarter)
			if apart := t.Sub(got) - off; off.Abs() <= 14*time.Hour && apart.Abs() < 5*time.Minute {
				return t.Add(-off)
			}
		}
		t, _ = c.read(s)
		return t
	}
	if gotOK {
		return got
	}
	return time.Time{}
}

// isWinlogbeat: the event log by Elastic's shipper, old and new.
func isWinlogbeat(v Value) bool {
	w := v.Get("winlog")
	return w.Kind() == '{' && (w.Has("event_id") || w.Has("event_data")) || v.Has("winlog.event_id") || v.Has("event_data") && v.Has("event_id") && v.Has("@timestamp")
}

func decodeWinlogbeat(v Value, o Options) ([]Item, error) {
	v.nest()
	w := v
	if x := v.Get("winlog"); x.Kind() == '{' {
		w = x
	}
	get := w.Get
	r := winlog.Record{
		Channel: first(get("channel").Text(), v.Str("log_name")), Provider: first(get("provider_name").Text(), v.Str("event.provider", "source_name")),
		EventID:  int(wholeNumber(first(get("event_id").Text(), v.Str("event.code")))),
		Computer: first(get("computer_name").Text(), v.Str("host.name", "host.hostname")), Task: get("task").Text(),
		PID: wholeNumber(first(get("process.pid").Text(), v.Str("process_id"))), UserID: first(get("user.identifier").Text(), v.Str("user.identifier")),
		Message: v.Str("message"),
	}
	for _, name := range [...]string{"event_data", "user_data"} {
		r.Data = members(get(name), r.Data, false, 0)
	}
	c := clock{zone: o.zone()}
	r.Time, _ = c.read(v.Str("@timestamp"))
	items, err := finishRecord(&r, wholeNumber(first(get("record_id").Text(), v.Str("record_number"))), v, c.local, o)
	if err == nil {
		c.local = false
		items[0].Event.Ingested = c.first(v.Str("event.ingested", "event.created"))
	}
	return items, err
}
