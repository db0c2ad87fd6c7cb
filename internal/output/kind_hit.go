package output

import "github.com/edrctl/edrctl/internal/model"

// KindHit is an indicator seen.
var KindHit = NewKind[model.Hit]("hit", []Column{
	{"last_seen", "LAST", AsTime, 0, 0},
	{"indicator.type", "TYPE", AsText, 0, 2},
	{"indicator.value", "INDICATOR", AsPath, 16, 0},
	{"host.name", "HOST", AsText, 8, 0},
	{"process.name", "PROCESS", AsText, 8, 1},
	{"file.path", "FILE", AsPath, 12, 3},
	{"count", "COUNT", AsNumber, 0, 4},
	{"backend", "BACKEND", AsBackend, 0, 0},
}, []Column{
	{"first_seen", "FIRST", AsTime, 0, 0},
	{"last_seen", "LAST", AsTime, 0, 0},
	{"indicator.type", "TYPE", AsText, 0, 0},
	{"indicator.value", "INDICATOR", AsPath, 16, 0},
	{"indicator.source", "SOURCE", AsText, 8, 3},
	{"host.name", "HOST", AsText, 8, 0},
	{"process.name", "PROCESS", AsText, 8, 0},
	{"process.pid", "PID", AsNumber, 0, 4},
	{"process.command_line", "COMMAND LINE", AsText, 16, 5},
	{"file.path", "FILE", AsPath, 12, 0},
	{"count", "COUNT", AsNumber, 0, 0},
	{"verdict", "VERDICT", AsState, 0, 2},
	{"backend", "BACKEND", AsBackend, 0, 0},
	{"evidence", "EVIDENCE", AsText, 12, 0},
})
