package output

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/edrctl/edrctl/internal/model"
)

// AppendJSON appends rec as one line of compact JSON without a newline: for
// the records of package model exactly what encoding/json writes with
// SetEscapeHTML(false), except that DEL, C1 and invisible characters are
// escaped; without reflection, so that long listings are limited by the
// server. Any other value goes through encoding/json. What cannot be encoded
// is null.
func AppendJSON(dst []byte, rec any) []byte {
	out, err := appendRecord(dst, rec)
	if err != nil {
		return append(dst, "null"...)
	}
	return out
}

func appendRecord(dst []byte, rec any) ([]byte, error) {
	switch r := rec.(type) {
	case *Document:
		return r.append(dst), nil
	case *model.Event:
		return appendObject(dst, r, appendEvent), nil
	case *model.Alert:
		return appendObject(dst, r, appendAlert), nil
	case *model.Process:
		return appendObject(dst, r, appendProcess), nil
	case *model.Host:
		return appendObject(dst, r, appendHost), nil
	case *model.Rule:
		return appendObject(dst, r, appendRule), nil
	case *model.Report:
		return appendObject(dst, r, appendReport), nil
	case *model.Carve:
		return appendObject(dst, r, appendCarve), nil
	case *model.HashInfo:
		return appendObject(dst, r, appendHashInfo), nil
	case *model.Count:
		return appendObject(dst, r, appendCount), nil
	case model.Event:
		return appendObject(dst, &r, appendEvent), nil
	case model.Alert:
		return appendObject(dst, &r, appendAlert), nil
	case model.Process:
		return appendObject(dst, &r, appendProcess), nil
	case model.Host:
		return appendObject(dst, &r, appendHost), nil
	case model.Rule:
		return appendObject(dst, &r, appendRule), nil
	case model.Report:
		return appendObject(dst, &r, appendReport), nil
	case model.Carve:
		return appendObject(dst, &r, appendCarve), nil
	case model.HashInfo:
		return appendObject(dst, &r, appendHashInfo), nil
	case model.Count:
		return appendObject(dst, &r, appendCount), nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(rec); err != nil {
		return dst, err
	}
	return appendEscaped(dst, bytes.TrimSuffix(b.Bytes(), []byte{'\n'})), nil
}

func appendObject[T any](dst []byte, v *T, f func([]byte, *T) []byte) []byte {
	if v == nil {
		return append(dst, "null"...)
	}
	return append(f(append(dst, '{'), v), '}')
}

func appendOrigin(b []byte, o *model.Origin) []byte {
	b = strField(b, `"id":`, o.ID)
	b = strField(b, `"ref":`, o.Ref)
	b = strField(b, `"profile":`, o.Profile)
	return strField(b, `"backend":`, o.Backend)
}

func appendAlert(b []byte, a *model.Alert) []byte {
	b = appendOrigin(b, &a.Origin)
	b = timeField(b, `"time":`, a.Time)
	b = strField(b, `"title":`, a.Title)
	b = strField(b, `"description":`, a.Description)
	b = floatPtr(b, `"score":`, a.Score)
	b = strField(b, `"severity":`, a.Severity)
	b = intPtr(b, `"risk":`, a.Risk)
	b = objField(b, `"score_native":`, a.ScoreNative, appendNativeScore)
	b = strField(b, `"status":`, a.Status)
	b = strField(b, `"status_native":`, a.StatusNative)
	b = strField(b, `"verdict":`, a.Verdict)
	b = strField(b, `"category":`, a.Category)
	b = strField(b, `"source":`, a.Source)
	b = objField(b, `"rule":`, a.Rule, appendNamed)
	b = objField(b, `"policy":`, a.Policy, appendNamed)
	b = objsField(b, `"attack":`, a.Attack, appendAttack)
	b = objsField(b, `"indicators":`, a.Indicators, appendIndicator)
	b = objField(b, `"host":`, a.Host, appendHost)
	b = objField(b, `"user":`, a.User, appendUser)
	b = objField(b, `"process":`, a.Process, appendProcess)
	b = objField(b, `"target":`, a.Target, appendProcess)
	b = ptrsField(b, `"ancestors":`, a.Ancestors, appendProcess)
	b = intField(b, `"event_count":`, a.EventCount)
	b = strsField(b, `"event_ids":`, a.EventIDs)
	b = strField(b, `"url":`, a.URL)
	b = ptrsField(b, `"events":`, a.Events, appendEvent)
	return rawField(b, a.Raw)
}

func appendEvent(b []byte, e *model.Event) []byte {
	b = appendOrigin(b, &e.Origin)
	b = timeField(b, `"time":`, e.Time)
	b = timeField(b, `"ingested":`, e.Ingested)
	b = strField(b, `"kind":`, e.Kind)
	b = strField(b, `"action":`, e.Action)
	b = strField(b, `"summary":`, e.Summary)
	b = objField(b, `"host":`, e.Host, appendHost)
	b = objField(b, `"user":`, e.User, appendUser)
	b = objField(b, `"process":`, e.Process, appendProcess)
	b = objField(b, `"target":`, e.Target, appendProcess)
	b = objField(b, `"file":`, e.File, appendFile)
	b = objField(b, `"network":`, e.Network, appendNetwork)
	b = objField(b, `"dns":`, e.DNS, appendDNS)
	b = objField(b, `"registry":`, e.Registry, appendRegistry)
	b = objField(b, `"module":`, e.Module, appendModule)
	b = objField(b, `"pipe":`, e.Pipe, appendPipe)
	b = objField(b, `"access":`, e.Access, appendAccess)
	b = objField(b, `"logon":`, e.Logon, appendLogon)
	b = objField(b, `"script":`, e.Script, appendScript)
	b = objField(b, `"object":`, e.Object, appendNamedObject)
	b = strField(b, `"url":`, e.URL)
	b = strsField(b, `"tags":`, e.Tags)
	b = objField(b, `"detection":`, e.Detection, appendDetection)
	b = strField(b, `"alert_id":`, e.AlertID)
	b = objsField(b, `"sigma":`, e.Sigma, appendSigmaMatch)
	return rawField(b, e.Raw)
}

func appendSigmaMatch(b []byte, m *model.SigmaMatch) []byte {
	b = strField(b, `"id":`, m.ID)
	b = strField(b, `"title":`, m.Title)
	return strField(b, `"level":`, m.Level)
}

func appendProcess(b []byte, p *model.Process) []byte {
	b = appendOrigin(b, &p.Origin)
	b = strField(b, `"uid":`, p.UID)
	b = intField(b, `"pid":`, p.PID)
	b = strField(b, `"name":`, p.Name)
	b = strField(b, `"path":`, p.Path)
	b = strField(b, `"command_line":`, p.CommandLine)
	b = strField(b, `"working_directory":`, p.WorkingDirectory)
	b = timeField(b, `"started":`, p.Started)
	b = timeField(b, `"ended":`, p.Ended)
	b = objField(b, `"user":`, p.User, appendUser)
	b = objField(b, `"hash":`, p.Hash, appendHash)
	b = strField(b, `"original_file_name":`, p.OriginalFileName)
	b = strField(b, `"description":`, p.Description)
	b = strField(b, `"product":`, p.Product)
	b = strField(b, `"company":`, p.Company)
	b = strField(b, `"file_version":`, p.FileVersion)
	b = strField(b, `"integrity":`, p.Integrity)
	b = strField(b, `"elevation":`, p.Elevation)
	b = boolPtr(b, `"signed":`, p.Signed)
	b = boolPtr(b, `"packed":`, p.Packed)
	b = objField(b, `"reputation":`, p.Reputation, appendReputation)
	b = objField(b, `"parent":`, p.Parent, appendParent)
	b = intField(b, `"event_count":`, p.EventCount)
	b = objField(b, `"host":`, p.Host, appendHost)
	return rawField(b, p.Raw)
}

func appendParent(b []byte, p *model.ParentProcess) []byte {
	b = strField(b, `"uid":`, p.UID)
	b = intField(b, `"pid":`, p.PID)
	b = strField(b, `"name":`, p.Name)
	b = strField(b, `"path":`, p.Path)
	return strField(b, `"command_line":`, p.CommandLine)
}

func appendHost(b []byte, h *model.Host) []byte {
	b = appendOrigin(b, &h.Origin)
	b = strField(b, `"name":`, h.Name)
	b = strField(b, `"domain":`, h.Domain)
	b = objField(b, `"os":`, h.OS, appendOS)
	b = strsField(b, `"ip":`, h.IP)
	b = strsField(b, `"mac":`, h.MAC)
	b = strField(b, `"user":`, h.User)
	b = strField(b, `"agent_version":`, h.AgentVersion)
	b = timeField(b, `"last_seen":`, h.LastSeen)
	b = boolPtr(b, `"online":`, h.Online)
	b = strField(b, `"state":`, h.State)
	b = boolPtr(b, `"isolated":`, h.Isolated)
	b = objField(b, `"policy":`, h.Policy, appendNamed)
	b = strsField(b, `"tags":`, h.Tags)
	b = intPtr(b, `"alert_count":`, h.AlertCount)
	b = floatPtr(b, `"report_score":`, h.ReportScore)
	return rawField(b, h.Raw)
}

func appendRule(b []byte, r *model.Rule) []byte {
	b = appendOrigin(b, &r.Origin)
	b = strField(b, `"name":`, r.Name)
	b = strField(b, `"description":`, r.Description)
	b = strField(b, `"type":`, r.Type)
	b = boolPtr(b, `"enabled":`, r.Enabled)
	b = floatPtr(b, `"score":`, r.Score)
	b = strField(b, `"severity":`, r.Severity)
	b = objsField(b, `"attack":`, r.Attack, appendAttack)
	b = strField(b, `"condition":`, r.Condition)
	b = strsField(b, `"tags":`, r.Tags)
	b = timeField(b, `"updated":`, r.Updated)
	return rawField(b, r.Raw)
}

func appendReport(b []byte, r *model.Report) []byte {
	b = appendOrigin(b, &r.Origin)
	b = objField(b, `"host":`, r.Host, appendHost)
	b = timeField(b, `"start":`, r.Start)
	b = timeField(b, `"end":`, r.End)
	b = appendFloat(member(b, `"report_score":`), r.Score)
	b = strconv.AppendInt(member(b, `"alert_count":`), int64(r.AlertCount), 10)
	b = objsField(b, `"signatures":`, r.Signatures, appendCount)
	b = objsField(b, `"attack":`, r.Attack, appendAttack)
	return rawField(b, r.Raw)
}

func appendCarve(b []byte, c *model.Carve) []byte {
	b = appendOrigin(b, &c.Origin)
	b = objField(b, `"host":`, c.Host, appendHost)
	b = strField(b, `"path":`, c.Path)
	b = intField(b, `"size":`, c.Size)
	b = strField(b, `"state":`, c.State)
	b = floatPtr(b, `"progress":`, c.Progress)
	b = timeField(b, `"created":`, c.Created)
	b = strField(b, `"name":`, c.Name)
	b = strField(b, `"sha256":`, c.SHA256)
	b = strField(b, `"saved_to":`, c.SavedTo)
	b = strField(b, `"error":`, c.Error)
	return rawField(b, c.Raw)
}

func appendHashInfo(b []byte, h *model.HashInfo) []byte {
	b = appendOrigin(b, &h.Origin)
	b = appendString(member(b, `"hash":`), h.Hash)
	b = strField(b, `"verdict":`, h.Verdict)
	b = strField(b, `"native":`, h.Native)
	b = strsField(b, `"names":`, h.Names)
	b = ptrsField(b, `"hosts":`, h.Hosts, appendHost)
	b = timeField(b, `"first_seen":`, h.First)
	return timeField(b, `"last_seen":`, h.Last)
}

func appendCount(b []byte, c *model.Count) []byte {
	b = appendString(member(b, `"value":`), c.Value)
	return strconv.AppendInt(member(b, `"count":`), int64(c.Count), 10)
}

func appendNativeScore(b []byte, s *model.NativeScore) []byte {
	b = floatPtr(b, `"value":`, s.Value)
	b = strField(b, `"label":`, s.Label)
	return strField(b, `"scale":`, s.Scale)
}

func appendNamed(b []byte, n *model.Named) []byte {
	b = strField(b, `"id":`, n.ID)
	return strField(b, `"name":`, n.Name)
}

func appendAttack(b []byte, a *model.Attack) []byte {
	if a.Technique != (model.Named{}) {
		b = objField(b, `"technique":`, &a.Technique, appendNamed)
	}
	return strField(b, `"tactic":`, a.Tactic)
}

func appendIndicator(b []byte, i *model.Indicator) []byte {
	b = strField(b, `"name":`, i.Name)
	b = strField(b, `"value":`, i.Value)
	return strField(b, `"type":`, i.Type)
}

func appendUser(b []byte, u *model.User) []byte {
	b = strField(b, `"name":`, u.Name)
	b = strField(b, `"domain":`, u.Domain)
	return strField(b, `"id":`, u.ID)
}

func appendOS(b []byte, o *model.OS) []byte {
	b = strField(b, `"name":`, o.Name)
	b = strField(b, `"version":`, o.Version)
	return strField(b, `"platform":`, o.Platform)
}

func appendHash(b []byte, h *model.Hash) []byte {
	b = strField(b, `"md5":`, h.MD5)
	b = strField(b, `"sha1":`, h.SHA1)
	b = strField(b, `"sha256":`, h.SHA256)
	b = strField(b, `"sha512":`, h.SHA512)
	return strField(b, `"imphash":`, h.Imphash)
}

func appendReputation(b []byte, r *model.Reputation) []byte {
	b = strField(b, `"verdict":`, r.Verdict)
	return strField(b, `"native":`, r.Native)
}

func appendFile(b []byte, f *model.File) []byte {
	b = strField(b, `"path":`, f.Path)
	b = strField(b, `"old_path":`, f.OldPath)
	b = strField(b, `"name":`, f.Name)
	b = intField(b, `"size":`, f.Size)
	return objField(b, `"hash":`, f.Hash, appendHash)
}

func appendNetwork(b []byte, n *model.Network) []byte {
	b = strField(b, `"direction":`, n.Direction)
	b = strField(b, `"transport":`, n.Transport)
	b = objField(b, `"source":`, n.Source, appendEndpoint)
	return objField(b, `"destination":`, n.Destination, appendEndpoint)
}

func appendEndpoint(b []byte, e *model.Endpoint) []byte {
	b = strField(b, `"ip":`, e.IP)
	b = intField(b, `"port":`, e.Port)
	return strField(b, `"domain":`, e.Domain)
}

func appendDNS(b []byte, d *model.DNS) []byte {
	if d.Question != (model.DNSQuestion{}) {
		b = objField(b, `"question":`, &d.Question, func(b []byte, q *model.DNSQuestion) []byte {
			return strField(strField(b, `"name":`, q.Name), `"type":`, q.Type)
		})
	}
	return objsField(b, `"answers":`, d.Answers, func(b []byte, a *model.DNSAnswer) []byte {
		return strField(strField(b, `"type":`, a.Type), `"data":`, a.Data)
	})
}

func appendRegistry(b []byte, r *model.Registry) []byte {
	b = strField(b, `"path":`, r.Path)
	b = strField(b, `"value":`, r.Value)
	return strField(b, `"data":`, r.Data)
}

func appendModule(b []byte, m *model.Module) []byte {
	b = strField(b, `"path":`, m.Path)
	b = objField(b, `"hash":`, m.Hash, appendHash)
	b = boolPtr(b, `"signed":`, m.Signed)
	return strField(b, `"signature":`, m.Signature)
}

func appendPipe(b []byte, p *model.Pipe) []byte { return strField(b, `"name":`, p.Name) }

func appendAccess(b []byte, a *model.Access) []byte {
	return strField(strField(b, `"granted":`, a.Granted), `"call_trace":`, a.CallTrace)
}

func appendLogon(b []byte, l *model.Logon) []byte {
	b = strField(b, `"type":`, l.Type)
	b = objField(b, `"target_user":`, l.TargetUser, appendUser)
	b = strField(b, `"package":`, l.Package)
	return strField(b, `"failure":`, l.Failure)
}

func appendScript(b []byte, s *model.Script) []byte { return strField(b, `"text":`, s.Text) }

func appendNamedObject(b []byte, o *model.Object) []byte {
	return strField(strField(b, `"type":`, o.Type), `"name":`, o.Name)
}

func appendDetection(b []byte, d *model.Detection) []byte {
	b = strsField(b, `"rules":`, d.Rules)
	b = floatPtr(b, `"score":`, d.Score)
	b = objsField(b, `"attack":`, d.Attack, appendAttack)
	return strsField(b, `"actions":`, d.Actions)
}
