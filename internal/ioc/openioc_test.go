package ioc_test

import (
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
)

func iocItem(search, condition, content string, attrs ...string) string {
	return `<IndicatorItem id="i" condition="` + condition + `"` + strings.Join(attrs, "") + `><Context document="x" search="` + search + `" type="mir"/><Content type="string">` + content + `</Content></IndicatorItem>`
}

func iocGroup(operator string, kids ...string) string {
	return `<Indicator operator="` + operator + `" id="g">` + strings.Join(kids, "") + `</Indicator>`
}

// Groups of OpenIOC mean what they say: AND holds on one event, and NOT is not
// an indicator of its opposite.
func TestOpenIOCGroups(t *testing.T) {
	e := &model.Event{
		File:    &model.File{Path: `C:\Users\Public\stage.dll`, Size: 4096, Hash: &model.Hash{MD5: md5}},
		Process: &model.Process{Name: "rundll32.exe", Path: `C:\Windows\System32\rundll32.exe`, CommandLine: `rundll32 stage.dll,Start`},
		Network: &model.Network{Destination: &model.Endpoint{IP: "192.0.2.7", Port: 443, Domain: "cdn.evil.test"}},
	}
	name, other := iocItem("FileItem/FileName", "is", "stage.dll"), iocItem("FileItem/FileName", "is", "other.dll")
	hash, size := iocItem("FileItem/Md5sum", "is", md5), iocItem("FileItem/SizeInBytes", "less-than", "100")
	for label, c := range map[string]struct {
		group  string
		hit    bool
		unread int
	}{
		"or":                   {iocGroup("OR", other, hash), true, 0},
		"and":                  {iocGroup("OR", iocGroup("AND", name, hash)), true, 0},
		"and, one fails":       {iocGroup("OR", iocGroup("AND", other, hash)), false, 0},
		"and, size fails":      {iocGroup("OR", iocGroup("AND", name, size)), false, 0},
		"or in and":            {iocGroup("OR", iocGroup("AND", hash, iocGroup("OR", other, name))), true, 0},
		"or in and, none":      {iocGroup("OR", iocGroup("AND", hash, iocGroup("OR", other, other))), false, 0},
		"and, then an item":    {iocGroup("OR", iocGroup("AND", other, hash), name), true, 0},
		"and at the top":       {iocGroup("AND", name, iocItem("PortItem/remoteIP", "is", "192.0.2.7")), true, 0},
		"contains":             {iocGroup("AND", iocItem("FileItem/FullPath", "contains", `users\PUBLIC`), iocItem("ProcessItem/arguments", "contains", ",start")), true, 0},
		"contains, domain":     {iocGroup("AND", iocItem("DnsEntryItem/RecordName", "contains", "evil.test"), name), true, 0},
		"negate":               {iocGroup("AND", name, iocItem("ProcessItem/name", "is", "explorer.exe", ` negate="true"`)), true, 0},
		"negate, holds":        {iocGroup("AND", name, iocItem("ProcessItem/name", "is", "rundll32.exe", ` negate="true"`)), false, 0},
		"containsnot":          {iocGroup("AND", name, iocItem("FileItem/FullPath", "containsnot", "Public")), false, 0},
		"negated by itself":    {iocGroup("OR", iocItem("FileItem/Md5sum", "is", md5, ` negate="true"`)), false, 0},
		"port":                 {iocGroup("AND", iocItem("PortItem/remoteIP", "is", "192.0.2.7"), iocItem("PortItem/remotePort", "is", "8443")), false, 0},
		"no event has it":      {iocGroup("OR", iocGroup("AND", name, iocItem("FileItem/PEInfo/Exports/DllName", "is", "x.dll"))), false, 2},
		"unknown comparison":   {iocGroup("AND", name, iocItem("FileItem/FullPath", "sounds-like", "x")), false, 2},
		"expression not valid": {iocGroup("AND", name, iocItem("FileItem/FullPath", "matches", "(")), false, 2},
	} {
		l := ioc.NewList()
		if err := l.Read(strings.NewReader(`<?xml version="1.0"?><ioc id="1"><definition>`+c.group+`</definition></ioc>`), "x.ioc"); err != nil {
			t.Errorf("%s: %v", label, err)
			continue
		}
		hit := false
		ioc.NewMatcher(l.Hunted(true), l.Rules...).Match(e, func(ioc.Found) { hit = true })
		if r := l.Reports[0]; hit != c.hit || len(l.Unread) != c.unread || r.Total != strings.Count(c.group, "<IndicatorItem") || r.Total != r.Understood+r.Unread {
			t.Errorf("%s: hit %v, unread %v, %+v", label, hit, l.Unread, r)
		}
	}
}
