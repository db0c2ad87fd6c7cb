package gene_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene"
	"github.com/edrctl/edrctl/internal/backends/gene/catalog"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/model"
)

// callOf makes a call of the catalogue.
func callOf(t testing.TB, name string, pairs ...any) backends.Call {
	t.Helper()
	op, ok := backends.OperationNamed(catalog.Operations(), name)
	if !ok {
		t.Fatalf("no operation %s", name)
	}
	c := backends.Call{Op: op, Args: map[string]any{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		c.Args[pairs[i].(string)] = pairs[i+1]
	}
	return c
}

func changeOf(c backends.Call) backends.Change {
	return backends.Change{Verb: backends.VerbCall, Call: &c}
}

// apply previews and applies a call, as the one path of changes does.
func apply(t testing.TB, d *gene.Driver, c backends.Call) (backends.Preview, *model.Action, error) {
	t.Helper()
	pv, err := d.Preview(t.Context(), changeOf(c))
	if err != nil || pv.Nothing != "" {
		return pv, nil, err
	}
	a, err := d.Apply(t.Context(), changeOf(c), nil)
	return pv, a, err
}

func ruleNames(t testing.TB, d *gene.Driver) []string {
	t.Helper()
	l, err := d.Rules(t.Context(), backends.Query{})
	var out []string
	for _, r := range collect(t, l, err) {
		out = append(out, r.Name)
	}
	return out
}

// labRules is the lab with a rule on the manager.
func labRules() *fake.Data {
	data := lab()
	data.Rules = []fake.Rule{{Name: "Kept", Channel: sysmon, EventIDs: []int{1}, Criticality: 5, Matches: []string{"$a: Image = 'x'"}, Condition: "$a"}}
	return data
}

const one1 = `{"Name":"One","Meta":{"EventIDs":[1],"Channels":["` + sysmon + `"],"Criticality":5},"Matches":["$a: Image ~= 'x'"],"Condition":"$a"}`

// Rules are added, replaced and deleted with everything that has to follow, in
// the order that loses nothing, and the engine's own set is right after a
// restart, on every version.
func TestRuleOrders(t *testing.T) {
	each(t, func(t *testing.T, v string) {
		d, _, p := tapped(t, labRules(), fake.Options{Version: v})
		var want []string
		expect := func(what string, kept []string, order ...string) {
			t.Helper()
			p.mu.Lock()
			var acted []string
			for _, s := range p.seen {
				path, _, _ := strings.Cut(s, "?")
				if !strings.HasPrefix(s, "GET") || strings.HasSuffix(path, "/save") || strings.HasSuffix(path, "/reload") {
					acted = append(acted, path)
				}
			}
			p.seen, p.bodies = nil, nil
			p.mu.Unlock()
			if v == fake.Head {
				order = order[:1] // live and kept at once
			}
			if !slices.Equal(acted, order) {
				t.Errorf("%s: sent %v, want %v", what, acted, order)
			}
			if v != fake.Head { // what the engine really has, after a reload
				reload(t, p)
			}
			if got := ruleNames(t, d); !slices.Equal(got, kept) {
				t.Errorf("%s: the manager has %v, want %v", what, got, kept)
			}
			want = kept
		}
		pv, a, err := apply(t, d, callOf(t, "rules.add", "rules", one1, "activate", true))
		if err != nil || a.State != model.ActionDone || len(a.Answer) == 0 {
			t.Fatalf("%v %+v", err, a)
		}
		shown := []string{"POST /rules", "GET /rules/save", "GET /rules/reload"}
		if v == fake.Head {
			shown = shown[:1]
		}
		for i, r := range pv.Requests {
			if len(pv.Requests) != len(shown) || !strings.HasPrefix(r, shown[i]) {
				t.Errorf("the preview shows %v", pv.Requests)
			}
		}
		if n := strings.Count(pv.Summary, ", then "); n != len(shown)-1 {
			t.Errorf("the preview says %s", pv.Summary)
		}
		expect("add", []string{"Kept", "One"}, "POST /rules", "GET /rules/save", "GET /rules/reload")
		// Again: nothing to do. Another body under that name: refused, and nothing sent.
		if pv, _, err := apply(t, d, callOf(t, "rules.add", "rules", one1, "activate", true)); err != nil || pv.Nothing == "" {
			t.Errorf("the same again: %+v %v", pv, err)
		}
		other := strings.Replace(one1, `"Criticality":5`, `"Criticality":9`, 1)
		if _, _, err := apply(t, d, callOf(t, "rules.add", "rules", other, "activate", true)); backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("an existing name: %v", err)
		}
		if _, _, err := apply(t, d, callOf(t, "rules.add", "rules", other, "update", true, "activate", true)); err != nil {
			t.Fatal(err)
		}
		expect("update", want, "POST /rules", "GET /rules/reload")
		r, err := d.Rule(t.Context(), "One", false)
		if err != nil || *r.Score != 9 {
			t.Errorf("after the update: %+v %v", r, err)
		}
		if _, _, err := apply(t, d, callOf(t, "rules.delete", "name", "One", "activate", true)); err != nil {
			t.Fatal(err)
		}
		expect("delete", []string{"Kept"}, "DELETE /rules", "GET /rules/reload")
	})
}

