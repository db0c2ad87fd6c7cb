package winlog

import (
	"encoding/hex"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/edrctl/edrctl/internal/model"
)

// scriptBlock is 4104: the text as PowerShell compiled it. A long one comes in
// parts, each a record.
func (m *mapper) scriptBlock() {
	m.execution()
	text := m.Get("ScriptBlockText")
	m.e.Script = &model.Script{Text: text}
	m.file(noneIsEmpty(m.Get("Path")))
	m.e.Summary = firstLine(text)
}

// scriptModule is 4103: a command of the pipeline with its arguments. 800 is
// the same of the old log. Both say which program runs PowerShell.
func (m *mapper) scriptModule() {
	m.execution()
	text := m.Get("Payload")
	if text == "" {
		text = m.labelled("CommandLine")
	}
	if text == "" {
		text = m.Message
	}
	m.e.Script = &model.Script{Text: text}
	m.engine()
	m.file(noneIsEmpty(m.labelled("Script Name", "ScriptName")))
	if m.e.Summary = firstLine(text); m.e.Summary == "" {
		m.e.Summary = m.process.CommandLine
	}
}

// scriptEngine is 400 and 600: PowerShell, or a part of it, started.
func (m *mapper) scriptEngine() {
	m.execution()
	m.engine()
	m.say(m.process.CommandLine)
}

// engine is what the text of a PowerShell record says of its process.
func (m *mapper) engine() {
	line := m.labelled("Host Application", "HostApplication")
	m.process.CommandLine = line
	if path := program(line); strings.ContainsAny(path, `\/`) {
		m.process.Path = path
	} else {
		m.process.Name = model.BaseName(path)
	}
	if who := m.labelled("UserId", "User"); who != "" {
		m.setUser(model.SplitUser(who))
	}
}

// labelled finds "Label=value" or "Label = value" at the start of a line in
// whatever the reader has: PowerShell's records have a text for all of it.
func (m *mapper) labelled(labels ...string) string {
	for _, label := range labels {
		for i := range m.Data {
			if v := lineOf(m.Data[i].Value, label); v != "" {
				return v
			}
		}
		if v := lineOf(m.Message, label); v != "" {
			return v
		}
	}
	return ""
}

func lineOf(text, label string) string {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), label)
		if !ok {
			continue
		}
		if v, ok := strings.CutPrefix(strings.TrimSpace(rest), "="); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}

// noneIsEmpty: some agents write None for an absent path.
func noneIsEmpty(path string) string {
	if strings.EqualFold(path, "none") {
		return ""
	}
	return path
}

// scanned is AMSI's 1101: what a program gave to be scanned.
func (m *mapper) scanned() {
	m.execution()
	app, name := m.Get("appname"), m.Get("contentname")
	text := plainText(m.Get("content"))
	if text != "" {
		m.e.Script = &model.Script{Text: text}
	}
	if strings.ContainsAny(name, `\/`) {
		m.file(name)
	}
	m.object("amsi", app)
	if number(m.Get("scanResult")) >= 32768 { // AMSI_RESULT_DETECTED
		m.e.Tags = append(m.e.Tags, "detected")
	}
	what := name
	if what == "" {
		what = firstLine(text)
	}
	m.say(app, what)
}

// plainText reads the content that traces write in hex: UTF-16 mostly.
func plainText(s string) string {
	digits, _ := strings.CutPrefix(s, "0x")
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) < 2 {
		return s
	}
	if len(b)%2 == 0 && (b[1] == 0 || !utf8.Valid(b)) {
		units := make([]uint16, 0, len(b)/2)
		for i := 0; i < len(b); i += 2 {
			units = append(units, uint16(b[i])|uint16(b[i+1])<<8)
		}
		return strings.TrimRight(string(utf16.Decode(units)), "\x00")
	}
	if utf8.Valid(b) {
		return string(b)
	}
	return s
}
