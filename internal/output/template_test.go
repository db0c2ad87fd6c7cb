package output_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"text/template"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/output"
)

const templateData = `{"id":"a-1","title":"x","score":7,"big":9007199254740993,"part":0.25,"no":null,"yes":true,"nay":false,"empty":"","none":[],"nothing":{},
	"host":{"name":"FIN-WS-014","ip":["10.0.0.1","10.0.0.2"]},"attack":[{"id":"T1003","tactic":"credential-access"},{"id":"T1059"}]}`

// runTemplate runs one over the data as a user does: raw members of an alert.
func runTemplate(t *testing.T, tmpl string) (string, error) {
	t.Helper()
	return run(t, nil, output.Options{Kind: output.KindAlert, Format: "ndjson", Raw: true, Template: ofRaw(tmpl)}, false,
		&model.Alert{Raw: json.RawMessage(templateData)})
}

// ofRaw sets the dot to the data; what is before @@ stays outside.
func ofRaw(tmpl string) string {
	before, rest, found := strings.Cut(tmpl, "@@")
	if !found {
		before, rest = "", tmpl
	}
	return before + "{{with .raw}}" + rest + "{{end}}"
}

// What the library runs is run as it does: the changes to its trees change nothing else.
func TestTemplateLanguage(t *testing.T) {
	var data any
	if err := json.Unmarshal([]byte(templateData), &data); err != nil {
		t.Fatal(err)
	}
	raw := data.(map[string]any)
	raw["score"], raw["big"] = 7, 9007199254740993
	for _, tmpl := range []string{
		`plain {{/* a comment */}} text`, `{{.id}} {{ .host.name }} {{.host}} {{.attack}} {{.big}} {{.yes}}`,
		`{{- .id -}} {{- " x " -}} `, `{{$x := .score}}{{$x}}{{$x = 3}}{{$x}}`,
		`{{if .yes}}a{{else}}b{{end}}{{if .nay}}a{{else if .id}}c{{else}}b{{end}}{{if .empty}}a{{end}}{{if .none}}a{{end}}{{if .nothing}}a{{end}}{{if .no}}a{{end}}`,
		`{{with .host}}{{.name}} {{else}}none{{end}}{{with .empty}}a{{else with .id}}{{.}}{{end}}`,
		`{{range .attack}}{{.id}},{{end}}{{range .none}}a{{else}}empty{{end}}`,
		`{{range $i, $a := .attack}}{{$i}}={{$a.id}} {{end}}{{range $k, $v := .host}}{{$k}}:{{$v}} {{end}}{{range $v := .attack}}{{$v.id}}{{end}}`,
		`{{range .attack}}{{if eq .id "T1059"}}{{continue}}{{end}}{{.id}}{{end}}{{range .attack}}{{.id}}{{break}}{{end}}`,
		`{{$n := 0}}{{range $i, $a := .attack}}{{$n = $i}}{{end}}{{$n}}`, `{{range 3}}{{.}}{{end}}`, `{{range $i := 2}}{{$i}}{{end}}`,
		`{{define "t"}}[{{.}}{{$}}]{{end}}@@{{template "t" .id}}{{template "t" .title}}`, `{{define "t"}}{{with .}}{{.id}}{{end}}{{end}}@@{{range .attack}}{{template "t" .}}{{end}}{{template "t"}}`,
		`{{len .host.ip}} {{len .id}} {{len .host}} {{index .host.ip 1}} {{index .attack 0 "id"}} {{index .host "name"}} {{index .id 0}}`,
		`{{slice .id 1}} {{slice .id 0 2}} {{slice .host.ip 1}}`,
		`{{and .yes .id}} {{and .empty .id}} {{or .empty .id}} {{or .empty .nay}} {{not .yes}} {{not .empty}} {{.yes | and .id}}`,
		`{{or .yes (index .none 5)}}{{and .nay (index .none 5)}}`,
		`{{eq .id "a-1"}} {{eq .id "x" "y" "a-1"}} {{ne .id "b"}} {{lt .id "b"}} {{le "b" "b"}} {{gt 2 1}} {{ge 1 2}} {{eq 1 1}} {{lt 1.5 2.5}} {{eq .yes true}}`,
		`{{print 1 2 "x" "y" 3}} {{println "a"}}{{printf "%s-%5.1f|%03d|%q|%v" .id 2.25 7 .title .yes}}`,
		`{{html "<a&'\">"}} {{"<b>" | html}} {{js "it's"}} {{urlquery "a b&c"}} {{html 1 2}}`,
		`{{(index .attack 0).id}} {{(.host).name}} {{"quoted" | printf "%q" | len}} {{1_000}} {{0x10}} {{'a'}} {{1e3}}`,
		"{{`raw`}} {{true}} {{\"\\t\"}}",
	} {
		std, err := template.New("main").Option("missingkey=zero").Parse(ofRaw(tmpl))
		if err != nil {
			t.Fatalf("%s: %v", tmpl, err)
		}
		var want bytes.Buffer
		root := map[string]any{"raw": data}
		if err := std.Execute(&want, root); err != nil {
			t.Fatalf("%s: %v", tmpl, err)
		}
		got, err := runTemplate(t, tmpl)
		if err != nil || got != want.String()+"\n" {
			t.Errorf("%s:\n got %q (%v)\nwant %q", tmpl, got, err, want.String())
		}
	}
}

