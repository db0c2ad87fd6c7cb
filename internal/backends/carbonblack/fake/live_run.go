package fake

import (
	"bytes"
	"sort"
	"strconv"
	"strings"
)

// on keys what changed on a device by device and lower-case path, pid or key.
func on(d *Device, what string) string {
	return strconv.FormatInt(d.ID, 10) + "|" + strings.ToLower(what)
}

// content gives a file of a device as it is now.
func (s *Server) content(d *Device, path string) ([]byte, bool) {
	if s.state.Deleted[on(d, path)] {
		return nil, false
	}
	if b, ok := s.state.Written[on(d, path)]; ok {
		return b, true
	}
	if s.data.Files == nil {
		return nil, false
	}
	for have, b := range s.data.Files(d.ID) {
		if strings.EqualFold(have, path) {
			return b, true
		}
	}
	return nil, false
}

func (s *Server) store(d *Device, path string, b []byte) {
	delete(s.state.Deleted, on(d, path))
	s.state.Written[on(d, path)] = b
}

func (s *Server) processes(d *Device) []LiveProcess {
	var out []LiveProcess
	if s.data.Processes == nil {
		return nil
	}
	for _, p := range s.data.Processes(d.ID) {
		if !s.state.Killed[on(d, strconv.FormatInt(p.PID, 10))] {
			out = append(out, p)
		}
	}
	return out
}

// run carries a command out; the caller holds mu.
func (s *Server) run(ses *session, c *command) (code int64, desc string, result map[string]any) {
	d := ses.device
	name, _ := c.body["name"].(string)
	object, _ := c.body["object"].(string)
	number := func(k string) (int64, bool) {
		f, ok := c.body[k].(float64)
		return int64(f), ok
	}
	switch name {
	case "process list":
		list := []any{}
		for _, p := range s.processes(d) {
			list = append(list, map[string]any{
				"pid": p.PID, "parent": p.Parent, "path": p.Path, "command_line": p.CommandLine, "username": p.User, "sid": p.SID,
				"create_time": p.Created / 1000, "proc_guid": p.GUID, "parent_guid": p.ParentGUID,
			})
		}
		return 0, "", map[string]any{"processes": list}
	case "kill":
		pid, ok := number("object")
		if !ok {
			return hrParameter, "The parameter is incorrect", nil
		}
		for _, p := range s.processes(d) {
			if p.PID == pid {
				s.state.Killed[on(d, strconv.FormatInt(pid, 10))] = true
				s.audit("Killed process " + strconv.FormatInt(pid, 10) + " on " + d.Name)
				return 0, "", nil
			}
		}
		return hrParameter, "The parameter is incorrect", nil
	case "delete file":
		if _, ok := s.content(d, object); !ok {
			return hrNotFound, "File not found", nil
		}
		delete(s.state.Written, on(d, object))
		s.state.Deleted[on(d, object)] = true
		s.audit("Deleted file " + object + " on " + d.Name)
		return 0, "", nil
	case "create directory":
		return 0, "", nil
	case "directory list":
		return s.directory(d, object)
	case "get file":
		b, ok := s.content(d, object)
		f := ses.files[c.fileID]
		if !ok || f == nil {
			delete(ses.files, c.fileID)
			return hrNotFound, "File not found", nil
		}
		if from, ok := number("offset"); ok && from > 0 {
			b = b[min(from, int64(len(b))):]
		}
		if n, ok := number("get_count"); ok && n > 0 {
			b = b[:min(n, int64(len(b)))]
		}
		f.body, f.done = b, true
		return 0, "", nil
	case "put file":
		id, _ := number("file_id")
		f := ses.files[id]
		if f == nil || object == "" {
			return hrParameter, "The parameter is incorrect", nil
		}
		s.store(d, object, f.body)
		return 0, "", nil
	case "create process":
		if object == "" {
			return hrParameter, "The parameter is incorrect", nil
		}
		s.audit("Ran " + object + " on " + d.Name)
		if out, _ := c.body["output_file"].(string); out != "" {
			s.store(d, out, []byte("demo output of "+object+" on "+d.Name+"\r\n"))
		}
		result = map[string]any{"pid": 4000 + 4*c.id}
		if wait, _ := c.body["wait"].(bool); wait {
			result["return_code"] = 0
		}
		return 0, "", result
	case "memdump":
		if object == "" {
			return hrParameter, "The parameter is incorrect", nil
		}
		if zipped, _ := c.body["compress"].(bool); zipped {
			object += ".zip"
		}
		s.store(d, object, bytes.Repeat([]byte("demo memory of "+d.Name+"\n"), 4096))
		return 0, "", map[string]any{"return_code": 0, "compressing": false, "dumping": false, "complete": true, "percentdone": 100}
	}
	return s.registry(d, name, object, c.body)
}

