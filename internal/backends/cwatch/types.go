package cwatch

// The vendor's types, as far as they are read (docs/wire/cwatch.md 3). Values
// whose type is unsettled stay JSON until they are normalised.

// wireEvent is a row of /events and /events/detail.
type wireEvent struct {
	id, eventTime, timestamp   []byte
	baseType                   []byte
	endpoint                   []byte
	adaptive                   []byte
	device, loggedOn           []byte
	actor                      wireProcess
	child                      wireChild
	srcIP, dstIP               []byte
	srcPort, dstPort, protocol []byte
	regKey, regValue, regData  []byte
	file, fileOld, fileHash    []byte
	url, download, downloadSum []byte
	target                     []byte
}

// wireProcess is the acting process of an event, and a node of a parent tree.
type wireProcess struct {
	uid, pid, created, user, domain, path, hash, verdict, tree []byte
}

// wireChild is the process an event started.
type wireChild struct {
	uid, pid, path, cmd, elevation, hash, verdict, packed, signed []byte
}

func (c *wireChild) empty() bool { return c.uid == nil && c.pid == nil && c.path == nil }

// decode reads a row of /events.
func (e *wireEvent) decode(b []byte) error {
	*e = wireEvent{}
	return scanObject(b, func(key, v []byte) {
		if isNull(v) {
			return
		}
		switch string(key) {
		case "id":
			e.id = v
		case "event_time":
			e.eventTime = v
		case "timestamp":
			e.timestamp = v
		case "base_event_type":
			e.baseType = v
		case "endpoint_id":
			e.endpoint = v
		case "adaptive_event_type":
			e.adaptive = v
		case "process_device_name":
			e.device = v
		case "process_logged_on_user":
			e.loggedOn = v
		case "process_instance_id":
			e.actor.uid = v
		case "process_pid":
			e.actor.pid = v
		case "process_creation_time":
			e.actor.created = v
		case "process_user_name":
			e.actor.user = v
		case "process_user_domain":
			e.actor.domain = v
		case "process_path":
			e.actor.path = v
		case "process_hash":
			e.actor.hash = v
		case "process_verdict":
			e.actor.verdict = v
		case "process_parent_tree":
			e.actor.tree = v
		case "child_process_instance_id":
			e.child.uid = v
		case "child_process_pid":
			e.child.pid = v
		case "child_process_path":
			e.child.path = v
		case "child_process_command_line":
			e.child.cmd = v
		case "child_process_elevation_type":
			e.child.elevation = v
		case "child_process_hash":
			e.child.hash = v
		case "child_process_verdict":
			e.child.verdict = v
		case "child_process_is_packed":
			e.child.packed = v
		case "child_process_is_signed":
			e.child.signed = v
		case "network_source_ip":
			e.srcIP = v
		case "network_destination_ip":
			e.dstIP = v
		case "network_source_port":
			e.srcPort = v
		case "network_destination_port":
			e.dstPort = v
		case "network_transfer_protocol":
			e.protocol = v
		case "registry_key_path":
			e.regKey = v
		case "registry_value_name":
			e.regValue = v
		case "registry_value_data":
			e.regData = v
		case "file_path":
			e.file = v
		case "file_old_path":
			e.fileOld = v
		case "file_hash":
			e.fileHash = v
		case "browser_download_url":
			e.url = v
		case "browser_file_path":
			e.download = v
		case "browser_file_hash":
			e.downloadSum = v
		case "target_name":
			e.target = v
		}
	})
}

// decodeEmbedded reads the event inside an alert: the same facts, in camel
// case (docs/wire/cwatch.md 3.5). Fields of other groups are taken under either
// spelling, for only the process group is documented.
func (e *wireEvent) decodeEmbedded(b []byte) error {
	if err := e.decode(b); err != nil {
		return err
	}
	var process []byte
	err := scanObject(b, func(key, v []byte) {
		if isNull(v) {
			return
		}
		switch string(key) {
		case "process":
			process = v
		case "eventTime":
			e.eventTime = v
		case "baseEventType":
			e.baseType = v
		case "adaptiveEventType":
			e.adaptive = v
		case "endpointID":
			e.endpoint = v
		case "childPrcsInstanceID":
			e.child.uid = v
		case "childPrcsPID":
			e.child.pid = v
		case "childPrcsPath":
			e.child.path = v
		case "childPrcsCmdLine":
			e.child.cmd = v
		case "childPrcsElevationType":
			e.child.elevation = v
		case "childPrcsHash":
			e.child.hash = v
		case "childPrcsVerdict":
			e.child.verdict = v
		case "childPrcsIsPacked":
			e.child.packed = v
		case "childPrcsIsSigned":
			e.child.signed = v
		case "networkSourceIP":
			e.srcIP = v
		case "networkDestinationIP":
			e.dstIP = v
		case "networkSourcePort":
			e.srcPort = v
		case "networkDestinationPort":
			e.dstPort = v
		case "networkTransferProtocol":
			e.protocol = v
		case "registryKeyPath":
			e.regKey = v
		case "registryValueName":
			e.regValue = v
		case "registryValueData":
			e.regData = v
		case "filePath":
			e.file = v
		case "fileOldPath":
			e.fileOld = v
		case "fileHash":
			e.fileHash = v
		case "browserDownloadUrl", "browserDownloadURL":
			e.url = v
		case "browserFilePath":
			e.download = v
		case "browserFileHash":
			e.downloadSum = v
		case "targetName":
			e.target = v
		}
	})
	if err != nil || process == nil {
		return err
	}
	return e.actor.decode(process, func(key string, v []byte) {
		switch key {
		case "prcsDeviceName":
			e.device = v
		case "prcsLoggedOnUser":
			e.loggedOn = v
		}
	})
}

