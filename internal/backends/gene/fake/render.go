package fake

import (
	"strconv"
	"time"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string as Go's encoder writes it: with <, >, &
// and the two line separators escaped.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[from:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(append(b, s[from:i]...), `\ufffd`...)
			from = i + 1
		case r == 0x2028 || r == 0x2029:
			b = append(append(b, s[from:i]...), `\u202`...)
			b = append(b, hexDigits[r&15])
			from = i + n
		}
		i += n
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}

func appendList(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}

func appendKVs(b []byte, kvs []KV) []byte {
	b = append(b, '{')
	for i, kv := range kvs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, kv.K), ':')
		b = appendString(b, kv.V)
	}
	return append(b, '}')
}

func appendAttack(b []byte, list []Attack) []byte {
	b = append(b, `"ATTACK":[`...)
	for i, a := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"ID":`...), a.ID)
		b = appendString(append(b, `,"Tactic":`...), a.Tactic)
		if a.Description != "" {
			b = appendString(append(b, `,"Description":`...), a.Description)
		}
		b = append(appendString(append(b, `,"Reference":`...), a.Reference), '}')
	}
	return append(b, ']')
}

// appendLegacy appends an event as v1.7.0 and v1.8.0-beta give it
// (docs/wire/gene.md 7): every value a string, keys in alphabetical order.
func appendLegacy(b []byte, e *Event, m Meta, actions bool) []byte {
	b = append(b, `{"Event":{`...)
	if len(e.UserData) == 0 {
		b = append(appendKVs(append(b, `"EventData":`...), e.Data), ',')
	}
	if m.Detection {
		b = append(b, `"GeneInfo":{`...)
		if len(e.Attack) > 0 {
			b = append(appendAttack(b, e.Attack), ',')
		}
		if actions && len(e.Actions) > 0 {
			b = append(appendList(append(b, `"Actions":`...), e.Actions), ',')
		}
		b = strconv.AppendInt(append(b, `"Criticality":`...), int64(e.Criticality), 10)
		b = append(appendList(append(b, `,"Signature":`...), e.Signatures), `},`...)
	}
	b = appendString(append(b, `"System":{"Channel":`...), e.Channel)
	b = appendString(append(b, `,"Computer":`...), e.Computer)
	b = append(strconv.AppendInt(append(b, `,"Correlation":{},"EventID":"`...), int64(e.EventID), 10), '"')
	b = append(strconv.AppendInt(append(b, `,"EventRecordID":"`...), int64(e.RecordID), 10), '"')
	b = append(b, `,"Execution":{"ProcessID":"3288","ThreadID":"724"},"Keywords":"0x8000000000000000","Level":"4","Opcode":"0","Provider":{"Guid":"{5770385F-C22A-43E0-BF4C-06F5698FFBD9}","Name":`...)
	b = appendString(b, e.Provider)
	b = append(strconv.AppendInt(append(b, `},"Security":{"UserID":"S-1-5-18"},"Task":"`...), int64(e.EventID), 10), '"')
	b = m.Time.UTC().AppendFormat(append(b, `,"TimeCreated":{"SystemTime":"`...), "2006-01-02T15:04:05.0000000Z")
	b = append(b, `"},"Version":"5"}`...)
	if len(e.UserData) > 0 {
		b = append(appendKVs(append(b, `,"UserData":{"EventXML":`...), e.UserData), '}')
	}
	return append(b, `}}`...)
}

// appendETW appends an event as beta.2 and later give it.
func appendETW(b []byte, e *Event, m Meta, ep *Endpoint, correlation bool) []byte {
	b = append(b, `{"Event":{`...)
	if len(e.UserData) == 0 {
		b = append(appendKVs(append(b, `"EventData":`...), e.Data), ',')
	} else {
		b = append(appendKVs(append(b, `"UserData":{"EventXML":`...), e.UserData), `},`...)
	}
	b = appendString(append(b, `"System":{"Channel":`...), e.Channel)
	b = appendString(append(b, `,"Computer":`...), e.Computer)
	b = strconv.AppendInt(append(b, `,"EventID":`...), int64(e.EventID), 10)
	if correlation {
		b = append(b, `,"Correlation":{"ActivityID":"{00000000-0000-0000-0000-000000000000}","RelatedActivityID":"{00000000-0000-0000-0000-000000000000}"}`...)
	}
	b = append(b, `,"Execution":{"ProcessID":3288,"ThreadID":724},"Keywords":{"Value":9223372036854775808,"Name":""},"Level":{"Value":4,"Name":"Information"},"Opcode":{"Value":0,"Name":"Info"},"Task":{"Value":`...)
	b = strconv.AppendInt(b, int64(e.EventID), 10)
	b = appendString(append(b, `,"Name":""},"Provider":{"Guid":"{5770385F-C22A-43E0-BF4C-06F5698FFBD9}","Name":`...), e.Provider)
	b = m.Time.UTC().AppendFormat(append(b, `},"TimeCreated":{"SystemTime":"`...), time.RFC3339Nano)
	b = appendString(append(b, `"}},"EdrData":{"Endpoint":{"UUID":`...), ep.UUID)
	b = appendString(append(b, `,"IP":`...), ep.IP)
	b = appendString(append(b, `,"Hostname":`...), ep.Hostname)
	b = appendString(append(b, `,"Group":`...), ep.Group)
	b = append(append(append(b, `},"Event":{"Hash":"`...), e.Hash...), `","Detection":`...)
	b = strconv.AppendBool(b, m.Detection)
	b = m.Time.UTC().Add(1500*time.Millisecond).AppendFormat(append(b, `,"ReceiptTime":"`...), time.RFC3339Nano)
	b = append(b, `"}}`...)
	if m.Detection {
		b = appendList(append(b, `,"Detection":{"Signature":`...), e.Signatures)
		b = strconv.AppendInt(append(b, `,"Criticality":`...), int64(e.Criticality), 10)
		if len(e.Attack) > 0 {
			b = appendAttack(append(b, ','), e.Attack)
		}
		if len(e.Actions) > 0 {
			b = appendList(append(b, `,"Actions":`...), e.Actions)
		}
		b = append(b, '}')
	}
	return append(b, `}}`...)
}
