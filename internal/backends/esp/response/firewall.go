// Package response holds the requests of ESP's response actions, how they are
// built from a change, and how the server's records of them are read.
package response

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
)

// The words of firewall rules (§13), which are those of the Windows firewall.
const (
	DirectionIn  = "1"
	DirectionOut = "2"
	ProtocolAny  = "256"
	RuleGroup    = "edrctl"
	RuleIsolate  = "edrctl-isolate"
)

// The requests of 106 for rules, member by member as the document has them.
type (
	// Rule is a request to add a rule.
	Rule struct {
		Action      string `json:"action"`
		Actuator    string `json:"actuator_id"`
		Target      string `json:"target"`
		Name        string `json:"rule_name"`
		Group       string `json:"rule_group"`
		SrcPort     string `json:"src_port"`
		DstPort     string `json:"dst_port"`
		DstAddr     string `json:"dst_addr"`
		Application string `json:"application"`
		Direction   string `json:"direction"`
		Protocol    string `json:"layer4_protocol"`
	}
	// DeleteRule is a request to delete a rule.
	DeleteRule struct {
		Action   string `json:"action"`
		Actuator string `json:"actuator_id"`
		Target   string `json:"target"`
		Name     string `json:"rule_name"`
	}
)

// UndoneRules are the names the action that is taken back had given its
// rules; nil when they are not known.
func UndoneRules(c backends.Change) (names []string) {
	if c.Undo == nil {
		return nil
	}
	for _, n := range wire.SplitCSV(c.Undo.Details["rules"]) {
		if strings.HasPrefix(n, RuleGroup+"-") {
			names = append(names, n)
		}
	}
	return names
}

// BlockRules are the firewall rules for an address or a program. Their names
// follow from what they block, so that unblock finds them without a memory.
func BlockRules(c backends.Change) ([]Rule, error) {
	var r Rule
	slug := ""
	switch {
	case c.Address != "":
		addr, err := netip.ParseAddr(c.Address)
		if err == nil {
			r.DstAddr = addr.Unmap().String()
		} else if pre, perr := netip.ParsePrefix(c.Address); perr == nil {
			r.DstAddr = pre.Masked().String()
		} else {
			return nil, Invalid("the Windows firewall takes addresses and ranges, not " + strconv.Quote(c.Address))
		}
		slug = r.DstAddr
	case c.Program == "":
		return nil, Invalid("it needs an address or a program")
	}
	if c.Program != "" {
		if strings.ContainsAny(c.Program, "\r\n\x00") {
			return nil, Invalid("the program is not a path")
		}
		r.Application = c.Program
		sum := sha256.Sum256([]byte(strings.ToLower(c.Program)))
		slug = strings.Trim(slug+"-"+hex.EncodeToString(sum[:4]), "-")
	}
	protocol := strings.ToLower(c.Params["protocol"])
	if c.Port != 0 {
		if c.Port < 0 || c.Port > 65535 {
			return nil, Invalid("the port is none")
		}
		r.DstPort = strconv.Itoa(c.Port)
		if protocol == "" {
			protocol = "tcp" // the firewall takes ports with a protocol only
		}
		slug += "-" + r.DstPort
	}
	number, known := map[string]string{"": ProtocolAny, "any": ProtocolAny, "tcp": "6", "udp": "17"}[protocol]
	if !known || number == ProtocolAny && c.Port != 0 {
		return nil, Invalid("the protocol is tcp or udp, or any without a port")
	}
	r.Protocol = number
	if number != ProtocolAny {
		slug += "-" + protocol
	}
	name := RuleGroup + "-block-" + slug
	in, out := r, r
	in.Direction, in.Name = DirectionIn, name+"-in"
	out.Direction, out.Name = DirectionOut, name+"-out"
	switch c.Params["direction"] {
	case "", "out":
		return []Rule{out}, nil
	case "in":
		return []Rule{in}, nil
	case "both":
		return []Rule{in, out}, nil
	}
	return nil, Invalid("the direction is out, in or both")
}

// RuleObject says what a rule of the firewall is about.
func RuleObject(c backends.Change) string {
	s := c.Address
	if c.Port != 0 {
		s += " port " + strconv.Itoa(c.Port)
	}
	if c.Program != "" {
		s = strings.TrimSpace(c.Program + " " + s)
	}
	return s + " in the host's Windows firewall"
}
