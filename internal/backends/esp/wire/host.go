package wire

import (
	"encoding/json"

	"github.com/edrctl/edrctl/internal/client/flex"
)

// Host is a host of 22 and 23.
type Host struct {
	ID             flex.String     `json:"id"`
	DisplayName    flex.String     `json:"display_name"`
	HostIdentifier flex.String     `json:"host_identifier"`
	OSInfo         json.RawMessage `json:"os_info"`
	NodeInfo       json.RawMessage `json:"node_info"`
	NetworkInfo    json.RawMessage `json:"network_info"` // list of interfaces, or {}
	HostDetails    json.RawMessage `json:"host_details"`
	Tags           json.RawMessage `json:"tags"`
	LastIP         flex.String     `json:"last_ip"`
	Platform       flex.String     `json:"platform"`
	IsActive       *flex.Bool      `json:"is_active"`
	AlertsCount    *flex.Int       `json:"alerts_count"`
	LastCheckin    flex.String     `json:"last_checkin"`
}

// OS is the os_info of a host.
type OS struct {
	Name     flex.String `json:"name"`
	Version  flex.String `json:"version"`
	Platform flex.String `json:"platform"`
}

// Identifier is what the answers name the host by.
func (h *Host) Identifier() string { return FirstOf(string(h.HostIdentifier), string(h.ID)) }

// Name is the host's name: the one it is shown by, its own, or its identifier.
func (h *Host) Name() string {
	name := string(h.DisplayName)
	if name == "" && KindOf(h.NodeInfo) == '{' {
		_ = EachMember(h.NodeInfo, func(member string, v []byte) error {
			if member == "computer_name" && name == "" {
				name = Scalar(v)
			}
			return nil
		})
	}
	return FirstOf(name, h.Identifier())
}
