package esp

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
)

// The words of firewall rules (§13), which are those of the Windows firewall.
const (
	directionIn, directionOut = "1", "2"
	protocolAny               = "256"
	ruleGroup                 = "edrctl"
	ruleIsolate               = "edrctl-isolate"
)

// The requests of 106 for rules, member by member as the document has them.
type (
	openC2Rule struct {
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
	openC2RuleDelete struct {
		Action   string `json:"action"`
		Actuator string `json:"actuator_id"`
		Target   string `json:"target"`
		Name     string `json:"rule_name"`
	}
)

func blockOrder(c backends.Change, r openC2Rule) order {
	r.Action, r.Actuator, r.Target, r.Group = "contain", c.Host.ID, "ip_connection", ruleGroup
	if r.Protocol == "" {
		r.Protocol = protocolAny
	}
	return order{http.MethodPost, "/response/add", r}
}

func deleteRules(c backends.Change, names []string) (out []order) {
	for _, n := range names {
		out = append(out, order{http.MethodPost, "/response/add", openC2RuleDelete{"delete", c.Host.ID, "ip_connection", n}})
	}
	return out
}

// ruleNames are the rules a change adds, for whoever takes it back.
func ruleNames(orders []order) (names []string) {
	for _, o := range orders {
		if r, ok := o.body.(openC2Rule); ok {
			names = append(names, r.Name)
		}
	}
	return names
}

// undoneRules are the names the action that is taken back had given its
// rules; nil when they are not known.
func undoneRules(c backends.Change) (names []string) {
	if c.Undo == nil {
		return nil
	}
	for _, n := range csvTexts(c.Undo.Details["rules"]) {
		if strings.HasPrefix(n, ruleGroup+"-") {
			names = append(names, n)
		}
	}
	return names
}

// blockRules are the firewall rules for an address or a program. Their names
// follow from what they block, so that unblock finds them without a memory.
func blockRules(c backends.Change) ([]openC2Rule, error) {
	var r openC2Rule
	slug := ""
	switch {
	case c.Address != "":
		addr, err := netip.ParseAddr(c.Address)
		if err == nil {
			r.DstAddr = addr.Unmap().String()
		} else if pre, perr := netip.ParsePrefix(c.Address); perr == nil {
			r.DstAddr = pre.Masked().String()
		} else {
			return nil, wrong("the Windows firewall takes addresses and ranges, not " + strconv.Quote(c.Address))
		}
		slug = r.DstAddr
	case c.Program == "":
		return nil, wrong("it needs an address or a program")
	}
	if c.Program != "" {
		if strings.ContainsAny(c.Program, "\r\n\x00") {
			return nil, wrong("the program is no path")
		}
		r.Application = c.Program
		sum := sha256.Sum256([]byte(strings.ToLower(c.Program)))
		slug = strings.Trim(slug+"-"+hex.EncodeToString(sum[:4]), "-")
	}
	protocol := strings.ToLower(c.Params["protocol"])
	if c.Port != 0 {
		if c.Port < 0 || c.Port > 65535 {
			return nil, wrong("the port is none")
		}
		r.DstPort = strconv.Itoa(c.Port)
		if protocol == "" {
			protocol = "tcp" // the firewall takes ports with a protocol only
		}
		slug += "-" + r.DstPort
	}
	number, known := map[string]string{"": protocolAny, "any": protocolAny, "tcp": "6", "udp": "17"}[protocol]
	if !known || number == protocolAny && c.Port != 0 {
		return nil, wrong("the protocol is tcp or udp, or any without a port")
	}
	r.Protocol = number
	if number != protocolAny {
		slug += "-" + protocol
	}
	name := ruleGroup + "-block-" + slug
	in, out := r, r
	in.Direction, in.Name = directionIn, name+"-in"
	out.Direction, out.Name = directionOut, name+"-out"
	switch c.Params["direction"] {
	case "", "out":
		return []openC2Rule{out}, nil
	case "in":
		return []openC2Rule{in}, nil
	case "both":
		return []openC2Rule{in, out}, nil
	}
	return nil, wrong("the direction is out, in or both")
}

func ruleObject(c backends.Change) string {
	s := c.Address
	if c.Port != 0 {
		s += " port " + strconv.Itoa(c.Port)
	}
	if c.Program != "" {
		s = strings.TrimSpace(c.Program + " " + s)
	}
	return s + " in the host's Windows firewall"
}