func reload(t testing.TB, p *tap) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://manager/rules/reload", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Api-Key", testKey)
	w := &recorder{header: http.Header{}}
	p.Handler.ServeHTTP(w, req)
	if !strings.Contains(w.body.String(), `"error":""`) || strings.Contains(w.body.String(), "NOK") {
		t.Fatalf("the manager cannot reload: %s", w.body.String())
	}
}

type recorder struct {
	header http.Header
	body   strings.Builder
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// What an engine would refuse, or what would block it permanently, never leaves.
func TestRuleGuards(t *testing.T) {
	each(t, func(t *testing.T, v string) {
		d, _, p := tapped(t, labRules(), fake.Options{Version: v})
		bad := map[string]string{
			"regexp":       strings.Replace(one1, "~= 'x'", "~= '['", 1),
			"condition":    strings.Replace(one1, `"$a"}`, `"$zz"}`, 1),
			"match":        strings.Replace(one1, "$a: Image ~= 'x'", "whatever", 1),
			"no name":      strings.Replace(one1, `"Name":"One",`, "", 1),
			"no JSON":      "{nope",
			"empty":        " ",
			"twice":        one1 + one1,
			"both schemas": strings.Replace(one1, `"Criticality"`, `"Schema":"2.0.0","Criticality"`, 1),
		}
		if v == fake.Beta2 || v == fake.Head {
			bad["schema 1 that says nothing of channels"] = strings.Replace(one1, `"Channels":["`+sysmon+`"],`, "", 1)
		} else {
			bad["schema 2 with different ids"] = `{"Name":"One","Meta":{"Events":{"a":[1],"b":[2]},"Schema":"2.0.0"}}`
		}
		for name, body := range bad {
			c := callOf(t, "rules.add", "activate", true)
			c.Body = []byte(body)
			if _, _, err := apply(t, d, c); backends.KindOf(err) != backends.KindInvalid {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := d.Apply(t.Context(), changeOf(c), nil); backends.KindOf(err) != backends.KindInvalid {
				t.Errorf("%s, without a preview: %v", name, err)
			}
		}
		// A name that is not a regular expression neither kills the connection nor finds others.
		c := callOf(t, "rules.add", "activate", true)
		c.Body = []byte(strings.Replace(one1, `"One"`, `"[a(.*+"`, 1))
		if _, _, err := apply(t, d, c); err != nil {
			t.Errorf("an odd name: %v", err)
		}
		if _, _, err := apply(t, d, callOf(t, "rules.delete", "name", ".*", "activate", true)); v == fake.Head && backends.KindOf(err) != backends.KindNotFound || err == nil {
			t.Errorf("a name that is an expression: %v", err)
		}
		if _, err := d.Call(t.Context(), callOf(t, "rules.list", "name", "[")); backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("a wrong expression: %v", err)
		}
		if n := p.count("POST /rules"); n != 1 {
			t.Errorf("%d rules were posted", n)
		}
	})
}

// Each version gets its own schema and its own form.
func TestRuleDialects(t *testing.T) {
	both := `{"Name":"Two","Meta":{"Events":{"` + sysmon + `":[1,7]}},"Matches":["$a: Image = 'x'"],"Condition":"$a","Actions":["kill"],"Severity":1}`
	each(t, func(t *testing.T, v string) {
		d, _, p := tapped(t, labRules(), fake.Options{Version: v})
		c := callOf(t, "rules.add", "activate", true)
		c.Body = []byte(one1 + "\n" + both)
		pv, _, err := apply(t, d, c)
		if err != nil {
			t.Fatal(err)
		}
		sent := p.last("POST /rules")
		warned := strings.Join(pv.Warnings, "\n")
		v2 := v == fake.Beta2 || v == fake.Head
		if strings.HasPrefix(sent, "[") != (v == fake.Head) || strings.Contains(sent, `"Schema":"2.0.0"`) != v2 || strings.Contains(sent, `"EventIDs"`) == v2 {
			t.Errorf("sent %s", sent)
		}
		if strings.Contains(sent, "Actions") != (v != fake.V170) || strings.Contains(warned, "no Actions") != (v == fake.V170) {
			t.Errorf("actions: %s, warned %s", sent, warned)
		}
		if !strings.Contains(warned, `no field "Severity"`) || !strings.Contains(warned, "converted from schema") || !strings.Contains(warned, "reports") {
			t.Errorf("warned %s", warned)
		}
		if v != fake.Head {
			reload(t, p)
		}
		if got := ruleNames(t, d); !slices.Equal(got, []string{"Kept", "One", "Two"}) {
			t.Errorf("the manager has %v", got)
		}
	})
}

// After the first step that fails nothing more is sent, and what is so now is
// said.
func TestRuleStepFails(t *testing.T) {
	for _, tc := range []struct {
		step, reply string
		want        []string
	}{
		{"POST /rules", `{"data":null,"message":"NOK","error":"Error loading rule: no"}`, []string{"step 1 of 3", "nothing was changed before it"}},
		{"GET /rules/save", `{"data":null,"message":"NOK","error":"disk full"}`, []string{"step 2 of 3", "disk full", "done before it: adds rule One"}},
		{"GET /rules/reload", `{"data":null,"message":"NOK","error":"Failed to reload engine"}{"data":{},"message":"OK","error":""}`, []string{"step 3 of 3", "Failed to reload", "saves the rules"}},
		{"GET /rules/save", ``, []string{"step 2 of 3", "may have been carried out"}},
	} {
		d, _, p := tapped(t, labRules(), fake.Options{Version: fake.V170})
		p.instead = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method+" "+r.URL.Path != tc.step {
				return false
			}
			if tc.reply == "" {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(w, tc.reply)
			return true
		}
		_, a, err := apply(t, d, callOf(t, "rules.add", "rules", one1, "activate", true))
		for _, want := range tc.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", tc.step, err, want)
			}
		}
		if tc.reply == "" && (backends.KindOf(err) != backends.KindAmbiguous || a.State != model.ActionAmbiguous) {
			t.Errorf("%s: a lost answer: %v %+v", tc.step, err, a)
		}
		if n := p.count(tc.step); n != 1 {
			t.Errorf("%s was sent %d times", tc.step, n)
		}
		if tc.step != "GET /rules/reload" && p.count("GET /rules/reload") > 0 {
			t.Errorf("%s failed, and a reload followed", tc.step)
		}
	}
}

