package fake

import "strings"

// event writes an event as a list has it.
func (s *Server) event(j *js, e *Event) {
	j.open("")
	s.eventHead(j, e)
	j.str("attackStage", e.Stage)
	j.num("alertScore", e.Score)
	j.str("alertCategory", e.Category)
	j.str("incidentId", e.Incident)
	app(j, "selectedApp", e.App)
	app(j, "parentApp", e.ParentApp)
	app(j, "targetApp", e.TargetApp)
	j.close()
}

// detail writes an event as GET /event/{id} has it, in the document's shape
// or in that of the later captures (§5.3).
func (s *Server) detail(j *js, e *Event) {
	j.open("eventInfo")
	s.eventHead(j, e)
	if s.opt.ListShapeDetail {
		j.str("attackStage", e.Stage)
		j.num("alertScore", e.Score)
		j.str("alertCategory", e.Category)
		j.str("incidentId", e.Incident)
		app(j, "selectedApp", e.App)
		app(j, "parentApp", e.ParentApp)
		app(j, "targetApp", e.TargetApp)
	} else {
		j.null("deviceSecurityEventCode", "syslogLevel")
		j.str("killChainStatus", e.Stage)
		j.num("threatScore", e.Score)
		app(j, "processHash", e.App)
		app(j, "parentHash", e.ParentApp)
		app(j, "targetHash", e.TargetApp)
		j.open("orgDetails")
		j.num("organizationId", s.data.OrgID)
		j.str("organizationName", s.data.OrgName)
		j.text("organizationType", "BUSINESS")
		j.close()
	}
	j.close()
}

