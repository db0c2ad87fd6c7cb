package fake

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/lazyregexp"
)

// What only the newest manager has: users, IoCs, agent configuration, Sysmon
// configuration and tool binaries (docs/wire/gene.md 11).

type user struct {
	UUID        string `json:"uuid"`
	Identifier  string `json:"identifier"`
	Key         string `json:"key"`
	Group       string `json:"group"`
	Description string `json:"description"`
}

var wholeUUID = lazyregexp.New("^" + uuidExpr + "$")

func (c *call) listUsers() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.ok(c.s.st.Users)
}

func (c *call) putUser() { c.addUser(user{Identifier: c.get("identifier")}) }

func (c *call) postUsers() {
	body, ok := c.body()
	if !ok {
		return
	}
	var u user
	if err := json.Unmarshal(body, &u); err != nil {
		c.fail(err.Error())
		return
	}
	c.addUser(u)
}

func (c *call) addUser(u user) {
	s := c.s
	if u.Identifier == "" {
		c.fail("at least an identifier is needed to create user")
		return
	}
	if !wholeUUID.MatchString(u.UUID) {
		u.UUID = newUUID()
	}
	if u.Key == "" {
		u.Key = newKey()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.st.Users {
		if x.Identifier == u.Identifier || x.UUID == u.UUID || x.Key == u.Key {
			c.fail("user with same Identifier or Uuid or Key already exists in database")
			return
		}
	}
	s.st.Users = append(s.st.Users, u)
	c.ok(u)
}

// withUser runs f on the user of the path.
func (c *call) withUser(f func(i int)) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	i := slices.IndexFunc(c.s.st.Users, func(u user) bool { return u.UUID == c.uuid })
	if i < 0 {
		c.fail("unknown user for uuid: " + c.uuid)
		return
	}
	f(i)
}

func (c *call) getUser() { c.withUser(func(i int) { c.ok(c.s.st.Users[i]) }) }

func (c *call) postUser() {
	body, ok := c.body()
	if !ok {
		return
	}
	c.withUser(func(i int) {
		var in user
		if len(body) > 0 {
			if err := json.Unmarshal(body, &in); err != nil {
				c.fail(err.Error())
				return
			}
		}
		u := &c.s.st.Users[i]
		set := func(into *string, v string) {
			if v != "" {
				*into = v
			}
		}
		set(&u.Key, in.Key)
		set(&u.Group, in.Group)
		set(&u.Description, in.Description)
		if c.flag("newkey") {
			u.Key = newKey()
		}
		c.ok(*u)
	})
}

func (c *call) deleteUser() {
	c.withUser(func(i int) {
		u := c.s.st.Users[i]
		c.s.st.Users = slices.Delete(c.s.st.Users, i, i+1)
		c.ok(u)
	})
}

type ioc struct {
	UUID   string `json:"uuid"`
	GUUID  string `json:"guuid"`
	Source string `json:"source"`
	Value  string `json:"value"`
	Type   string `json:"type"`
}

var iocLength = map[string]int{"md5": 32, "sha1": 40, "sha256": 64, "imphash": 32, "domain": 0, "hostname": 0, "ip-dst": 0}

func (i *ioc) check() error {
	const bad = "ioc.IOC object is not valid: "
	i.Type = strings.ToLower(i.Type)
	length, known := iocLength[i.Type]
	if length > 0 {
		i.Value = strings.ToLower(i.Value)
	}
	switch {
	case !wholeUUID.MatchString(i.UUID):
		return fmt.Errorf(bad + "uuid field is not properly formatted")
	case !wholeUUID.MatchString(i.GUUID):
		return fmt.Errorf(bad + "group uuid field is not properly formatted")
	case i.Source == "":
		return fmt.Errorf(bad + "source must not be empty")
	case i.Value == "":
		return fmt.Errorf(bad + "value must not be empty")
	case !known:
		return fmt.Errorf(bad+"unknown IoC type %s", i.Type)
	}
	if length > 0 {
		if b, err := hex.DecodeString(i.Value); err != nil || len(b)*2 != length {
			return fmt.Errorf(bad+"%s not valid", i.Type)
		}
	}
	return nil
}

// criteria gives the pairs of wanted and actual values of the query.
func (c *call) criteria(i ioc) (matched, asked int) {
	for name, value := range map[string]string{"uuid": i.UUID, "guuid": i.GUUID, "source": i.Source, "value": i.Value, "type": i.Type} {
		if want := c.get(name); want != "" {
			asked++
			if want == value {
				matched++
			}
		}
	}
	return matched, asked
}

func (c *call) getIOCs() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	out := []ioc{}
	for _, i := range c.s.st.IOCs {
		if matched, asked := c.criteria(i); asked == 0 || matched > 0 { // ORed
			out = append(out, i)
		}
	}
	c.ok(out)
}

func (c *call) postIOCs() {
	body, ok := c.body()
	if !ok {
		return
	}
	if len(body) == 0 {
		c.ok(nil)
		return
	}
	var in []ioc
	if err := json.Unmarshal(body, &in); err != nil {
		text := err.Error()
		if strings.Contains(text, "cannot unmarshal object") {
			text = "json: cannot unmarshal object into Go value of type []*ioc.IOC"
		}
		c.fail(text)
		return
	}
	for i := range in {
		if err := in[i].check(); err != nil {
			c.fail(err.Error())
			return
		}
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for _, n := range in {
		list := c.s.st.IOCs
		if i := slices.IndexFunc(list, func(x ioc) bool { return x.UUID == n.UUID }); i >= 0 {
			list[i] = n
		} else {
			c.s.st.IOCs = append(list, n)
		}
	}
	c.ok(in)
}

func (c *call) deleteIOCs() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if _, asked := c.criteria(ioc{}); asked == 0 {
		c.ok(nil)
		return
	}
	gone, kept := []ioc{}, []ioc{}
	for _, i := range c.s.st.IOCs {
		if matched, asked := c.criteria(i); matched == asked { // ANDed
			gone = append(gone, i)
		} else {
			kept = append(kept, i)
		}
	}
	c.s.st.IOCs = kept
	c.ok(gone)
}

