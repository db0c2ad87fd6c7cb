package gene

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
)

// planToolSet stores the program that agents install and run.
func (d *Driver) planToolSet(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	content := given(c, "binary")
	if len(content) == 0 {
		return nil, backends.Invalid(what, "the program is empty")
	}
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:])
	var has struct {
		Metadata struct {
			SHA256 string `json:"sha256"`
		} `json:"metadata"`
	}
	req, err := backends.Build(c)
	if err != nil {
		return nil, err
	}
	if _, err := d.get(ctx, req.Path, nil, &has); err != nil && !noObject(err) {
		return nil, err
	}
	tool, _, _ := strings.Cut(c.Op.Name, ".")
	p, err := onePlan(c, fmt.Sprintf("stores a %s of %d bytes, sha256 %s: every agent installs and runs it", tool, len(content), hash))
	if err != nil {
		return nil, err
	}
	switch {
	case has.Metadata.SHA256 == hash:
		p.nothing = "the manager keeps exactly this program"
	case has.Metadata.SHA256 != "":
		p.warnings = append(p.warnings, "it replaces the one with sha256 "+has.Metadata.SHA256)
	}
	if !bytes.HasPrefix(content, []byte("MZ")) {
		p.warnings = append(p.warnings, "it is no Windows program (it does not begin with MZ)")
	}
	p.check = func(data json.RawMessage) error {
		if json.Unmarshal(data, &has) != nil || has.Metadata.SHA256 != hash {
			return &backends.Error{What: what, Why: "the manager took it, but keeps something else: its sha256 is not " + hash}
		}
		return nil
	}
	return p, nil
}

func noObject(err error) bool { return err != nil && strings.Contains(err.Error(), "no object found") }

// planStoredDelete deletes what the manager keeps for agents, when it does.
func (d *Driver) planStoredDelete(ctx context.Context, _ string, c backends.Call) (*callPlan, error) {
	p, err := onePlan(c, "deletes what the manager keeps under "+c.Op.Path)
	if err != nil {
		return nil, err
	}
	var doc json.RawMessage
	req := p.steps[0].req
	p.summary = "deletes it from the manager (" + req.Path + ")"
	if _, err := d.get(ctx, req.Path, req.Query, &doc); noObject(err) {
		p.nothing = "the manager keeps none"
	} else if err != nil {
		return nil, err
	}
	return p, nil
}

// planSysmonSet stores a Sysmon configuration, which agents install.
func (d *Driver) planSysmonSet(_ context.Context, what string, c backends.Call) (*callPlan, error) {
	text := bytes.TrimSpace(given(c, "config"))
	if len(text) == 0 {
		return nil, backends.Invalid(what, "the configuration is empty")
	}
	if c.Args["format"] == nil && text[0] == '<' {
		c.Args["format"] = "xml"
	}
	version := ""
	if backends.Text(c.Args["format"]) == "xml" {
		var err error
		if version, err = wire.SysmonVersion(text); err != nil {
			return nil, backends.Invalid(what, err.Error())
		}
		c.Type = "application/xml"
	} else {
		var doc struct {
			Version string `json:"schemaversion"`
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			return nil, backends.Invalid(what, "it is neither XML nor a JSON object")
		}
		if version = doc.Version; version == "" {
			return nil, backends.Invalid(what, "it has no schemaversion, under which it could be read again")
		}
	}
	delete(c.Args, "config")
	c.Body = text
	return onePlan(c, "stores the Sysmon configuration of schema "+version+": agents install it")
}
