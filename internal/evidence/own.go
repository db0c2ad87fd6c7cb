package evidence

import (
	"github.com/go-json-experiment/json"

	"github.com/edrctl/edrctl/internal/model"
)

// isOwn: what edrctl wrote as json, ndjson or yaml turned into JSON.
func isOwn(v Value) bool { return ownKind(v) != 0 }

// ownKind tells the objects of the contract apart by what only they have: e
// event, a alert, h host, p process, 0 none of them.
func ownKind(v Value) byte {
	if !v.Has("ref") && !(v.Has("profile") && v.Has("backend")) && !v.Has("id") && !v.Has("time") {
		return 0
	}
	if v.Has("ecs.version") || v.Has("class_uid") {
		return 0
	}
	if v.Has("kind") {
		if _, ok := model.ParseKind(v.Str("kind")); ok {
			return 'e'
		}
		return 0
	}
	switch stamped := v.Has("ref") || v.Has("profile") || v.Has("backend"); {
	case v.Has("title") && (v.Has("severity") || v.Has("status")) && (stamped || v.Has("verdict")):
		return 'a'
	case !stamped || v.Has("verb") || v.Has("rule") || v.Has("progress") || v.Has("saved_to") || v.Has("severity") || v.Has("condition") || v.Has("joins") || v.Has("signatures"):
		return 0
	case v.Has("uid") || v.Has("pid") || v.Has("command_line") || v.Has("parent"):
		return 'p'
	case v.Has("os") || v.Has("last_seen") || v.Has("agent_version") || v.Has("online") || v.Has("isolated") || v.Has("ip") || v.Has("alert_count") || v.Has("state") && v.Has("name"):
		return 'h'
	}
	return 0
}

func decodeOwn(v Value, o Options) ([]Item, error) {
	var it Item
	var rec any
	switch ownKind(v) {
	case 'e':
		it.Event = &model.Event{}
		rec = it.Event
	case 'a':
		it.Alert = &model.Alert{}
		rec = it.Alert
	case 'h':
		it.Host = &model.Host{}
		rec = it.Host
	default:
		it.Process = &model.Process{}
		rec = it.Process
	}
	if err := json.Unmarshal(v.Raw(), rec); err != nil {
		return nil, errorf("a record of edrctl with a member of the wrong type, among %s", v.keys())
	}
	if e := it.Event; e != nil && o.Log {
		e.Log = ownLog(v)
	}
	return []Item{it}, nil
}

// ownLog offers the fields of the record that the event was read from, if that
// was written with it (--raw).
func ownLog(v Value) *model.LogRecord {
	raw := v.Get("raw")
	decode := decodeWindows
	switch {
	case isWindows(raw):
	case isFlat(raw):
		decode = decodeFlat
	default:
		return nil
	}
	items, err := decode(raw, Options{Log: true})
	if err != nil {
		return nil
	}
	return items[0].Event.Log
}
