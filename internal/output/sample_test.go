package output_test

import (
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

var now = time.Date(2026, 11, 22, 2, 53, 20, 0, time.UTC)

func fixedNow() time.Time { return now }

func alerts() []*model.Alert {
	mk := func(ago time.Duration, score float64, sev model.Severity, backend, id, host, user, title string) *model.Alert {
		a := &model.Alert{
			Origin: model.Origin{ID: id, Ref: "demo-" + backend + "/" + id, Profile: "demo-" + backend, Backend: backend},
			Time:   model.At(now.Add(-ago)), Title: title, Severity: sev, Status: model.StatusOpen,
			Host: &model.Host{Name: host}, User: model.SplitUser(user),
		}
		if score >= 0 {
			a.Score = model.Ptr(score)
		}
		return a
	}
	return []*model.Alert{
		mk(2*time.Minute, 9, model.SeverityCritical, "gene", "5f1c9a7b2d3e4f5061728394a5b6c7d8e9f0ae09", "FIN-WS-014", `CORP\a.moreau`, "LSASS memory read by rundll32"),
		mk(6*time.Minute, 8, model.SeverityHigh, "carbonblack", "JSPJCU9K", "SRV-DB-02", "svc_sql", "powershell.exe injected into spoolsv"),
		mk(11*time.Minute, 7, model.SeverityHigh, "cwatch", "8812", "HR-LT-221", "k.ivanova", "Remote Powershell Execution"),
		mk(19*time.Minute, 5, model.SeverityMedium, "esp", "93855", "build-07", "root", "suspicious curl | sh"),
		mk(3*time.Hour, -1, model.SeverityUnknown, "carbonblack", "POL1", "SRV-DB-02", "", "policy action \x1b[2J\u202e"),
	}
}

func fullAlert() *model.Alert {
	a := alerts()[0]
	a.Attack = []model.Attack{{Technique: model.Named{ID: "T1003.001", Name: "LSASS Memory"}, Tactic: "credential-access"}}
	a.Rule = &model.Named{ID: "HeurLsassAccess", Name: "HeurLsassAccess"}
	a.Host = &model.Host{Name: "FIN-WS-014", IP: []string{"10.20.4.14"}, OS: &model.OS{Name: "Windows", Version: "10"}}
	a.Ancestors = []*model.Process{
		{Name: "explorer.exe", PID: 4120, CommandLine: `C:\Windows\explorer.exe`},
		{Name: "WINWORD.EXE", PID: 7316, CommandLine: `"C:\Program Files\WINWORD.EXE" "C:\Users\a\Invoice_8841.docm"`},
		{Name: "powershell.exe", PID: 8044, CommandLine: "powershell -nop -w hidden -enc SQBFAFgAKABOAGUAdwAtAE8AYgBqAGUAYwB0ACAATgBlAHQALgBXAGUAYgBDAGwAaQBlAG4AdAApAC4A"},
	}
	a.Process = &model.Process{Name: "rundll32.exe", PID: 8120, CommandLine: `rundll32.exe C:\Users\Public\d.dll,Start`}
	a.Target = &model.Process{Name: "lsass.exe", PID: 700}
	return a
}
