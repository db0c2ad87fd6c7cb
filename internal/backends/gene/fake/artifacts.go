package fake

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// artifactSets gives the sets of one endpoint as this version lists them.
func (s *Server) artifactSets(source int, uuid, query string, since time.Time) []json.RawMessage {
	type set struct {
		guid, hash string
		files      []Artifact
		from, to   time.Time
	}
	var sets []*set
	for _, a := range s.data.Artifacts {
		if a.Endpoint != source || a.Time.After(s.opt.Now()) {
			continue
		}
		i := slices.IndexFunc(sets, func(x *set) bool { return x.guid == a.ProcessGUID && x.hash == a.EventHash })
		if i < 0 {
			sets = append(sets, &set{guid: a.ProcessGUID, hash: a.EventHash, from: a.Time, to: a.Time})
			i = len(sets) - 1
		}
		x := sets[i]
		x.files = append(x.files, a)
		if a.Time.After(x.to) {
			x.to = a.Time
		}
	}
	out := []json.RawMessage{}
	for _, x := range sets {
		if !x.to.After(since) {
			continue
		}
		slices.SortFunc(x.files, func(a, b Artifact) int { return strings.Compare(a.Name, b.Name) })
		o := object{}
		if s.is(Head) {
			o.put("creation", x.from.UTC())
			o.put("modification", x.to.UTC())
		} else if s.is(Beta2) {
			o.put("update", x.to.UTC())
		}
		o.put("process-guid", x.guid)
		o.put("event-hash", x.hash)
		base := "/endpoints/" + uuid + "/artifacts"
		if s.is(Beta) && query != "" {
			base += "?" + query // the query leaks into the address
		}
		o.put("base-url", base+"/"+x.guid+"/"+x.hash+"/")
		if s.is(Head) {
			type entry struct {
				Name string    `json:"name"`
				Size int       `json:"size"`
				At   time.Time `json:"timestamp"`
			}
			var files []entry
			for _, f := range x.files {
				files = append(files, entry{f.Name, len(f.Content), f.Time.UTC()})
			}
			o.put("files", files)
		} else {
			var files []string
			for _, f := range x.files {
				files = append(files, f.Name)
			}
			o.put("files", files)
		}
		out = append(out, o.done())
	}
	return out
}

func (c *call) since() (time.Time, bool) {
	text := c.get("since")
	if text == "" || c.s.is(Beta) {
		return time.Time{}, true
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		c.fail("Failed to parse since parameter: " + err.Error())
		return t, false
	}
	return t, true
}

func (c *call) artifacts() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	m := c.find(false)
	if m == nil {
		return
	}
	since, ok := c.since()
	if !ok {
		return
	}
	if m.UUID == "" || m.Source < 0 || !slices.ContainsFunc(s.data.Artifacts, func(a Artifact) bool { return a.Endpoint == m.Source }) {
		what := "Failed to list dumps, open "
		if s.is(Beta) {
			what = "Failed to list dump (process GUID) directory: open "
		}
		c.fail(what + "/var/lib/whids/data/dumps/" + c.uuid + ": no such file or directory") // trap 12
		return
	}
	c.ok(s.artifactSets(m.Source, m.UUID, c.r.URL.RawQuery, since))
}

func (c *call) allArtifacts() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	since, ok := c.since()
	if !ok {
		return
	}
	out := map[string][]json.RawMessage{}
	for _, a := range s.data.Artifacts {
		uuid := s.data.Endpoints[a.Endpoint].UUID
		if out[uuid] == nil {
			out[uuid] = s.artifactSets(a.Endpoint, uuid, "", since)
		}
	}
	c.ok(out)
}

func (c *call) artifact() {
	s := c.s
	guid, hash := c.args[1], c.args[2]
	name, err := url.PathUnescape(c.args[3])
	if err != nil {
		name = c.args[3]
	}
	var dir bool
	var found *Artifact
	for i := range s.data.Artifacts {
		a := &s.data.Artifacts[i]
		if s.data.Endpoints[a.Endpoint].UUID != c.uuid || a.ProcessGUID != guid || a.EventHash != hash {
			continue
		}
		dir = true
		if a.Name == name {
			found = a
		}
	}
	switch {
	case !dir:
		c.fail("Failed at listing dump directory: open /var/lib/whids/data/dumps/" + c.uuid + "/{" + guid + "}/" + hash + ": no such file or directory")
		return
	case found == nil:
		c.fail("File not found")
		return
	}
	content := found.Content
	if c.flag("gunzip") {
		zr, err := gzip.NewReader(bytes.NewReader(content))
		if err == nil {
			content, err = io.ReadAll(zr)
		}
		if err != nil {
			c.fail("Failed to gunzip file: " + err.Error())
			return
		}
	}
	if !c.flag("raw") {
		c.ok(content)
		return
	}
	if s.etw() {
		c.w.Header().Set("Content-Type", "application/octet-stream")
	} else {
		c.w.Header().Set("Content-Type", http.DetectContentType(content))
	}
	// Chunked, without a length.
	if f, ok := c.w.(http.Flusher); ok {
		f.Flush()
	}
	_, _ = c.w.Write(content)
}
