package evidence

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/edrctl/edrctl/internal/evtx"
)

func init() {
	RegisterBinary(Binary{Name: FormatEVTX, Magic: "ElfFile\x00", Read: readEVTX})
	RegisterBinary(Binary{Name: FormatEVTX, Magic: "ElfChnk\x00", Read: readEVTX})
}

// FormatEVTX is the format of Windows' own logs.
const FormatEVTX = "evtx"

// readEVTX reads a Windows event log. Damage is an item without a record.
func readEVTX(ctx context.Context, r io.Reader, o Options) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for rec, err := range evtx.Read(ctx, r) {
			var damage *evtx.Error
			switch {
			case errors.As(err, &damage):
				if !yield(Item{Offset: damage.Offset, Err: errors.New(damage.Why)}, nil) {
					return
				}
				continue
			case err != nil:
				yield(Item{}, err)
				return
			}
			var raw []byte
			if o.Raw || rec.ID == 0 {
				raw = rawEVTX(rec)
			}
			for _, it := range FromRecord(&rec.Record, int64(min(rec.ID, 1<<62)), raw, o) {
				it.Offset = rec.Offset
				if o.Raw && it.Event != nil {
					it.Event.Raw = raw
				}
				if o.Raw && it.Alert != nil {
					it.Alert.Raw = raw
				}
				if !yield(it, nil) {
					return
				}
			}
		}
	}
}

// rawEVTX writes a record as JSON, in the form that tools for event logs share.
func rawEVTX(r *evtx.Record) []byte {
	system := []member{
		{"Provider", []member{{"#attributes", []member{{"Name", r.Provider}}}}},
		{"EventID", r.EventID}, {"Version", r.Version}, {"Level", r.Level}, {"Opcode", r.Opcode}, {"Keywords", r.Keywords},
		{"TimeCreated", []member{{"#attributes", []member{{"SystemTime", r.Time.Format("2006-01-02T15:04:05.0000000Z")}}}}},
		{"EventRecordID", r.ID},
		{"Execution", []member{{"#attributes", []member{{"ProcessID", r.PID}}}}},
		{"Channel", r.Channel}, {"Computer", r.Computer},
		{"Security", []member{{"#attributes", []member{{"UserID", r.UserID}}}}},
	}
	data := make([]member, 0, len(r.Data))
	seen := map[string]int{}
	for _, f := range r.Data {
		name := f.Name
		if seen[name]++; seen[name] > 1 {
			name += "_" + strconv.Itoa(seen[f.Name])
		}
		data = append(data, member{name, f.Value})
	}
	event := []member{{"System", system}, {"EventData", data}}
	if r.Message != "" {
		event = append(event, member{"RenderingInfo", []member{{"Message", r.Message}}})
	}
	var b appender
	enc := jsontext.NewEncoder(&b, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	writeMembers(enc, []member{{"Event", event}})
	return bytes.TrimSpace(b)
}

type member struct {
	name  string
	value any
}

type appender []byte

func (a *appender) Write(p []byte) (int, error) { *a = append(*a, p...); return len(p), nil }

// writeMembers keeps the order of the record; nothing here can fail.
func writeMembers(enc *jsontext.Encoder, all []member) {
	_ = enc.WriteToken(jsontext.BeginObject)
	for _, m := range all {
		_ = enc.WriteToken(jsontext.String(m.name))
		switch v := m.value.(type) {
		case []member:
			writeMembers(enc, v)
		case string:
			_ = enc.WriteToken(jsontext.String(v))
		default:
			_ = json.MarshalEncode(enc, v)
		}
	}
	_ = enc.WriteToken(jsontext.EndObject)
}
