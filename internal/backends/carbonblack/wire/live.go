package wire

import (
	"fmt"
	"strings"
)

// CommandRequest is the body of POST …/command.
type CommandRequest struct {
	SessionID        string `json:"session_id"`
	Name             string `json:"name"`
	Object           any    `json:"object,omitempty"`
	Wait             bool   `json:"wait,omitempty"`
	OutputFile       string `json:"output_file,omitempty"`
	WorkingDirectory string `json:"working_directory,omitempty"`
	Offset           *int64 `json:"offset,omitempty"`
	GetCount         *int64 `json:"get_count,omitempty"`
	FileID           any    `json:"file_id,omitempty"` // a number; in a preview "…"
	Compress         bool   `json:"compress,omitempty"`
}

// CancelRequest is the body of PUT …/command/{id}.
type CancelRequest struct {
	CmdID int64 `json:"cmdid"`
}

// Command is a command and what it gave (§9.3, §9.4).
type Command struct {
	ID             Int                   `json:"id"`
	SessionID      Text                  `json:"session_id"`
	SensorID       Int                   `json:"sensor_id"`
	Name           Text                  `json:"name"`
	Status         Text                  `json:"status"`
	Object         Text                  `json:"object"`
	Obj            Object[CommandObject] `json:"obj"`
	CreateTime     Int                   `json:"create_time"`
	CompletionTime Int                   `json:"completion_time"`
	ResultCode     Int                   `json:"result_code"`
	ResultType     Text                  `json:"result_type"`
	ResultDesc     Text                  `json:"result_desc"`
	FileID         Int                   `json:"file_id"`
	Processes      List[LiveProcess]     `json:"processes"`
	PID            Int                   `json:"pid"`
	ReturnCode     Int                   `json:"return_code"`
	PercentDone    Int                   `json:"percentdone"`
}

// CommandObject is where Cb Defense keeps the operand (§9.4).
type CommandObject struct {
	Object Text `json:"object"`
}

// LiveProcess is a row of process list; create_time is in seconds.
type LiveProcess struct {
	PID         Int  `json:"pid"`
	Parent      Int  `json:"parent"`
	Path        Text `json:"path"`
	CommandLine Text `json:"command_line"`
	UserName    Text `json:"username"`
	CreateTime  Int  `json:"create_time"`
}

// Operand is what the command works on: a path, a pid, a command line.
func (w *Command) Operand() string {
	if w.Object != "" {
		return string(w.Object)
	}
	return string(First(w.Obj.V).Object)
}

// The errors a sensor reports most, by HRESULT.
var hresults = map[uint32]string{
	0x80004005: "unspecified failure",
	0x80070002: "no such file or process",
	0x80070003: "no such directory",
	0x80070005: "access denied",
	0x80070006: "the handle is invalid",
	0x8007000D: "the data is invalid",
	0x8007000E: "out of memory",
	0x80070020: "the file is in use by another process",
	0x80070021: "the file is locked by another process",
	0x80070035: "the network path was not found",
	0x80070050: "the file exists already",
	0x80070057: "the sensor does not take this value, or there is no such process",
	0x80070070: "the disk is full",
	0x8007007B: "this is not a valid name",
	0x80070091: "the directory is not empty",
	0x800700B7: "it exists already",
	0x800700C1: "not a valid program",
	0x800702E4: "elevation is needed",
	0x800705B4: "timed out",
}

// Failure says why a command failed. The code comes signed or unsigned (§9.4).
func (w *Command) Failure() string {
	code := uint32(w.ResultCode.N) // an HRESULT is 32 bits, whatever its sign
	desc := strings.TrimRight(string(w.ResultDesc), ". ")
	if code == 0 {
		if desc == "" {
			return "the sensor reported an error without a reason"
		}
		return desc
	}
	known := hresults[code]
	switch {
	case known == "" && desc == "":
		known = "the sensor reported an error"
	case known == "":
		known = desc
	case desc != "" && !strings.EqualFold(desc, known):
		known += ": " + desc
	}
	return fmt.Sprintf("%s (0x%08X)", known, code)
}

// Session is a session (§9.2). Times out are seconds.
type Session struct {
	ID                Text  `json:"id"`
	SensorID          Int   `json:"sensor_id"`
	Status            Text  `json:"status"`
	SupportedCommands Texts `json:"supported_commands"`
	SessionTimeout    Int   `json:"session_timeout"`
	CommandIndex      Int   `json:"current_command_index"`
	CreateTime        Int   `json:"create_time"`
}

// Is reports whether the session has a status, in any case.
func (w *Session) Is(status string) bool { return strings.EqualFold(string(w.Status), status) }

// Over reports whether a session will not become active any more.
func (w *Session) Over() bool {
	return w.Is("CLOSE") || w.Is("CLOSED") || w.Is("ERROR") || w.Is("TIMEOUT")
}

// OpenSession is the body of POST /cblr/session/{deviceId}.
type OpenSession struct {
	SensorID int64 `json:"sensor_id"`
}

// CloseSession is the body of PUT /cblr/session.
type CloseSession struct {
	SessionID string `json:"session_id"`
	Status    string `json:"status"`
}

// A collected file lies in its live response session and is gone with it. Its
// id says where: <session>.<command>.<file>.

// File is a file of a session (§9.5).
type File struct {
	ID           Int  `json:"id"`
	FileName     Text `json:"file_name"` // its path on the device
	Size         Int  `json:"size"`
	SizeUploaded Int  `json:"size_uploaded"`
	Status       Int  `json:"status"`
}
