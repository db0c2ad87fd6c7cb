package carbonblack

import (
	"fmt"
	"strings"
)

// order is the body of POST …/command.
type order struct {
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

// cancelOrder is the body of PUT …/command/{id}.
type cancelOrder struct {
	CmdID int64 `json:"cmdid"`
}

// wireCommand is a command and what it gave (§9.3, §9.4).
type wireCommand struct {
	ID             whole                 `json:"id"`
	SessionID      text                  `json:"session_id"`
	SensorID       whole                 `json:"sensor_id"`
	Name           text                  `json:"name"`
	Status         text                  `json:"status"`
	Object         text                  `json:"object"`
	Obj            object[wireObj]       `json:"obj"`
	CreateTime     whole                 `json:"create_time"`
	CompletionTime whole                 `json:"completion_time"`
	ResultCode     whole                 `json:"result_code"`
	ResultType     text                  `json:"result_type"`
	ResultDesc     text                  `json:"result_desc"`
	FileID         whole                 `json:"file_id"`
	Processes      list[wireLiveProcess] `json:"processes"`
	PID            whole                 `json:"pid"`
	ReturnCode     whole                 `json:"return_code"`
	PercentDone    whole                 `json:"percentdone"`
}

// wireObj is where Cb Defense keeps the operand (§9.4).
type wireObj struct {
	Object text `json:"object"`
}

// wireLiveProcess is a row of process list; create_time is in seconds.
type wireLiveProcess struct {
	PID         whole `json:"pid"`
	Parent      whole `json:"parent"`
	Path        text  `json:"path"`
	CommandLine text  `json:"command_line"`
	UserName    text  `json:"username"`
	CreateTime  whole `json:"create_time"`
}

func (w *wireCommand) operand() string {
	if w.Object != "" {
		return string(w.Object)
	}
	return string(first(w.Obj.v).Object)
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
	0x8007007B: "this is no valid name",
	0x80070091: "the directory is not empty",
	0x800700B7: "it exists already",
	0x800700C1: "not a valid program",
	0x800702E4: "elevation is needed",
	0x800705B4: "timed out",
}

// failure says why a command failed. The code comes signed or unsigned (§9.4).
func (w *wireCommand) failure() string {
	code := uint32(w.ResultCode.n) // an HRESULT is 32 bits, whatever its sign
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

// wireSession is a session (§9.2). Times out are seconds.
type wireSession struct {
	ID                text  `json:"id"`
	SensorID          whole `json:"sensor_id"`
	Status            text  `json:"status"`
	SupportedCommands texts `json:"supported_commands"`
	SessionTimeout    whole `json:"session_timeout"`
	CommandIndex      whole `json:"current_command_index"`
	CreateTime        whole `json:"create_time"`
}

func (w *wireSession) is(status string) bool { return strings.EqualFold(string(w.Status), status) }

// over tells whether a session will not become active any more.
func (w *wireSession) over() bool {
	return w.is("CLOSE") || w.is("CLOSED") || w.is("ERROR") || w.is("TIMEOUT")
}

// sessionOpen is the body of POST /cblr/session/{deviceId}.
type sessionOpen struct {
	SensorID int64 `json:"sensor_id"`
}

// sessionClose is the body of PUT /cblr/session.
type sessionClose struct {
	SessionID string `json:"session_id"`
	Status    string `json:"status"`
}

// A collected file lies in its live response session and is gone with it. Its
// id says where: <session>.<command>.<file>.

// wireFile is a file of a session (§9.5).
type wireFile struct {
	ID           whole `json:"id"`
	FileName     text  `json:"file_name"` // its path on the device
	Size         whole `json:"size"`
	SizeUploaded whole `json:"size_uploaded"`
	Status       whole `json:"status"`
}
