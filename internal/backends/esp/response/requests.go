package response

import (
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
)

// Invalid is a value of a change the server cannot take.
func Invalid(why string) error { return &backends.Error{Kind: backends.KindInvalid, Why: why} }

// The requests of 105-112, member by member as the vendor's document has them.
type (
	// DeleteFile is a request to delete a file.
	DeleteFile struct {
		Action   string `json:"action"`
		Actuator string `json:"actuator_id"`
		Target   string `json:"target"`
		FileName string `json:"file_name"`
		FileHash string `json:"file_hash,omitempty"`
	}
	// StopProcess is a request to end a process.
	StopProcess struct {
		Action   string `json:"action"`
		Actuator string `json:"actuator_id"`
		Target   string `json:"target"`
		Name     string `json:"process_name,omitempty"`
		PID      string `json:"pid"`
	}
	// Scan is a request to scan.
	Scan struct {
		HostIdentifier string `json:"host_identifier"`
		ScanType       int    `json:"scan_type"`
		FilePath       string `json:"file_path"`
	}
	// Cancel is a request to cancel an action.
	Cancel struct {
		CommandID string `json:"command_id"`
	}
)

// IsActionNumber tells the number of an action from a command's id.
func IsActionNumber(s string) bool { return wire.IsNumber(s) && s != "0" }

// IsCommandID tells whether s may stand in the path of 103: 32 hex digits in
// every example, but no promise.
func IsCommandID(s string) bool {
	return len(s) > 18 && len(s) <= 64 && isPlain(s, "") && !strings.ContainsAny(s, "./:")
}

// CommandIDs are the commands of the action to cancel.
func CommandIDs(c backends.Change) (out []string) {
	ids := strings.Split(c.ActionID, "+")
	for _, id := range ids {
		if IsActionNumber(id) && c.Undo != nil && len(ids) == 1 {
			id = c.Undo.Details["command_id"]
		}
		if !IsCommandID(id) {
			return nil
		}
		out = append(out, id)
	}
	return out
}
