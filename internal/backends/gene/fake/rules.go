package fake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/lazyregexp"
)

// storedRule is a rule under its name, as the manager would print it.
type storedRule struct {
	Name    string          `json:"name"`
	Doc     json.RawMessage `json:"doc"`
	Broken  string          `json:"broken,omitempty"` // why it does not compile
	Disable bool            `json:"disable,omitempty"`
	Filter  bool            `json:"filter,omitempty"`
	Schema1 bool            `json:"schema1,omitempty"` // refused by an engine of schema 2
}

func sortRules(list []storedRule) {
	slices.SortStableFunc(list, func(a, b storedRule) int { return strings.Compare(a.Name, b.Name) })
}

func (s *Server) ruleCount() int {
	n := 0
	for _, r := range s.st.Live {
		if !r.Disable && r.Broken == "" && !r.Schema1 {
			n++
		}
	}
	return n
}

// ruleIn is what the server reads; names match in any case, unknown members
// are dropped.
type ruleIn struct {
	Name string
	Tags []string
	Meta struct {
		EventIDs    []int
		Channels    []string
		Events      map[string][]int
		Computers   []string
		ATTACK      []Attack
		Criticality int
		Disable     bool
		Filter      bool
		Schema      string
	}
	Matches   []string
	Condition string
	Actions   []string
}

var (
	matchName = lazyregexp.New(`^\s*(\$\w+)\s*:\s*(.*)$`)
	matchPlan = lazyregexp.New(`^("[^"]+"|[\w-]+)\s*(~=|&=|<=|>=|=|<|>)\s+(@[\w-]+|'.*')$`)
	extract   = lazyregexp.New(`^extract\('(.*)',\s*[\w-]+\) in [\w-]+$`)
	operand   = lazyregexp.New(`\$\w+`)
)

// compile says what the engine would refuse, in its words.
func (r *ruleIn) compile() error {
	names := map[string]bool{}
	for _, m := range r.Matches {
		head := matchName.FindStringSubmatch(m)
		if head == nil {
			return errors.New("Unknown match statement: " + m)
		}
		names[head[1]] = true
		plan := matchPlan.FindStringSubmatch(strings.TrimSpace(head[2]))
		switch {
		case plan != nil && plan[2] == "~=":
			if _, err := regexp.Compile(strings.Trim(plan[3], "'")); err != nil {
				return fmt.Errorf("Failed to compile %q", m)
			}
		case plan != nil, extract.MatchString(head[2]):
		default:
			return errors.New("Unknown match statement: " + m)
		}
	}
	for _, op := range operand.FindAllString(r.Condition, -1) {
		if !names[op] {
			return fmt.Errorf("Unkown operand %s in condition %q", op, r.Condition)
		}
	}
	return nil
}

// store makes the rule as the manager prints it.
func (s *Server) store(r *ruleIn) storedRule {
	o, meta := object{}, object{}
	if s.etw() {
		meta.put("Events", r.Meta.Events)
	} else {
		meta.put("EventIDs", r.Meta.EventIDs)
		meta.put("Channels", r.Meta.Channels)
	}
	meta.put("Computers", r.Meta.Computers)
	if len(r.Meta.ATTACK) > 0 {
		meta.put("ATTACK", r.Meta.ATTACK)
	}
	meta.put("Criticality", min(r.Meta.Criticality, 10))
	meta.put("Disable", r.Meta.Disable)
	meta.put("Filter", r.Meta.Filter)
	out := storedRule{Name: r.Name, Disable: r.Meta.Disable, Filter: r.Meta.Filter}
	if s.etw() {
		schema := r.Meta.Schema
		if schema == "" {
			schema = "0.0.0"
		}
		meta.put("Schema", schema)
		out.Schema1 = schema < "2.0.0"
	}
	o.put("Name", r.Name)
	o.put("Tags", r.Tags)
	o.put("Meta", meta.done())
	o.put("Matches", r.Matches)
	o.put("Condition", r.Condition)
	if !s.is(V170) {
		o.put("Actions", r.Actions)
	}
	if err := r.compile(); err != nil {
		out.Broken = err.Error()
	}
	out.Doc = o.done()
	return out
}