// A save is refused while the manager shows what it refused; saving it would
// keep every later reload from working.
func TestSaveOfRefusedRules(t *testing.T) {
	for _, v := range []string{fake.V170, fake.Beta, fake.Beta2} {
		d, _, p := tapped(t, labRules(), fake.Options{Version: v})
		if _, _, err := apply(t, d, callOf(t, "rules.save")); err != nil {
			t.Fatalf("%s: %v", v, err)
		}
		byHand(t, p, "/rules", strings.Replace(one1, `"$a"}`, `"$zz"}`, 1))
		if _, _, err := apply(t, d, callOf(t, "rules.save")); err == nil || !strings.Contains(err.Error(), "One") {
			t.Errorf("%s: %v", v, err)
		}
		if n := p.count("GET /rules/save"); n != 1 {
			t.Errorf("%s: saved %d times", v, n)
		}
		if _, _, err := apply(t, d, callOf(t, "rules.reload")); err != nil {
			t.Errorf("%s: %v", v, err)
		}
		reload(t, p)
	}
	d, _, _ := tapped(t, labRules(), fake.Options{})
	for _, name := range []string{"rules.save", "rules.reload"} {
		if _, _, err := apply(t, d, callOf(t, name)); backends.KindOf(err) != backends.KindUnsupported {
			t.Errorf("%s on the newest: %v", name, err)
		}
	}
}

func byHand(t testing.TB, p *tap, path, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://manager"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Api-Key", testKey)
	req.Header.Set("X-Api-Key", testKey)
	p.Handler.ServeHTTP(&recorder{header: http.Header{}}, req)
}

// What somebody else changed between the preview and the sending is seen.
func TestCallChangedMeanwhile(t *testing.T) {
	d, _, p := tapped(t, labRules(), fake.Options{})
	c := callOf(t, "config.set", "uuid", uuid1, "config", `{"criticality-treshold":9}`)
	if _, err := d.Preview(t.Context(), changeOf(c)); err != nil {
		t.Fatal(err)
	}
	byHand(t, p, "/endpoints/"+uuid1+"/config", `{"logfile":"elsewhere.log"}`)
	if _, err := d.Apply(t.Context(), changeOf(c), nil); backends.KindOf(err) != backends.KindRefused {
		t.Errorf("%v", err)
	}
	if n := p.count("POST /endpoints/" + uuid1 + "/config"); n != 0 {
		t.Errorf("sent %d times", n)
	}
}

func answerOf(t testing.TB, d *gene.Driver, c backends.Call) map[string]any {
	t.Helper()
	for item, err := range d.Items(t.Context(), c) {
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(item, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	return nil
}

func dig(v any, path ...string) string {
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return fmt.Sprint(v)
}
