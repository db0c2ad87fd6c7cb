package sigma

import (
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

// FuzzRule reads and matches whatever text: nothing panics, and what loads can
// be matched.
func FuzzRule(f *testing.F) {
	f.Add([]byte(ruleText("s: {Image|contains|windash: '-a*?b', User: null, D|re|i: 'a+', I|cidr: 10.0.0.0/8}\nk: [x, {a: b}]\ncondition: 1 of s* and not k")), "-a b")
	f.Add([]byte(ruleText("s: {Image|wide|base64offset|contains: ab, T|hour|gte: 3, U|fieldref: Image, V|exists: true, W|lt: 4, X|expand: '%a%\\%b%'}\ncondition: s")), "2026-01-02 03:04:05")
	f.Add([]byte(base+"  type: temporal\n  rules: [failed, success]\n  group-by: [User]\n  timespan: 1m\n  generate: true\n"), "failed")
	f.Add([]byte("action: global\ntitle: &a x\nlogsource: {product: *a}\n---\ndetection: {s: {Image: x}, condition: s}\n---\naction: repeat\n"), "x")
	f.Fuzz(func(t *testing.T, data []byte, value string) {
		if len(data) > 1<<12 || len(value) > 1<<10 {
			return
		}
		p := Parse("f.yml", data, Options{Placeholders: Placeholders{"a": {"x*", "y"}}})
		ApplyFilters(p.Rules, p.Filters)
		rules, _ := Link(p.Rules)
		e := Compile(rules)
		m := e.NewMatcher()
		plain := event("Image="+value, "User="+value, "D=x", "D="+value)
		log := event("Image="+value, "User="+value, "EventID=1")
		log.Key = Source{Product: "windows", Channel: "Security", EventID: 1}
		c := NewCorrelator(rules)
		seen := map[string]bool{}
		for _, r := range []*Record{plain, log} {
			for _, hit := range m.Match(r) {
				m.Selections(hit)
				seen[hit.Rule.Key()] = true
				if c != nil {
					if _, ok := c.byKey[hit.Rule.Key()]; ok {
						c.Add(c.Observe(hit.Rule, time.Unix(1, 0), "e", r.Get))
					}
				}
			}
			for _, other := range e.rules {
				if got, want := matchedBy(m, other), r.Key.sources().has(other.rule.LogSource) && slowMatch(e, other, r); got != want {
					t.Fatalf("%s: the index says %v, the condition %v", other.rule.Key(), got, want)
				}
			}
		}
		if c != nil {
			c.Finish()
		}
	})
}

func matchedBy(m *Matcher, c *compiled) bool {
	for _, o := range m.out {
		if o.c == c {
			return true
		}
	}
	return false
}

// slowMatch evaluates a condition without index and memory.
func slowMatch(e *Engine, c *compiled, r *Record) bool {
	all := *r
	all.Fields = append([]model.LogField(nil), r.Fields...)
	m := e.NewMatcher()
	uses := make([]bool, len(e.names))
	for i := range uses {
		uses[i] = true
	}
	m.state = &state{class: &class{uses: uses, byField: make([]*index, len(e.names))}, known: make([]map[string]*value, len(e.names))}
	m.rec, m.gen = &all, 1
	m.load(&all)
	return m.eval(c.cond)
}

// FuzzCondition reads whatever condition over a few selections.
func FuzzCondition(f *testing.F) {
	for _, s := range []string{"a and not (b or 1 of c*)", "all of them", "1 of *_b", "not not a", "a or b and", "((a))", "any of them | count()", "NOT a OR b"} {
		f.Add(s)
	}
	sels := []selection{}
	for _, name := range []string{"a", "b", "_c", "c_1", "c_2"} {
		sels = append(sels, selection{name, &expr{op: opLeaf, leaf: &leaf{field: name}}})
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, reported, err := parseCondition(text, sels)
		if err != nil {
			if err.reason == "" {
				t.Fatal("an error without a reason")
			}
			return
		}
		if e == nil {
			t.Fatal("no condition and no error")
		}
		for _, name := range reported {
			found := false
			for _, s := range sels {
				found = found || s.name == name
			}
			if !found {
				t.Fatalf("%q is reported", name)
			}
		}
	})
}
