package esp

import (
	"strings"

	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// cells are the columns of one osquery row that edrctl reads, by the names
// the agents use (win_* tables of PolyLogyx and plain osquery tables). A cell
// that is absent, null, "", "null", "NULL" or "NA" is "".
type cells struct {
	action, eid, eventID, time, utcTime string

	pid, path, cmdline, cwd, processGUID, processName string
	parentPID, parent, parentPath, parentGUID         string
	ownerUID, uid, username, user                     string
	md5, sha1, sha256                                 string

	targetPath, targetName, targetNewName, size     string
	targetPID, targetGUID, srcPID, srcGUID, srcPath string
	valueData, valueName, data, key, name           string
	imagePath, domainName, requestType, url         string
	remoteAddress, remotePort, localAddress         string
	localPort, protocol, resolvedIP, description    string

	hasDomain bool
	order     []cell // the first cells as they stand, for rows without a kind
}

type cell struct{ name, value string }

// maxOrder is how many cells the summary of an inventory row may use.
const maxOrder = 6

// readCells reads the object at the walker. keepOrder keeps the first cells
// as well.
func (c *cells) read(w *jsonwalk.Walker, scratch []byte, keepOrder bool) []byte {
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
		if !ok { // an object or a list: its text as it stands
			scratch = append(scratch[:0], w.Since(from)...)
		}
		value := ""
		if !isNull(scratch) {
			value = string(scratch)
		}
		if p != nil {
			*p = value
		}
		if string(key) == "domain_name" {
			c.hasDomain = true
		}
		if name != "" && value != "" {
			c.order = append(c.order, cell{name, value})
		}
	}
	return scratch
}

// isNull tells the texts the agents write for "nothing".
func isNull(b []byte) bool {
	switch string(b) {
	case "", "null", "NULL", "NA":
		return true
	}
	return false
}

// slot gives the field a column goes to, nil for columns edrctl has no field for.
func (c *cells) slot(key []byte) *string {
	switch string(key) {
	case "action":
		return &c.action
	case "eid":
		return &c.eid
	case "eventid":
		return &c.eventID
	case "time":
		return &c.time
	case "utc_time":
		return &c.utcTime
	case "pid":
		return &c.pid
	case "path":
		return &c.path
	case "cmdline":
		return &c.cmdline
	case "cwd":
		return &c.cwd
	case "process_guid":
		return &c.processGUID
	case "process_name":
		return &c.processName
	case "parent_pid":
		return &c.parentPID
	case "parent":
		return &c.parent
	case "parent_path":
		return &c.parentPath
	case "parent_process_guid":
		return &c.parentGUID
	case "owner_uid":
		return &c.ownerUID
	case "uid":
		return &c.uid
	case "username":
		return &c.username
	case "user":
		return &c.user
	case "md5":
		return &c.md5
	case "sha1":
		return &c.sha1
	case "sha256":
		return &c.sha256
	case "target_path":
		return &c.targetPath
	case "target_name":
		return &c.targetName
	case "target_new_name":
		return &c.targetNewName
	case "size":
		return &c.size
	case "target_pid":
		return &c.targetPID
	case "target_process_guid":
		return &c.targetGUID
	case "src_pid":
		return &c.srcPID
	case "src_process_guid":
		return &c.srcGUID
	case "src_path":
		return &c.srcPath
	case "value_data":
		return &c.valueData
	case "value_name":
		return &c.valueName
	case "data":
		return &c.data
	case "key":
		return &c.key
	case "name":
		return &c.name
	case "image_path":
		return &c.imagePath
	case "domain_name":
		return &c.domainName
	case "request_type":
		return &c.requestType
	case "url":
		return &c.url
	case "remote_address":
		return &c.remoteAddress
	case "remote_port":
		return &c.remotePort
	case "local_address":
		return &c.localAddress
	case "local_port":
		return &c.localPort
	case "protocol":
		return &c.protocol
	case "resolved_ip":
		return &c.resolvedIP
	case "description":
		return &c.description
	}
	return nil
}

// isEvent tells whether a row records something that happened: a table of
// events, or a row with an event class or an action of its own.
func (c *cells) isEvent(table string) bool {
	return strings.HasSuffix(table, "_events") || strings.Contains(table, "_events_") ||
		c.eventID != "" || c.eid != "" && c.action != ""
}
