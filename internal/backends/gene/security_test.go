package gene_test

import (
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// TestKillFromAlertEndsTheNewProcess follows `respond kill --from-alert` from
// a 4688 of the Security log, whose ProcessId is the creator's, to the command
// that the endpoint is given.
func TestKillFromAlertEndsTheNewProcess(t *testing.T) {
	for _, v := range []string{fake.Head, fake.V170} {
		t.Run(v, func(t *testing.T) {
			data := lab()
			data.Log.(*memLog).put(fake.Meta{Time: now.Add(-time.Minute), Detection: true}, fake.Event{
				Channel: "Security", Provider: "Microsoft-Windows-Security-Auditing", Computer: data.Endpoints[0].Hostname, EventID: 4688,
				Signatures: []string{"Mimikatz"}, Criticality: 9,
				Data: []fake.KV{
					{K: "CommandLine", V: "mimikatz.exe"}, {K: "NewProcessId", V: "0x1f4"}, {K: "NewProcessName", V: `C:\Tools\mimikatz.exe`},
					{K: "ParentProcessName", V: `C:\Windows\explorer.exe`}, {K: "ProcessId", V: "0x4d2"},
					{K: "SubjectDomainName", V: "CORP"}, {K: "SubjectUserName", V: "alice"}, {K: "TargetUserName", V: "-"}, {K: "TokenElevationType", V: "%%1937"},
				},
			})
			d, _, p := tapped(t, data, fake.Options{Version: v})
			l, err := d.Alerts(t.Context(), backends.Query{Since: now.Add(-time.Hour), Until: now})
			alerts := collect(t, l, err)
			if len(alerts) != 1 {
				t.Fatalf("%d alerts", len(alerts))
			}
			a := alerts[0]
			if a.Process == nil || a.Process.PID != 500 || a.Process.Name != "mimikatz.exe" || a.Process.Elevation != "full" ||
				a.Process.Parent.PID != 1234 || a.Process.Parent.Name != "explorer.exe" || a.User.Name != "alice" {
				t.Fatalf("%+v", a.Process)
			}
			fleet := &ops.Fleet{Sources: []*ops.Source{ops.NewSource("lab", "gene", false, func() (backends.Driver, error) { return d, nil })}}
			from, err := change.ReadFromAlert(t.Context(), fleet, "lab/"+a.ID)
			if err != nil {
				t.Fatal(err)
			}
			if from.PID != 500 || from.Path != `C:\Tools\mimikatz.exe` {
				t.Fatalf("the action would be on %d %s", from.PID, from.Path)
			}
			if _, err := d.Apply(t.Context(), backends.Change{Verb: backends.VerbKill, Host: from.Host, PID: from.PID}, nil); err != nil {
				t.Fatal(err)
			}
			if sent := p.last("POST /endpoints/"); !strings.Contains(sent, "500") || strings.Contains(sent, "1234") {
				t.Errorf("the endpoint was given %s", sent)
			}
		})
	}
}

// TestChannelsOfTheNewestAgent reads records of its default channels.
func TestChannelsOfTheNewestAgent(t *testing.T) {
	data := lab()
	host := data.Endpoints[0].Hostname
	put := func(channel, provider string, id int, kv ...fake.KV) {
		data.Log.(*memLog).put(fake.Meta{Time: now.Add(-time.Minute)}, fake.Event{Channel: channel, Provider: provider, Computer: host, EventID: id, Data: kv})
	}
	put("Security", "Microsoft-Windows-Security-Auditing", 4663, fake.KV{K: "AccessMask", V: "0x2"}, fake.KV{K: "ObjectName", V: `C:\canary.docx`}, fake.KV{K: "ObjectType", V: "File"}, fake.KV{K: "ProcessId", V: "0x10"}, fake.KV{K: "ProcessName", V: `C:\e.exe`})
	put("Microsoft-Windows-Kernel-File/Analytic", "Microsoft-Windows-Kernel-File", 15, fake.KV{K: "FileName", V: `C:\canary.docx`}, fake.KV{K: "Image", V: `C:\e.exe`})
	put("Microsoft-Windows-Windows Defender/Operational", "Microsoft-Windows-Windows Defender", 1116, fake.KV{K: "Path", V: `file:_C:\m.exe`}, fake.KV{K: "Threat Name", V: "Trojan:Win32/X"})
	put("Microsoft-Windows-PowerShell/Operational", "Microsoft-Windows-PowerShell", 4104, fake.KV{K: "ScriptBlockText", V: "IEX"})
	put(sysmon, "Microsoft-Windows-Sysmon", 22, fake.KV{K: "QueryName", V: "a.example"}, fake.KV{K: "QueryResults", V: "type:  5 b.example;::ffff:203.0.113.7;"})
	d, _, _ := tapped(t, data, fake.Options{Version: fake.Head})
	l, err := d.Events(t.Context(), backends.Query{Since: now.Add(-time.Hour), Until: now})
	got := map[model.Kind]*model.Event{}
	for _, e := range collect(t, l, err) {
		got[e.Kind] = e
	}
	if e := got[model.KindFileWrite]; e == nil || e.File.Path != `C:\canary.docx` || e.Process.PID != 16 {
		t.Errorf("4663: %+v", e)
	}
	if e := got[model.KindFileRead]; e == nil || e.File.Path != `C:\canary.docx` || e.Process.Path != `C:\e.exe` {
		t.Errorf("Kernel-File 15: %+v", e)
	}
	if e := got[model.KindMalware]; e == nil || e.Object.Name != "Trojan:Win32/X" || e.File.Path != `C:\m.exe` {
		t.Errorf("1116: %+v", e)
	}
	if e := got[model.KindScriptBlock]; e == nil || e.Script.Text != "IEX" {
		t.Errorf("4104: %+v", e)
	}
	if e := got[model.KindDNSQuery]; e == nil || len(e.DNS.Answers) != 2 || e.DNS.Answers[1].Data != "203.0.113.7" {
		t.Errorf("22: %+v", e)
	}
}
