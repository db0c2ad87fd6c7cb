// Package wire is the JSON of ESP's servers: the types of answers and
// requests, and how rows, columns and times are read (docs/wire/esp.md).
package wire

import (
	"strings"

	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// Cells are the columns of one osquery row that edrctl reads, by the names
// the agents use (win_* tables of PolyLogyx and plain osquery tables). A cell
// that is absent, null, "", "null", "NULL" or "NA" is "".
type Cells struct {
	Action, EID, EventID, Time, UTCTime string

	PID, Path, Cmdline, CWD, ProcessGUID, ProcessName string
	ParentPID, Parent, ParentPath, ParentGUID         string
	OwnerUID, UID, Username, User                     string
	MD5, SHA1, SHA256                                 string

	TargetPath, TargetName, TargetNewName, Size     string
	TargetPID, TargetGUID, SrcPID, SrcGUID, SrcPath string
	ValueData, ValueName, Data, Key, Name           string
	ImagePath, DomainName, RequestType, URL         string
	RemoteAddress, RemotePort, LocalAddress         string
	LocalPort, Protocol, ResolvedIP, description    string

	HasDomain bool
	order     []cell // the first cells unchanged, for rows without a kind
}

type cell struct{ name, value string }

// maxOrder is how many cells the summary of an inventory row may use.
const maxOrder = 6

// readCells reads the object at the walker. keepOrder keeps the first cells
// as well.
func (c *Cells) read(w *jsonwalk.Walker, scratch []byte, keepOrder bool) []byte {
	if !w.Enter('{') {
		w.Skip()
		return scratch
	}
	for first := true; w.Next('}', &first); {
		key := w.Key()
		p := c.slot(key)
		if p == nil && !keepOrder {
			w.Skip()
			continue
		}
		var name string
		if keepOrder && len(c.order) < maxOrder {
			name = string(key)
		}
		from := w.Offset()
		var ok bool
		scratch, ok = w.AppendScalar(scratch[:0])
		if w.Err() != nil {
			break
		}
		if !ok { // an object or a list: its text as it is
			scratch = append(scratch[:0], w.Since(from)...)
		}
		value := ""
		if !IsNull(scratch) {
			value = string(scratch)
		}
		if p != nil {
			*p = value
		}
		if string(key) == "domain_name" {
			c.HasDomain = true
		}
		if name != "" && value != "" {
			c.order = append(c.order, cell{name, value})
		}
	}
	return scratch
}

// slot gives the field a column goes to, nil for columns edrctl has no field for.
func (c *Cells) slot(key []byte) *string {
	switch string(key) {
	case "action":
		return &c.Action
	case "eid":
		return &c.EID
	case "eventid":
		return &c.EventID
	case "time":
		return &c.Time
	case "utc_time":
		return &c.UTCTime
	case "pid":
		return &c.PID
	case "path":
		return &c.Path
	case "cmdline":
		return &c.Cmdline
	case "cwd":
		return &c.CWD
	case "process_guid":
		return &c.ProcessGUID
	case "process_name":
		return &c.ProcessName
	case "parent_pid":
		return &c.ParentPID
	case "parent":
		return &c.Parent
	case "parent_path":
		return &c.ParentPath
	case "parent_process_guid":
		return &c.ParentGUID
	case "owner_uid":
		return &c.OwnerUID
	case "uid":
		return &c.UID
	case "username":
		return &c.Username
	case "user":
		return &c.User
	case "md5":
		return &c.MD5
	case "sha1":
		return &c.SHA1
	case "sha256":
		return &c.SHA256
	case "target_path":
		return &c.TargetPath
	case "target_name":
		return &c.TargetName
	case "target_new_name":
		return &c.TargetNewName
	case "size":
		return &c.Size
	case "target_pid":
		return &c.TargetPID
	case "target_process_guid":
		return &c.TargetGUID
	case "src_pid":
		return &c.SrcPID
	case "src_process_guid":
		return &c.SrcGUID
	case "src_path":
		return &c.SrcPath
	case "value_data":
		return &c.ValueData
	case "value_name":
		return &c.ValueName
	case "data":
		return &c.Data
	case "key":
		return &c.Key
	case "name":
		return &c.Name
	case "image_path":
		return &c.ImagePath
	case "domain_name":
		return &c.DomainName
	case "request_type":
		return &c.RequestType
	case "url":
		return &c.URL
	case "remote_address":
		return &c.RemoteAddress
	case "remote_port":
		return &c.RemotePort
	case "local_address":
		return &c.LocalAddress
	case "local_port":
		return &c.LocalPort
	case "protocol":
		return &c.Protocol
	case "resolved_ip":
		return &c.ResolvedIP
	case "description":
		return &c.description
	}
	return nil
}

// IsEvent tells whether a row records something that happened: a table of
// events, or a row with an event class or an action of its own.
func (c *Cells) IsEvent(table string) bool {
	return strings.HasSuffix(table, "_events") || strings.Contains(table, "_events_") ||
		c.EventID != "" || c.EID != "" && c.Action != ""
}