func (c *call) getRules() {
	s := c.s
	expr := c.get("name")
	if expr == "" {
		expr = ".*"
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		if !s.is(Head) {
			panic(http.ErrAbortHandler) // trap 17
		}
		c.ok([]json.RawMessage{})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	onlyFilters := c.flag("filters") && s.atLeast(Beta2)
	out := []json.RawMessage{}
	for _, r := range s.st.Shown {
		if r.Disable && !s.is(Head) || onlyFilters && !r.Filter || !re.MatchString(r.Name) {
			continue
		}
		out = append(out, r.Doc)
	}
	if s.is(Head) {
		slices.Reverse(out) // in no order
	}
	c.ok(out)
}

func indexRule(list []storedRule, name string) int {
	return slices.IndexFunc(list, func(r storedRule) bool { return r.Name == name })
}

func setRule(list []storedRule, r storedRule) []storedRule {
	list = slices.Clone(list)
	if i := indexRule(list, r.Name); i >= 0 {
		list[i] = r
	} else {
		list = append(list, r)
	}
	sortRules(list)
	return list
}

func (c *call) postRules() {
	body, ok := c.body()
	if !ok {
		return
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.s.is(Head) {
		c.postRuleArray(body)
		return
	}
	c.postRuleObjects(body)
}

// postRuleObjects is POST /rules up to beta.6: objects one after the other,
// each taken before the next is looked at.
func (c *call) postRuleObjects(body []byte) {
	s := c.s
	dec := json.NewDecoder(bytes.NewReader(body))
	update := c.flag("update")
	for {
		offset := dec.InputOffset()
		var r ruleIn
		err := dec.Decode(&r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if strings.Contains(err.Error(), "cannot unmarshal array") {
				offset++
			}
			c.fail(fmt.Sprintf("Error loading rule: JSON parsing (rule line=1 offset=%d) (error=%s)", offset, ruleText(err)))
			return
		}
		stored := s.store(&r)
		if stored.Schema1 {
			s.st.Shown = setRule(s.st.Shown, stored)
			c.fail("Error loading rule: Expecting rule version >= 2.0.0")
			return
		}
		if update {
			s.st.Disk = setRule(s.st.Disk, stored)
			continue
		}
		exists := indexRule(s.st.Live, r.Name) >= 0
		s.st.Shown = setRule(s.st.Shown, stored) // refused ones, too (trap 14)
		switch {
		case exists:
			c.fail(fmt.Sprintf("Error loading rule: Rule %q already exists", r.Name))
			return
		case stored.Broken != "":
			c.fail(fmt.Sprintf("Error loading rule: Failed to compile rule (rule line=1 offset=%d) (error=%s)", offset, stored.Broken))
			return
		}
		s.st.Live = setRule(s.st.Live, stored)
	}
	if update {
		c.message("Rules updated succesfully, engine needs to be reloaded")
		return
	}
	c.message("Rules added successfully, please save rules for persistence")
}

func ruleText(err error) string {
	text := err.Error()
	if strings.Contains(text, "cannot unmarshal array") {
		return "json: cannot unmarshal array into Go value of type rules.Rule"
	}
	return strings.ReplaceAll(text, "ruleIn.", "MetaSection.")
}

func (c *call) postRuleArray(body []byte) {
	s := c.s
	var docs []*ruleIn
	if len(body) == 0 {
		c.fail("EOF")
		return
	}
	if err := json.Unmarshal(body, &docs); err != nil {
		text := err.Error()
		if strings.Contains(text, "cannot unmarshal object") {
			text = "json: cannot unmarshal object into Go value of type []*api.EdrRule"
		}
		c.fail(text)
		return
	}
	var rules []storedRule
	for _, r := range docs {
		if r == nil {
			continue
		}
		stored := s.store(r)
		if stored.Broken != "" {
			c.fail(stored.Broken)
			return
		}
		if indexRule(s.st.Shown, r.Name) >= 0 && !c.flag("update") {
			c.fail("rule " + r.Name + " already exist, use update URL parameter to force update")
			return
		}
		rules = append(rules, stored)
	}
	out := []json.RawMessage{}
	for _, r := range rules {
		s.st.Shown = setRule(s.st.Shown, r)
		out = append(out, r.Doc)
	}
	s.st.Live = slices.Clone(s.st.Shown)
	s.emptyReports()
	if c.blocked() {
		return
	}
	c.ok(out)
}

// blocked answers when a rule without a schema keeps the engine from starting.
func (c *call) blocked() bool {
	for _, r := range c.s.st.Shown {
		if r.Schema1 {
			c.fail("failed to re-initialize engine due to error: fail to load rule " + r.Name + ": Expecting rule version >= 2.0.0")
			return true
		}
	}
	return false
}

func (c *call) deleteRule() {
	s := c.s
	name := c.get("name")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.is(Head) {
		out := []json.RawMessage{}
		if i := indexRule(s.st.Shown, name); i >= 0 {
			out = append(out, s.st.Shown[i].Doc)
			s.st.Shown = slices.Delete(slices.Clone(s.st.Shown), i, i+1)
			s.st.Live = slices.Clone(s.st.Shown)
			s.emptyReports()
		}
		if !c.blocked() {
			c.ok(out)
		}
		return
	}
	i := indexRule(s.st.Disk, name)
	if i < 0 && indexRule(s.st.Live, name) < 0 {
		c.fail(fmt.Sprintf("No such rule %q, doing nothing", name))
		return
	}
	if i >= 0 {
		s.st.Disk = slices.Delete(slices.Clone(s.st.Disk), i, i+1)
	}
	c.message("Rules updated succesfully, engine needs to be reloaded")
}

func (c *call) saveRules() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.st.Shown {
		s.st.Disk = setRule(s.st.Disk, r)
	}
	c.message("Rules saved succesfully on disk")
}

func (c *call) reloadRules() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.st.Disk {
		if r.Broken == "" && !r.Schema1 {
			continue
		}
		// Two envelopes, the second as if all were well (trap 20).
		c.fail(fmt.Sprintf("Failed to reload engine: Failed to load rule file %q: %s", "/var/lib/whids/data/rules/database.gen", r.Broken))
		c.ok(s.stats())
		return
	}
	s.st.Live = slices.Clone(s.st.Disk)
	s.st.Shown = slices.Clone(s.st.Disk)
	s.emptyReports()
	c.ok(s.stats())
}
