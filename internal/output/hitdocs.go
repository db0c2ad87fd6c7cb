package output

import (
	"fmt"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// hitAlert is a hit told as a finding: an indicator was seen on a host.
func hitAlert(h *model.Hit) *model.Alert {
	return &model.Alert{
		Origin: h.Origin, Time: h.Last, Status: model.StatusUnknown, Severity: model.SeverityUnknown, Verdict: model.VerdictUnknown,
		Title:       fmt.Sprintf("%s seen: %s", strings.ReplaceAll(h.Indicator.Type, "_", " "), h.Indicator.Value),
		Description: h.Note, Category: "threat hunt", Source: h.Indicator.Source,
		Indicators: []model.Indicator{{Value: h.Indicator.Value, Type: h.Indicator.Type}},
		Host:       h.Host, Process: h.Process, EventCount: h.Count, EventIDs: h.Evidence,
	}
}

// ecsHit is an indicator match: event.category threat, event.type indicator.
func ecsHit(h *model.Hit) doc {
	d := ecsAlert(hitAlert(h))
	d["event"].(doc)["kind"] = "enrichment"
	d.at("event.category", []string{"threat"})
	d.at("event.type", []string{"indicator"})
	d.at("event.dataset", ecsDataset(h.Backend, "hit"))
	d.at("event.start", stamp(h.First))
	d.at("event.end", stamp(h.Last))
	d.at("threat.indicator.first_seen", stamp(h.First))
	d.at("threat.indicator.last_seen", stamp(h.Last))
	d.at("threat.indicator.sightings", h.Count)
	d.at("threat.indicator.reference", h.Indicator.Source)
	switch v := h.Indicator.Value; h.Indicator.Type {
	case "md5", "sha1", "sha256", "sha512":
		d.at("threat.indicator.type", "file")
		d.at("threat.indicator.file.hash."+h.Indicator.Type, v)
	case "ipv4", "ipv6":
		d.at("threat.indicator.type", h.Indicator.Type+"-addr")
	case "domain":
		d.at("threat.indicator.type", "domain-name")
		d.at("threat.indicator.url.domain", v)
	case "url":
		d.at("threat.indicator.type", "url")
		d.at("threat.indicator.url.full", v)
	case "file_name":
		d.at("threat.indicator.type", "file")
		d.at("threat.indicator.file.name", v)
	case "file_path":
		d.at("threat.indicator.type", "file")
		d.at("threat.indicator.file.path", v)
	case "email":
		d.at("threat.indicator.type", "email-addr")
		d.at("threat.indicator.email.address", v)
	}
	if f := h.File; f != nil {
		d.at("file.path", f.Path)
		d.at("file.name", first(f.Name, model.BaseName(f.Path)))
		d.at("file.hash", ecsHash(f.Hash))
		d.at("file.size", f.Size)
	}
	d.at("labels.verdict", h.Verdict)
	return d
}

// ocsfHit is a Detection Finding whose evidence is the process or file.
func ocsfHit(h *model.Hit, opt Options) doc {
	d := ocsfAlert(hitAlert(h), opt)
	info := d["finding_info"].(doc)
	info.set("first_seen_time", millis(h.First))
	info.set("last_seen_time", millis(h.Last))
	d.set("count", h.Count)
	d.at("unmapped.verdict", h.Verdict)
	if h.File != nil {
		evidences, _ := d["evidences"].([]doc)
		if len(evidences) == 0 {
			evidences = []doc{{}}
		}
		evidences[0].set("file", ocsfFile(h.File))
		d["evidences"] = evidences
	}
	return d
}
