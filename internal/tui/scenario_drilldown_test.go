package tui_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Drilldown to the root cause.
func TestDrilldown(t *testing.T) {
	d, f := start(t, 120, 40)
	d.Press("enter").See("10/10 critical", "T1003.001 LSASS Memory", "T1093", "revoked", "events behind it", "process_access").Press("G").See("edrctl alerts get ge/5f1c")
	d.Press("t").See("tree rundll32.exe", "WINWORD.EXE", "powershell.exe", "rundll32.exe (8120) ←", "dns 1", "CRIT 10")
	d.Press("u").Press("enter").See("events o", "shell.exe", "file_create").Press("enter").See(`C:\Users\Public\d.dll`).Press("esc", "esc")
	d.Press("/").Type("winword").Press("enter").See("1 hit").Press("esc")
	d.Press("G", "o").See("VERDICT", "malicious", "HR-LT-221").Press("esc")
	d.Press("_", "+", "h", "l", "space", "space")
	if !strings.Contains(strings.Join(f.Asked, "\n"), "tree ge/5f1c") {
		t.Fatalf("asked: %v", f.Asked)
	}
	d.Press("C")
	if d.Copied != "edrctl alerts tree ge/5f1c" {
		t.Fatalf("copied %q", d.Copied)
	}
	out := filepath.Join(t.TempDir(), "tree.json")
	d.Press("E", "ctrl+u").Type(out).Press("enter").See("written to")
	b, err := os.ReadFile(out)
	if err != nil || !strings.Contains(string(b), "rundll32.exe") {
		t.Fatalf("%v %s", err, b)
	}
	d.Pass(5*time.Second).Press("esc", "y").See(`host:`).Press("/").Type("8120").Press("enter").See("hit")
}

// The tree is read as it is opened: a page at a time, where it is; what is
// folded stays folded and the cursor where it was.
func TestTreeInPlace(t *testing.T) {
	d, f := start(t, 120, 40)
	d.Press("t").See("▸ rundll32.exe (8120) ←", "WINWORD.EXE (7316) [+]")
	d.Press("l").See("splwow64.exe", "cmd.exe (8204)", "3 more (enter opens them)", "2 processes more").Miss("whoami.exe")
	d.Press("j", "j", "j").Press("enter").See("whoami.exe", "1 more (enter opens them)", "rundll32.exe (8120)").Press("enter").See("net.exe").Miss("more (enter")
	if n := f.Count("tree "); n != 1 {
		t.Fatalf("the tree was asked for %d times", n)
	}
	// Fold the shell; what is read above it leaves it folded.
	d.Press("g", "j", "j", "h").See("▸ powershell.exe (8044)").Miss("net.exe").Press("k", "l").See("nothing else that is known").See("▸ powershell.exe (8044)").Miss("WINWORD.EXE (7316) [+]", "net.exe")
	if strings.Count(d.Text(), "powershell.exe (8044)") != 1 {
		t.Fatalf("a process is there twice:\n%s", d.Text())
	}
	d.Press("e").See("conhost.exe", "net.exe").Press("/").Type("conhost").Press("enter").See("1 hit of")
	d.Press("esc", "r").See("rundll32.exe (8120) ←").Miss("conhost.exe")
}

// The hash pivot tells verdict, names and hosts; the tree is written as it was
// read, in three formats, and never over a file.
func TestTreePivotAndExport(t *testing.T) {
	d, _ := start(t, 120, 40)
	d.Press("t", "l", "k", "j").Press("o").See("VERDICT", "malicious", "d.dll", "FIN-WS-014, HR-LT-221").Press("esc")
	dir := t.TempDir()
	for name, want := range map[string]string{"t.txt": "└─", "t.json": `"children"`, "t.dot": "digraph"} {
		out := filepath.Join(dir, name)
		d.Press("E", "ctrl+u").Type(out).Press("enter").See("written to")
		b, err := os.ReadFile(out)
		if err != nil || !strings.Contains(string(b), want) || !strings.Contains(string(b), "splwow64.exe") {
			t.Fatalf("%s: %v\n%s", name, err, b)
		}
		d.Pass(5 * second)
		d.Press("E", "ctrl+u").Type(out).Press("enter").See("is there already").Pass(5 * second)
	}
}
