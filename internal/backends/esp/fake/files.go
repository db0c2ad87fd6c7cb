package fake

import (
	"slices"
	"strings"
)

// systemFiles are files that every host of a platform has.
var systemFiles = map[bool][]string{
	true: {
		`C:\Windows\win.ini`, `C:\Windows\System32\drivers\etc\hosts`, `C:\Windows\System32\config\SAM`,
		`C:\Windows\System32\winevt\Logs\Security.evtx`,
	},
	false: {
		"/etc/passwd", "/etc/shadow", "/etc/group", "/etc/hosts", "/etc/crontab", "/etc/os-release", "/etc/ssh/sshd_config",
		"/var/log/auth.log", "/var/log/syslog", "/var/spool/cron/crontabs/root",
	},
}

// files gives the paths on a host that a condition picks: of the files its
// system has, and of those its results name. The agent
// expands what a LIKE pattern has of { } [ ] ? * and ~, so that no file of that
// very name is found.
func (s *Server) files(h *Host, pattern string, likes bool) []string {
	if likes && strings.ContainsAny(pattern, "{}[]?*~") {
		return nil
	}
	windows := h.Platform == "windows"
	is := func(path string) bool { return path == pattern || windows && strings.EqualFold(path, pattern) }
	if likes {
		is = func(path string) bool { return like(pattern, path) }
	}
	var out []string
	add := func(path string) {
		if path != "" && is(path) && !slices.Contains(out, path) {
			out = append(out, path)
		}
	}
	for _, p := range systemFiles[windows] {
		add(p)
	}
	x := s.find(question{node: h.ID, removed: true})
	for k := range x.len() {
		row := s.data.Results.At(x.at(k)).Columns
		for _, column := range []string{"path", "target_path"} {
			p, _ := row.Get(column)
			add(p)
		}
	}
	return out
}
