package carbonblack

import (
	"testing"

	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// bothWays reads an event as lists do and as a detail does.
func bothWays(t *testing.T, doc string) []*model.Event {
	t.Helper()
	var walked, decoded wire.Event
	if err := new(wire.EventReader).Event([]byte(doc), &walked); err != nil {
		t.Fatal(err)
	}
	if err := wire.Decode([]byte(doc), &decoded); err != nil {
		t.Fatal(err)
	}
	return []*model.Event{eventOf(&walked), eventOf(&decoded)}
}

// Blanks around a command line or a path are evidence: "svchost.exe " is
// another program than svchost.exe.
func TestBlanksAreKept(t *testing.T) {
	const doc = `{"eventId":"1","eventType":"CREATE_PROCESS","registryValue":"HKLM\\Run\\x ",
		"processDetails":{"commandLine":"  cmd.exe /c dir  ","parentCommandLine":"\tp ","targetCommandLine":" t\u00a0","targetName":"child.exe ","parentPid":4,"targetPid":9,"fullUserName":" CORP\\bob "},
		"selectedApp":{"applicationName":"svchost.exe ","applicationPath":"C:\\Users\\Public\\svchost.exe ","sha256Hash":" AA "},
		"targetApp":{"applicationPath":" C:\\x\\child.exe "},"parentApp":{"applicationPath":"   "}}`
	for _, e := range bothWays(t, doc) {
		p, c := e.Process, e.Target
		if p.CommandLine != "  cmd.exe /c dir  " || p.Path != `C:\Users\Public\svchost.exe ` || p.Name != "svchost.exe " || p.Parent.CommandLine != "\tp " || p.Parent.Path != "" ||
			c.CommandLine != " t\u00a0" || c.Path != ` C:\x\child.exe ` || c.Name != "child.exe " || e.Registry.Path != `HKLM\Run\x ` {
			t.Errorf("%+v %+v %+v", p, p.Parent, c)
		}
		if e.User.Name != "bob" || p.Hash.SHA256 != "aa" {
			t.Errorf("%+v %+v", e.User, p.Hash)
		}
	}
}

// The server lower-cases some names; where another member has the name as it
// is on the disk, that one is shown.
func TestNamesAsOnTheDisk(t *testing.T) {
	for doc, want := range map[string]string{
		`{"selectedApp":{"applicationName":"powershell.exe"},"processDetails":{"name":"PowerShell.exe"}}`:           "PowerShell.exe",
		`{"selectedApp":{"applicationName":"powershell.exe","applicationPath":"C:\\Windows\\PowerShell.EXE"}}`:      "PowerShell.EXE",
		`{"selectedApp":{"applicationName":"c:\\x\\googleupdate.exe","applicationPath":"C:\\X\\GoogleUpdate.exe"}}`: "GoogleUpdate.exe",
		`{"selectedApp":{"applicationName":"GoogleUpdate.exe","applicationPath":"C:\\X\\GOOGLEUPDATE.EXE"}}`:        "GoogleUpdate.exe",
		`{"selectedApp":{"applicationName":"a.exe","applicationPath":"C:\\X\\B.exe"}}`:                              "a.exe",
		`{"selectedApp":{"applicationName":"word.exe","sha256Hash":"ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB"},"longDescription":"The application <link hash=\"abababababababababababababababababababababababababababababababab\">C:\\Office\\WORD.EXE</link> ran."}`:                 "WORD.EXE",
		`{"selectedApp":{"applicationName":"word.exe","sha256Hash":"ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB"},"longDescription":"The application <link hash=\"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\">C:\\Office\\WORD.EXE</link> was a file it wrote."}`: "word.exe",
	} {
		for _, e := range bothWays(t, doc) {
			if e.Process.Name != want {
				t.Errorf("%s: %q, want %q", doc, e.Process.Name, want)
			}
		}
	}
	const whole = `{"eventType":"CREATE_PROCESS","processDetails":{"parentName":"explorer.exe","targetName":"mimikatz.exe","parentPid":1,"targetPid":2},
		"parentApp":{"applicationName":"C:\\Windows\\Explorer.EXE"},"targetApp":{"applicationPath":"C:\\T\\MimiKatz.exe"}}`
	for _, e := range bothWays(t, whole) {
		if e.Process.Parent.Name != "Explorer.EXE" || e.Target.Name != "MimiKatz.exe" {
			t.Errorf("%q %q", e.Process.Parent.Name, e.Target.Name)
		}
	}
}