// Where it differs, it differs for JSON: numbers are numbers, and what is
// absent is empty however deep one asks.
func TestTemplateJSON(t *testing.T) {
	for tmpl, want := range map[string]string{
		`{{if ge .score 7}}high{{end}} {{eq .score 7}} {{lt .part 0.5}} {{gt .score .part}} {{eq .big 9007199254740993}} {{eq .big 9007199254740992}}`: "high true true true true false",
		`{{.no}}|{{.absent}}|{{.absent.deeper.still}}|{{index .nothing "x"}}|{{range .absent}}x{{end}}`:                                                "||||",
		`{{printf "%d %5.1f %s %v %x %q" .score .part .big .score .score .score}}`:                                                                     `7   0.2 9007199254740993 7 7 "7"`,
		`{{printf "[%s][%-4v][%d]" .no .absent .absent}}`:                                                                                              "[][    ][]",
		`{{gt .absent 5}} {{eq .absent nil}} {{eq .id nil}} {{len .absent}} {{.score | not}}`:                                                          "false true false 0 false",
		`{{range $i := .score}}{{$i}}{{end}}`:                                                                                                          "0123456",
		`{{.title}}<no value>`:                                                                                                                         "x<no value>",
	} {
		if got, err := runTemplate(t, tmpl); err != nil || got != want+"\n" {
			t.Errorf("%s: %q (%v), want %q", tmpl, got, err, want)
		}
	}
	for tmpl, want := range map[string]string{
		`{{index .host.ip 9}}`: `error calling index: index out of range: 9`,
		`{{.id.name}}`:         "can't evaluate field name in a string",
		`{{eq .id 1}}`:         "incompatible types",
		`{{lt .yes 1}}`:        "incompatible types",
		`{{eq .host .host}}`:   "non-comparable",
		`{{range .id}}{{end}}`: "can't iterate over",
		`{{template "x"}}`:     `template "x" not defined`,
		`{{define "a"}}{{template "a"}}{{end}}@@{{template "a"}}`: "maximum template depth",
		`{{len 3}}`: "len of a number", `{{slice .id 9}}`: "out of range", `{{slice .id 2 1}}`: "2 > 1", `{{join ","}}`: "wrong number of arguments",
		`{{1 2}}`: "non-function", `{{truncate "x" .id}}`: "a string where a number", `{{timeago .id}}`: "invalid time",
		`{{index .nothing 1}}`: "should be string", `{{index 1 1}}`: "can't index item of type int",
	} {
		if got, err := runTemplate(t, tmpl); err == nil || !strings.Contains(err.Error(), want) || got != "" {
			t.Errorf("%s: %q, %v; want %q", tmpl, got, err, want)
		}
	}
}
