package filter

import (
	"testing"

	"github.com/edrctl/edrctl/internal/model"
)

// What was only resolved, logged on from, typed into a script or named as an
// object is found by the filter an analyst would use for it.
func TestFiltersLookIntoWindowsRecords(t *testing.T) {
	lookup := &model.Event{Kind: model.KindDNSQuery, DNS: &model.DNS{
		Question: model.DNSQuestion{Name: "github.example"},
		Answers:  []model.DNSAnswer{{Type: "CNAME", Data: "cdn.evil.example"}, {Type: "A", Data: "203.0.113.7"}},
	}}
	logon := &model.Event{Kind: model.KindLogon, User: &model.User{Name: "svc"},
		Network: &model.Network{Source: &model.Endpoint{IP: "198.51.100.7"}},
		Logon:   &model.Logon{Type: "remote_interactive", TargetUser: &model.User{Name: "alice", Domain: "CORP"}, Failure: "wrong password"}}
	script := &model.Event{Kind: model.KindScriptBlock, Script: &model.Script{Text: "IEX (New-Object Net.WebClient)"}}
	account := &model.Event{Kind: model.KindAccountChange, Object: &model.Object{Type: "user", Name: `CORP\backdoor`}}
	service := &model.Event{Kind: model.KindServiceInstall, Object: &model.Object{Type: "service", Name: "PSEXESVC"}}
	pipe := &model.Event{Kind: model.KindPipeCreate, Pipe: &model.Pipe{Name: `\msagent_9f`}}
	moved := &model.Event{Kind: model.KindFileRename, File: &model.File{Path: `C:\b.locked`, OldPath: `C:\a.docx`}}
	for _, tc := range []struct {
		field Field
		text  string
		e     *model.Event
	}{
		{IP, "203.0.113.7", lookup}, {IP, "203.0.113.0/24", lookup}, {Domain, "cdn.evil.example", lookup}, {Search, "cdn.evil", lookup},
		{IP, "198.51.100.7", logon}, {User, "alice", logon}, {User, `CORP\alice`, logon}, {Search, "wrong password", logon},
		{CommandLine, "Net.WebClient", script}, {Search, "IEX", script},
		{User, "backdoor", account}, {Search, "PSEXESVC", service}, {File, "msagent_", pipe}, {File, "a.docx", moved}, {File, "locked", moved},
		{KindOf, "logon", logon}, {KindOf, "script_block", script},
	} {
		var f Filter
		if err := f.Add(tc.field, tc.text); err != nil {
			t.Fatal(err)
		}
		if !f.Match(tc.e) {
			t.Errorf("%v %q does not match %s", tc.field, tc.text, tc.e.Kind)
		}
		if other := (&model.Event{Kind: model.KindOther}); f.Match(other) {
			t.Errorf("%v %q matches an empty event", tc.field, tc.text)
		}
	}
}
