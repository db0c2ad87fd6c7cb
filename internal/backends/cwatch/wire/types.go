// Package wire reads what a cWatch server writes: its JSON, its times and its
// ids (docs/wire/cwatch.md).
package wire

// The vendor's types, as far as they are read (docs/wire/cwatch.md 3). Values
// whose type is unsettled stay JSON until they are normalised.

// Event is a row of /events and /events/detail.
type Event struct {
	ID, EventTime, Timestamp                 []byte
	BaseType                                 []byte
	Endpoint                                 []byte
	Adaptive                                 []byte
	Device, LoggedOn                         []byte
	Actor                                    Process
	Child                                    Child
	SourceIP, DestinationIP                  []byte
	SourcePort, DestinationPort, Transport   []byte
	RegistryKey, RegistryValue, RegistryData []byte
	FilePath, FileOldPath, FileHash          []byte
	URL, DownloadPath, DownloadHash          []byte
	TargetName                               []byte
}

// Process is the acting process of an event, and a node of a parent tree.
type Process struct {
	UID, PID, Created, User, Domain, Path, Hash, Verdict, ParentTree []byte
}

// Child is the process an event started.
type Child struct {
	UID, PID, Path, CommandLine, Elevation, Hash, Verdict, Packed, Signed []byte
}

// Empty tells whether the row names no child.
func (c *Child) Empty() bool { return c.UID == nil && c.PID == nil && c.Path == nil }

// Decode reads a row of /events.
func (e *Event) Decode(b []byte) error {
	*e = Event{}
	return EachMember(b, func(key, v []byte) {
		if isNull(v) {
			return
		}
		switch string(key) {
		case "id":
			e.ID = v
		case "event_time":
			e.EventTime = v
		case "timestamp":
			e.Timestamp = v
		case "base_event_type":
			e.BaseType = v
		case "endpoint_id":
			e.Endpoint = v
		case "adaptive_event_type":
			e.Adaptive = v
		case "process_device_name":
			e.Device = v
		case "process_logged_on_user":
			e.LoggedOn = v
		case "process_instance_id":
			e.Actor.UID = v
		case "process_pid":
			e.Actor.PID = v
		case "process_creation_time":
			e.Actor.Created = v
		case "process_user_name":
			e.Actor.User = v
		case "process_user_domain":
			e.Actor.Domain = v
		case "process_path":
			e.Actor.Path = v
		case "process_hash":
			e.Actor.Hash = v
		case "process_verdict":
			e.Actor.Verdict = v
		case "process_parent_tree":
			e.Actor.ParentTree = v
		case "child_process_instance_id":
			e.Child.UID = v
		case "child_process_pid":
			e.Child.PID = v
		case "child_process_path":
			e.Child.Path = v
		case "child_process_command_line":
			e.Child.CommandLine = v
		case "child_process_elevation_type":
			e.Child.Elevation = v
		case "child_process_hash":
			e.Child.Hash = v
		case "child_process_verdict":
			e.Child.Verdict = v
		case "child_process_is_packed":
			e.Child.Packed = v
		case "child_process_is_signed":
			e.Child.Signed = v
		case "network_source_ip":
			e.SourceIP = v
		case "network_destination_ip":
			e.DestinationIP = v
		case "network_source_port":
			e.SourcePort = v
		case "network_destination_port":
			e.DestinationPort = v
		case "network_transfer_protocol":
			e.Transport = v
		case "registry_key_path":
			e.RegistryKey = v
		case "registry_value_name":
			e.RegistryValue = v
		case "registry_value_data":
			e.RegistryData = v
		case "file_path":
			e.FilePath = v
		case "file_old_path":
			e.FileOldPath = v
		case "file_hash":
			e.FileHash = v
		case "browser_download_url":
			e.URL = v
		case "browser_file_path":
			e.DownloadPath = v
		case "browser_file_hash":
			e.DownloadHash = v
		case "target_name":
			e.TargetName = v
		}
	})
}

// DecodeEmbedded reads the event inside an alert: the same facts, in camel
// case (docs/wire/cwatch.md 3.5). Fields of other groups are taken under either
// spelling, for only the process group is documented.
func (e *Event) DecodeEmbedded(b []byte) error {
	if err := e.Decode(b); err != nil {
		return err
	}
	var process []byte
	err := EachMember(b, func(key, v []byte) {
		if isNull(v) {
			return
		}
		switch string(key) {
		case "process":
			process = v
		case "eventTime":
			e.EventTime = v
		case "baseEventType":
			e.BaseType = v
		case "adaptiveEventType":
			e.Adaptive = v
		case "endpointID":
			e.Endpoint = v
		case "childPrcsInstanceID":
			e.Child.UID = v
		case "childPrcsPID":
			e.Child.PID = v
		case "childPrcsPath":
			e.Child.Path = v
		case "childPrcsCmdLine":
			e.Child.CommandLine = v
		case "childPrcsElevationType":
			e.Child.Elevation = v
		case "childPrcsHash":
			e.Child.Hash = v
		case "childPrcsVerdict":
			e.Child.Verdict = v
		case "childPrcsIsPacked":
			e.Child.Packed = v
		case "childPrcsIsSigned":
			e.Child.Signed = v
		case "networkSourceIP":
			e.SourceIP = v
		case "networkDestinationIP":
			e.DestinationIP = v
		case "networkSourcePort":
			e.SourcePort = v
		case "networkDestinationPort":
			e.DestinationPort = v
		case "networkTransferProtocol":
			e.Transport = v
		case "registryKeyPath":
			e.RegistryKey = v
		case "registryValueName":
			e.RegistryValue = v
		case "registryValueData":
			e.RegistryData = v
		case "filePath":
			e.FilePath = v
		case "fileOldPath":
			e.FileOldPath = v
		case "fileHash":
			e.FileHash = v
		case "browserDownloadUrl", "browserDownloadURL":
			e.URL = v
		case "browserFilePath":
			e.DownloadPath = v
		case "browserFileHash":
			e.DownloadHash = v
		case "targetName":
			e.TargetName = v
		}
	})
	if err != nil || process == nil {
		return err
	}
	return e.Actor.Decode(process, func(key string, v []byte) {
		switch key {
		case "prcsDeviceName":
			e.Device = v
		case "prcsLoggedOnUser":
			e.LoggedOn = v
		}
	})
}