func (s *Server) directory(d *Device, object string) (int64, string, map[string]any) {
	dir := strings.TrimSuffix(object, "*")
	if dir == "" || !strings.HasSuffix(dir, `\`) && !strings.HasSuffix(dir, "/") {
		return hrParameter, "The parameter is incorrect", nil
	}
	now := s.now().Unix()
	entries := map[string]map[string]any{}
	add := func(path string, size int) {
		if len(path) <= len(dir) || !strings.EqualFold(path[:len(dir)], dir) {
			return
		}
		rest, attributes := path[len(dir):], []string{"ARCHIVE"}
		if i := strings.IndexAny(rest, `/\`); i >= 0 {
			rest, attributes, size = rest[:i], []string{"DIRECTORY"}, 0
		}
		entries[strings.ToLower(rest)] = map[string]any{"filename": rest, "attributes": attributes, "size": size,
			"create_time": now - 86400, "last_access_time": now - 3600, "last_write_time": now - 7200, "alt_name": ""}
	}
	if s.data.Files != nil {
		for path, b := range s.data.Files(d.ID) {
			if !s.state.Deleted[on(d, path)] {
				add(path, len(b))
			}
		}
	}
	for key, b := range s.state.Written {
		if path, ok := strings.CutPrefix(key, on(d, "")); ok {
			add(path, len(b))
		}
	}
	if len(entries) == 0 {
		return hrNotFound, "The system cannot find the path specified", nil
	}
	files := make([]map[string]any, 0, len(entries))
	for _, e := range entries {
		files = append(files, e)
	}
	sort.Slice(files, func(i, j int) bool { return files[i]["filename"].(string) < files[j]["filename"].(string) })
	return 0, "", map[string]any{"files": files}
}

// registry keeps what was set in a session's life; one service is always there.
func (s *Server) registry(d *Device, name, object string, body map[string]any) (int64, string, map[string]any) {
	if s.live.registry == nil {
		s.live.registry = map[string]map[string]regValue{}
	}
	acpi := on(d, `HKLM\SYSTEM\CurrentControlSet\services\ACPI`)
	if s.live.registry[acpi] == nil {
		s.live.registry[acpi] = map[string]regValue{"start": {"Start", "REG_DWORD", 0}, "imagepath": {"ImagePath", "REG_EXPAND_SZ", `system32\drivers\ACPI.sys`}}
	}
	key, value := object, ""
	if strings.HasSuffix(name, "value") {
		i := strings.LastIndexByte(object, '\\')
		if i < 0 {
			return hrParameter, "The parameter is incorrect", nil
		}
		key, value = object[:i], object[i+1:]
	}
	at := on(d, key)
	have, ok := s.live.registry[at]
	missing := func() (int64, string, map[string]any) {
		return hrNotFound, "The system cannot find the file specified", nil
	}
	switch name {
	case "reg create key":
		if !ok {
			s.live.registry[at] = map[string]regValue{}
		}
		return 0, "", nil
	case "reg delete key":
		if !ok {
			return missing()
		}
		delete(s.live.registry, at)
		return 0, "", nil
	case "reg enum key":
		if !ok {
			return missing()
		}
		values := []regValue{}
		for _, v := range have {
			values = append(values, v)
		}
		sort.Slice(values, func(i, j int) bool { return values[i].Name < values[j].Name })
		return 0, "", map[string]any{"sub_keys": []string{}, "values": values}
	case "reg query value", "reg delete value":
		v, there := have[strings.ToLower(value)]
		if !there {
			return missing()
		}
		if name == "reg delete value" {
			delete(have, strings.ToLower(value))
			return 0, "", nil
		}
		return 0, "", map[string]any{"value": v}
	case "reg set value":
		if !ok {
			return missing()
		}
		typ, _ := body["value_type"].(string)
		if overwrite, _ := body["overwrite"].(bool); !overwrite {
			if _, there := have[strings.ToLower(value)]; there {
				return hrDenied, "Access is denied", nil
			}
		}
		have[strings.ToLower(value)] = regValue{Name: value, Type: typ, Data: body["value_data"]}
		return 0, "", nil
	}
	return hrParameter, "The parameter is incorrect", nil
}