// decode reads a prcs… object; members it does not know go to other.
func (p *wireProcess) decode(b []byte, other func(key string, v []byte)) error {
	return scanObject(b, func(key, v []byte) {
		if isNull(v) {
			return
		}
		switch string(key) {
		case "prcsInstanceID":
			p.uid = v
		case "prcsPID":
			p.pid = v
		case "prcsCreationTime":
			p.created = v
		case "prcsUserName":
			p.user = v
		case "prcsUserDomain":
			p.domain = v
		case "prcsPath":
			p.path = v
		case "prcsHash":
			p.hash = v
		case "prcsVerdict":
			p.verdict = v
		case "prcsParentTree":
			p.tree = v
		default:
			if other != nil {
				other(string(key), v)
			}
		}
	})
}

// wireAlert is an item of GET /alert.
type wireAlert struct {
	ids, dataIDs                         [len(idKeys)][]byte
	timestamp, expiration                []byte
	endpoint, active, dismissed          []byte
	name, status, userVerdict, alertType []byte
	hash, path, device, user             []byte
	data                                 []byte // the object as it stands

	childProcess, score              []byte
	policyID, policyName, instanceID []byte
	event                            []byte
}

func (a *wireAlert) decode(b []byte) error {
	*a = wireAlert{}
	err := scanObject(b, func(key, v []byte) {
		if isNull(v) {
			return
		}
		switch string(key) {
		case "timestamp":
			a.timestamp = v
		case "endpointID":
			a.endpoint = v
		case "data":
			a.data = v
		case "expirationDate":
			a.expiration = v
		case "isActive":
			a.active = v
		case "dismissed", "isDismissed":
			a.dismissed = v
		case "alertName":
			a.name = v
		case "status":
			a.status = v
		case "userVerdict":
			a.userVerdict = v
		case "type":
			a.alertType = v
		case "processHash":
			a.hash = v
		case "processPath":
			a.path = v
		case "device":
			a.device = v
		case "user":
			a.user = v
		default:
			putID(&a.ids, key, v)
		}
	})
	if err != nil || len(a.data) == 0 || a.data[0] != '{' {
		return err
	}
	return scanObject(a.data, func(key, v []byte) {
		if isNull(v) {
			return
		}
		switch string(key) {
		case "childProcess":
			a.childProcess = v
		case "score":
			a.score = v
		case "policyID":
			a.policyID = v
		case "policyName":
			a.policyName = v
		case "processInstanceID":
			a.instanceID = v
		case "event":
			if len(v) > 0 && v[0] == '{' {
				a.event = v
			}
		default:
			putID(&a.dataIDs, key, v)
		}
	})
}

// wireEndpoint is an element of GET /endpoint.
type wireEndpoint struct {
	id, name, version, os, user, status []byte
}

func (h *wireEndpoint) decode(b []byte) error {
	*h = wireEndpoint{}
	return scanObject(b, func(key, v []byte) {
		if isNull(v) {
			return
		}
		switch string(key) {
		case "endpointID":
			h.id = v
		case "device_name":
			h.name = v
		case "version":
			h.version = v
		case "operating_system":
			h.os = v
		case "logged_on_user":
			h.user = v
		case "status":
			h.status = v
		}
	})
}

// wireRun is an element of GET /process.
type wireRun struct {
	id, pid, name, path, device, user, hash []byte
}

func (p *wireRun) decode(b []byte) error {
	*p = wireRun{}
	return scanObject(b, func(key, v []byte) {
		if isNull(v) {
			return
		}
		switch string(key) {
		case "id":
			p.id = v
		case "pid":
			p.pid = v
		case "process_name":
			p.name = v
		case "process_path":
			p.path = v
		case "device_name":
			p.device = v
		case "process_user":
			p.user = v
		case "process_hash":
			p.hash = v
		}
	})
}