// Decode reads a prcs… object; members it does not know go to other.
func (p *Process) Decode(b []byte, other func(key string, v []byte)) error {
	return EachMember(b, func(key, v []byte) {
		if isNull(v) {
			return
		}
		switch string(key) {
		case "prcsInstanceID":
			p.UID = v
		case "prcsPID":
			p.PID = v
		case "prcsCreationTime":
			p.Created = v
		case "prcsUserName":
			p.User = v
		case "prcsUserDomain":
			p.Domain = v
		case "prcsPath":
			p.Path = v
		case "prcsHash":
			p.Hash = v
		case "prcsVerdict":
			p.Verdict = v
		case "prcsParentTree":
			p.ParentTree = v
		default:
			if other != nil {
				other(string(key), v)
			}
		}
	})
}

// Alert is an item of GET /alert.
type Alert struct {
	ids, dataIDs                         [len(idKeys)][]byte
	Timestamp, expiration                []byte
	Endpoint, Active, Dismissed          []byte
	Name, Status, UserVerdict, AlertType []byte
	Hash, Path, Device, User             []byte
	data                                 []byte // the object as it is

	ChildProcess, Score              []byte
	PolicyID, PolicyName, InstanceID []byte
	Event                            []byte
}

// Decode reads an item of /alert.
func (a *Alert) Decode(b []byte) error {
	*a = Alert{}
	err := EachMember(b, func(key, v []byte) {
		if isNull(v) {
			return
		}
		switch string(key) {
		case "timestamp":
			a.Timestamp = v
		case "endpointID":
			a.Endpoint = v
		case "data":
			a.data = v
		case "expirationDate":
			a.expiration = v
		case "isActive":
			a.Active = v
		case "dismissed", "isDismissed":
			a.Dismissed = v
		case "alertName":
			a.Name = v
		case "status":
			a.Status = v
		case "userVerdict":
			a.UserVerdict = v
		case "type":
			a.AlertType = v
		case "processHash":
			a.Hash = v
		case "processPath":
			a.Path = v
		case "device":
			a.Device = v
		case "user":
			a.User = v
		default:
			putID(&a.ids, key, v)
		}
	})
	if err != nil || len(a.data) == 0 || a.data[0] != '{' {
		return err
	}
	return EachMember(a.data, func(key, v []byte) {
		if isNull(v) {
			return
		}
		switch string(key) {
		case "childProcess":
			a.ChildProcess = v
		case "score":
			a.Score = v
		case "policyID":
			a.PolicyID = v
		case "policyName":
			a.PolicyName = v
		case "processInstanceID":
			a.InstanceID = v
		case "event":
			if len(v) > 0 && v[0] == '{' {
				a.Event = v
			}
		default:
			putID(&a.dataIDs, key, v)
		}
	})
}

// Endpoint is an element of GET /endpoint.
type Endpoint struct {
	ID, Name, Version, OS, User, Status []byte
}

// Decode reads a row of /endpoint.
func (h *Endpoint) Decode(b []byte) error {
	*h = Endpoint{}
	return EachMember(b, func(key, v []byte) {
		if isNull(v) {
			return
		}
		switch string(key) {
		case "endpointID":
			h.ID = v
		case "device_name":
			h.Name = v
		case "version":
			h.Version = v
		case "operating_system":
			h.OS = v
		case "logged_on_user":
			h.User = v
		case "status":
			h.Status = v
		}
	})
}

// ListedProcess is an element of GET /process.
type ListedProcess struct {
	ID, PID, Name, Path, Device, User, Hash []byte
}

// Decode reads a row of /process.
func (p *ListedProcess) Decode(b []byte) error {
	*p = ListedProcess{}
	return EachMember(b, func(key, v []byte) {
		if isNull(v) {
			return
		}
		switch string(key) {
		case "id":
			p.ID = v
		case "pid":
			p.PID = v
		case "process_name":
			p.Name = v
		case "process_path":
			p.Path = v
		case "device_name":
			p.Device = v
		case "process_user":
			p.User = v
		case "process_hash":
			p.Hash = v
		}
	})
}
