package carbonblack

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// deviceName takes the domain off DOMAIN\NAME.
func deviceName(s string) (domain, name string) {
	if d, n, ok := strings.Cut(s, `\`); ok {
		return d, n
	}
	return "", s
}

func osOf(deviceType, version string) *model.OS {
	name, platform := platformOf(deviceType)
	if name == "" && version == "" {
		return nil
	}
	return &model.OS{Name: name, Version: version, Platform: platform}
}

// listedProcess reads a row of GET /process; h is the device the row was asked for,
// nil when the question named none.
func listedProcess(w *wire.Process, h *model.Host) *model.Process {
	key := wire.ParsePrivatePID(string(w.PrivatePID))
	var device string
	if h != nil {
		device = h.ID
	}
	p := &model.Process{
		PID:        cmp.Or(w.ProcessID.N, key.PID),
		Name:       programName(w.ApplicationName, w.ApplicationPath),
		Path:       string(w.ApplicationPath),
		Started:    model.At(key.Started),
		Hash:       hashes("", w.SHA256Hash),
		EventCount: int(max(w.NumEvents.N, 0)),
		Host:       h,
	}
	p.UID = processUID(device, string(w.PrivatePID), p.PID, p.Started)
	p.ID = p.UID
	return p
}

// deviceHost reads a device. online is derived: contact within the last 15 minutes
// of a registered sensor (§11.6).
func deviceHost(w *wire.Device, now model.Time) *model.Host {
	domain, name := deviceName(string(w.Name))
	h := &model.Host{
		Origin: model.Origin{ID: wire.Number(w.DeviceID)},
		Name:   name, Domain: domain,
		OS:           osOf(string(w.DeviceType), string(w.OSVersion)),
		IP:           addresses(w.LastInternalIPAddress, w.LastExternalIPAddress),
		MAC:          macOf(string(w.MACAddress)),
		User:         string(cmp.Or(w.LoginUserName, w.Email)),
		AgentVersion: string(w.SensorVersion),
		LastSeen:     model.FromMillis(w.LastContact.N),
		State:        string(w.Status),
		Isolated:     w.Quarantined.Ptr(),
		Policy:       named(w.PolicyID, w.PolicyName),
		Tags:         distinct(w.ADGroupName),
	}
	if w.Status != "" {
		h.Online = model.Ptr(strings.EqualFold(string(w.Status), "REGISTERED") &&
			!h.LastSeen.IsZero() && now.Sub(h.LastSeen.Time) < onlineWithin)
	}
	return h
}

// macOf writes 12 hex digits with colons; zeroes mean unknown.
func macOf(s string) []string {
	s = strings.ToLower(strings.NewReplacer(":", "", "-", "").Replace(s))
	if len(s) != 12 || !wire.IsHex(s) || s == "000000000000" {
		return nil
	}
	var b strings.Builder
	for i := 0; i < 12; i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(s[i : i+2])
	}
	return []string{b.String()}
}

func named(id, name wire.Text) *model.Named {
	if id == "0" {
		id = ""
	}
	if id == "" && name == "" {
		return nil
	}
	return &model.Named{ID: string(id), Name: string(name)}
}

func distinct(values ...wire.Text) []string {
	var out []string
	for _, v := range values {
		if v != "" && !slices.Contains(out, string(v)) {
			out = append(out, string(v))
		}
	}
	return out
}

// addresses are the distinct addresses among values.
func addresses(values ...wire.Text) []string {
	for i, v := range values {
		values[i] = wire.Text(model.Address(string(v)))
	}
	return distinct(values...)
}

// processUID is the key of a process over all devices: deviceId:privatePid.
// Without a private pid it is built from pid and start, and empty when those
// are not known either: a pid alone names no process for long.
func processUID(device, private string, pid int64, started model.Time) string {
	key := private
	if key == "" {
		if pid <= 0 || started.IsZero() {
			return ""
		}
		key = strconv.FormatInt(pid, 10) + "-" + strconv.FormatInt(started.UnixMilli(), 10)
	}
	if device == "" {
		return key
	}
	return device + ":" + key
}
