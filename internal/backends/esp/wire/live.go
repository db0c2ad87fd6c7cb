package wire

import (
	"encoding/json"

	"github.com/edrctl/edrctl/internal/client/flex"
)

// LiveRequest is 47: a query for hosts that are online.
type LiveRequest struct {
	Query       string `json:"query"`
	Nodes       string `json:"nodes,omitempty"`
	Tags        string `json:"tags,omitempty"`
	Description string `json:"description,omitempty"`
}

// LiveStarted is the answer to 47.
type LiveStarted struct {
	QueryID flex.String `json:"query_id"`
	Online  []LiveNode  `json:"online_nodes_details"`
}

// LiveNode is a host that was online when a query was sent.
type LiveNode struct {
	HostIdentifier flex.String `json:"host_identifier"`
	Hostname       flex.String `json:"hostname"`
	NodeID         flex.String `json:"node_id"`
}

// LiveAnswer is one host's answer.
type LiveAnswer struct {
	Node struct {
		ID             flex.String `json:"id"`
		Name           flex.String `json:"name"`
		HostIdentifier flex.String `json:"host_identifier"`
	} `json:"node"`
	Data    json.RawMessage `json:"data"`
	QueryID flex.String     `json:"query_id"`
	Status  flex.Int        `json:"status"`
	Message flex.String     `json:"message"`
}

// Rows reads the rows of the answer; a query that failed has none.
func (f *LiveAnswer) Rows() ([]map[string]any, error) {
	out := []map[string]any{}
	if KindOf(f.Data) != '[' {
		return out, nil // "" when the query failed
	}
	err := EachElement(f.Data, func(v []byte) error {
		row := map[string]any{}
		err := EachMember(v, func(name string, v []byte) error {
			switch KindOf(v) {
			case 'n':
				row[name] = nil
			case '{', '[':
				row[name] = append(json.RawMessage(nil), v...)
			default:
				row[name] = Scalar(v)
			}
			return nil
		})
		out = append(out, row)
		return err
	})
	return out, err
}