func (s *Server) eventHead(j *js, e *Event) {
	j.text("eventId", e.ID)
	j.num("eventTime", e.Time)
	j.num("createTime", e.Created)
	j.text("eventType", e.Type)
	j.str("shortDescription", e.Short)
	j.str("longDescription", e.Long)
	j.strs("threatIndicators", e.TTPs)
	j.null("securityEventCode")
	j.str("registryValue", e.Registry)

	j.open("processDetails")
	_, user, ok := strings.Cut(e.User, `\`)
	if !ok {
		user = e.User
	}
	j.str("userName", user)
	j.str("fullUserName", e.User)
	j.opt("processId", e.Process.PID)
	j.str("privatePid", e.Process.PrivatePID)
	j.str("name", e.Process.Name)
	j.str("commandLine", e.Process.CommandLine)
	j.num("milisSinceProcessStart", max(e.Time-e.Started, 0))
	j.opt("parentPid", e.Parent.PID)
	j.str("parentPrivatePid", e.Parent.PrivatePID)
	j.str("parentName", e.Parent.Name)
	j.str("parentCommandLine", e.Parent.CommandLine)
	j.opt("targetPid", e.Target.PID)
	j.str("targetPrivatePid", e.Target.PrivatePID)
	j.str("targetName", e.Target.Name)
	j.str("targetCommandLine", e.Target.CommandLine)
	j.null("interpreterName", "interpreterHash")
	j.close()

	j.open("netFlow")
	j.str("sourceAddress", e.SourceIP)
	j.digits("sourcePort", e.SourcePort)
	j.str("destAddress", e.DestIP)
	j.digits("destPort", e.DestPort)
	j.str("peerIpAddress", e.PeerIP)
	j.str("peerIpV4Address", e.PeerIP)
	j.str("peerFqdn", e.PeerFQDN)
	j.str("service", e.Service)
	j.null("peerLocation", "peerSiteReputation")
	j.close()

	d := e.Device
	if d == nil {
		d = &Device{}
	}
	j.open("deviceDetails")
	j.num("deviceId", d.ID)
	j.str("deviceName", d.Name)
	j.null("deviceHostName", "deviceOwnerName", "loginUserName", "msmGroupName")
	j.num("msmGroupId", 0)
	j.str("deviceType", d.Type)
	j.str("deviceVersion", d.OSVersion)
	j.str("deviceIpAddress", d.ExternalIP)
	j.str("deviceIpV4Address", d.ExternalIP)
	j.str("email", d.Email)
	j.text("agentLocation", or(d.Location, "ONSITE"))
	j.str("targetPriorityType", d.TargetPriority)
	j.num("targetPriorityCode", priorityCode(d.TargetPriority))
	j.num("policyId", s.policyOf(d))
	j.str("policyName", s.policyName(s.policyOf(d)))
	j.open("deviceLocation")
	j.null("city", "region", "postalCode")
	j.text("countryCode", "US")
	j.text("countryName", "United States")
	j.num("areaCode", 0)
	j.num("dmaCode", 0)
	j.num("metroCode", 0)
	j.float("latitude", 37.751007)
	j.float("longitude", -97.822)
	j.close()
	j.close()
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func priorityCode(p string) int64 {
	switch p {
	case "MEDIUM":
		return 1
	case "HIGH":
		return 2
	case "MISSION_CRITICAL":
		return 3
	}
	return 0
}

func app(j *js, k string, a App) {
	j.open(k)
	j.str("applicationName", a.Name)
	j.str("applicationPath", a.Path)
	j.str("sha256Hash", a.SHA256)
	j.str("md5Hash", a.MD5)
	j.str("reputationProperty", a.Reputation)
	j.str("effectiveReputation", a.Effective)
	if a.Effective != "" {
		j.text("effectiveReputationSource", "CLOUD")
	} else {
		j.null("effectiveReputationSource")
	}
	j.null("virusName", "virusCategory", "virusSubCategory")
	j.close()
}

// alert writes GET /alert/{id}.
func (s *Server) alert(j *js, a *Alert) {
	d := a.Device
	j.num("orgId", s.data.OrgID)
	j.open("deviceInfo")
	j.bool("success", true)
	j.text("message", "success")
	j.num("deviceId", d.ID)
	j.str("deviceName", d.Name)
	j.str("deviceType", d.Type)
	j.str("osVersion", d.OSVersion)
	j.str("sensorVersion", d.SensorVersion)
	j.str("status", d.Status)
	j.str("importance", d.TargetPriority)
	j.str("userName", d.Email)
	j.num("registeredTime", d.Registered)
	j.num("deregisteredTime", 0)
	j.num("policyId", s.policyOf(d))
	j.str("policyName", s.policyName(s.policyOf(d)))
	j.bool("policyOverride", false)
	j.num("adGroupId", 0)
	j.str("adGroupName", d.ADGroup)
	j.num("assignedToId", 0)
	j.text("avEngine", "")
	j.num("avLastScanTime", 0)
	j.num("scanLastActionTime", 0)
	j.num("scanLastCompleteTime", 0)
	j.null("assignedToName", "linuxKernelVersion", "avStatus", "sensorStates", "scanStatus")
	j.close()

	j.key("events")
	j.b = append(j.b, '[')
	j.more = false
	for i := range a.Events {
		alertEvent(j, &a.Events[i], or(a.PolicyState, "NOT_APPLIED"))
	}
	j.b = append(j.b, ']')
	j.more = true

	j.open("threatInfo")
	j.str("threatId", a.ThreatID)
	j.text("incidentId", a.Incident)
	j.num("threatScore", a.Score)
	j.str("summary", a.Summary)
	j.num("time", a.Time)
	j.key("indicators")
	j.b = append(j.b, '[')
	j.more = false
	for _, i := range a.Indicators {
		j.open("")
		j.str("applicationName", i.App)
		j.str("indicatorName", i.TTP)
		j.str("sha256Hash", i.SHA256)
		j.close()
	}
	j.b = append(j.b, ']')
	j.more = true
	j.close()
}

func alertEvent(j *js, e *Event, policyState string) {
	_, user, ok := strings.Cut(e.User, `\`)
	if !ok {
		user = e.User
	}
	j.open("")
	j.text("eventId", e.ID)
	j.num("eventTime", e.Time)
	j.text("eventType", e.Type)
	j.str("applicationPath", or(e.App.Path, e.App.Name))
	j.opt("processId", e.Process.PID)
	j.str("processPPid", e.Process.PrivatePID)
	j.str("processHash", e.App.SHA256)
	j.str("processMd5Hash", e.App.MD5)
	j.str("commandLine", e.Process.CommandLine)
	j.str("userName", user)
	j.opt("parentPid", e.Parent.PID)
	j.str("parentPPid", e.Parent.PrivatePID)
	j.str("parentName", e.Parent.Name)
	j.str("parentHash", e.ParentApp.SHA256)
	j.str("parentCommandLine", e.Parent.CommandLine)
	j.str("longDescription", e.Long)
	j.strs("threatIndicators", e.TTPs)
	j.str("killChainStatus", e.Stage)
	j.text("policyState", policyState)
	j.close()
}

// device writes a device; the list has more keys than the detail (§8.1).
func (s *Server) device(j *js, k string, d *Device, full bool) {
	policy := s.policyOf(d)
	j.open(k)
	j.num("deviceId", d.ID)
	j.str("name", d.Name)
	j.str("status", d.Status)
	j.str("deviceType", d.Type)
	j.str("osVersion", d.OSVersion)
	j.str("sensorVersion", d.SensorVersion)
	states := []string{"ACTIVE"}
	if s.liveOn(d) {
		states = append(states, "LIVE_RESPONSE_NOT_RUNNING", "LIVE_RESPONSE_NOT_KILLED", "LIVE_RESPONSE_ENABLED")
	} else {
		states = append(states, "LIVE_RESPONSE_DISABLED")
	}
	j.strs("sensorStates", states)
	contact := s.lastContact(d)
	j.num("lastContact", contact)
	j.num("lastReportedTime", contact)
	j.num("registeredTime", d.Registered)
	j.null("deregisteredTime", "createTime", "messages", "deviceGuid", "deviceSessionId", "assignedToId", "assignedToName")
	j.str("lastInternalIpAddress", d.InternalIP)
	j.str("lastExternalIpAddress", d.ExternalIP)
	j.text("lastLocation", or(d.Location, "ONSITE"))
	j.num("policyId", policy)
	j.str("policyName", s.policyName(policy))
	j.str("targetPriorityType", d.TargetPriority)
	j.bool("quarantined", s.quarantined(d))
	j.bool("passiveMode", false)
	j.str("email", d.Email)
	j.null("firstName", "lastName", "middleName")
	j.num("organizationId", s.data.OrgID)
	j.str("organizationName", s.data.OrgName)
	j.strs("avStatus", nil)
	j.text("avEngine", "")
	j.bool("rootedBySensor", false)
	j.bool("rootedByAnalytics", false)
	j.str("activationCode", d.ActivationCode)
	if full {
		j.str("uninstallCode", d.UninstallCode)
		j.str("macAddress", d.MAC)
		j.str("loginUserName", d.LoginUser)
		j.str("adGroupName", d.ADGroup)
		j.bool("sensorOutOfDate", false)
		j.bool("sensorPendingUpdate", false)
		j.bool("virtualMachine", true)
		j.text("deploymentType", "ENDPOINT")
		j.float("vulnScore", 0)
	}
	j.close()
}