// config is the agent's configuration with the key inside it.
func (s *Server) config(m *machine) json.RawMessage {
	if doc, ok := s.st.Configs[key(m)]; ok {
		return doc
	}
	if m.Source < 0 || m.UUID == "" {
		return nil
	}
	o := object{}
	o.put("db-path", `C:\Program Files\Whids\Database`)
	o.put("criticality-treshold", 5)
	o.put("en-hooks", true)
	o.put("en-filters", true)
	o.put("logfile", `C:\Program Files\Whids\Logs\whids.log`)
	o.put("forwarder", map[string]any{"local": false, "manager": map[string]any{
		"proto": "https", "host": "manager.example", "port": 1519, "endpoint-uuid": m.UUID, "endpoint-key": m.Key,
	}})
	return o.done()
}

func (c *call) getConfig() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	m := c.find(false)
	if m == nil {
		return
	}
	doc := c.s.config(m)
	switch {
	case len(doc) == 0 || string(doc) == "null":
		c.ok(nil)
	case c.get("format") == "toml":
		c.ok("# agent configuration\ncriticality-treshold = 5\nen-hooks = true\nen-filters = true\n")
	default:
		c.ok(doc)
	}
}

func (c *call) postConfig() {
	body, ok := c.body()
	if !ok {
		return
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	m := c.find(false)
	if m == nil {
		return
	}
	doc := json.RawMessage(`{}`)
	if len(body) > 0 && c.get("format") != "toml" {
		var probe map[string]any
		if err := json.Unmarshal(body, &probe); err != nil {
			c.fail(err.Error())
			return
		}
		doc = body
	}
	c.s.st.Configs[key(m)] = doc
	c.ok(doc)
}

func (c *call) deleteConfig() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	m := c.find(false)
	if m == nil {
		return
	}
	c.s.st.Configs[key(m)] = json.RawMessage("null")
	c.ok(nil)
}

const noObject = "no object found"

func (c *call) getSysmon() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	doc, ok := c.s.st.Sysmon[c.args[0]+"/"+c.get("version")]
	if !ok {
		c.fail(noObject)
		return
	}
	c.ok(doc)
}

var schemaVersion = lazyregexp.New(`schemaversion="([^"]+)"`)

func (c *call) postSysmon() {
	body, ok := c.body()
	if !ok {
		return
	}
	if c.args[0] != "windows" {
		c.fail("sysmon.Config object is not valid: unknown OS " + c.args[0])
		return
	}
	version := ""
	doc := json.RawMessage(body)
	if c.get("format") == "xml" {
		m := schemaVersion.FindSubmatch(body)
		if m == nil {
			c.fail("XML syntax error on line 1: unexpected EOF")
			return
		}
		version = string(m[1])
		o := object{}
		o.put("schemaversion", version)
		o.put("HashAlgorithms", []string{"*"})
		doc = o.done()
	} else {
		var in struct {
			Version string `json:"schemaversion"`
		}
		if err := json.Unmarshal(body, &in); err != nil {
			c.fail(err.Error())
			return
		}
		version = in.Version
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.st.Sysmon[c.args[0]+"/"+version] = doc
	c.ok(doc)
}

func (c *call) deleteSysmon() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	k := c.args[0] + "/" + c.get("version")
	doc, ok := c.s.st.Sysmon[k]
	if !ok {
		c.fail(noObject)
		return
	}
	delete(c.s.st.Sysmon, k)
	c.ok(doc)
}

type tool struct {
	UUID   string `json:"uuid"`
	OS     string `json:"os"`
	Name   string `json:"name"`
	Binary []byte `json:"binary"`
}

func (t *tool) view(binary bool) json.RawMessage {
	m5, s1, s2, s5 := md5.Sum(t.Binary), sha1.Sum(t.Binary), sha256.Sum256(t.Binary), sha512.Sum512(t.Binary)
	o := object{}
	o.put("uuid", t.UUID)
	o.put("os", t.OS)
	o.put("name", t.Name)
	o.put("alias", t.Name)
	o.put("metadata", map[string]string{
		"md5": hex.EncodeToString(m5[:]), "sha1": hex.EncodeToString(s1[:]),
		"sha256": hex.EncodeToString(s2[:]), "sha512": hex.EncodeToString(s5[:]),
	})
	if binary {
		o.put("binary", t.Binary)
	}
	return o.done()
}

func (c *call) getTool() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	t := c.s.st.Tools[c.args[0]+"/"+c.args[1]]
	if t == nil {
		c.fail(noObject)
		return
	}
	c.ok(t.view(c.flag("binary")))
}

func (c *call) postTool() {
	body, ok := c.body()
	switch {
	case !ok:
		return
	case len(body) == 0:
		c.fail("empty content")
		return
	case c.args[0] != "windows":
		c.fail("tools.Tool object is not valid: unknown OS " + c.args[0])
		return
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	t := &tool{UUID: newUUID(), OS: c.args[0], Name: c.args[1], Binary: body}
	c.s.st.Tools[t.OS+"/"+t.Name] = t
	c.ok(t.view(false))
}

func (c *call) deleteTool() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	k := c.args[0] + "/" + c.args[1]
	t := c.s.st.Tools[k]
	if t == nil {
		c.fail(noObject)
		return
	}
	delete(c.s.st.Tools, k)
	c.ok(t.view(false))
}
