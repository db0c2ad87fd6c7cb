package rules

import "github.com/edrctl/edrctl/internal/model"

// EventType is one base_event_type: its name in q and the kind it is read as.
type EventType struct {
	Name string
	Kind model.Kind
}

// EventTypes by number, 1 to 22 (docs/wire/cwatch.md 4.1).
var EventTypes = [...]EventType{
	1:  {"Create Process", model.KindProcessStart},
	2:  {"Network Listen", model.KindNetworkListen},
	3:  {"Network Connection", model.KindNetworkConnect},
	4:  {"Delete Registry Key", model.KindRegistryDelete},
	5:  {"Delete Registry Value", model.KindRegistryDelete},
	6:  {"Set Registry Value", model.KindRegistrySet},
	7:  {"Write File", model.KindFileWrite},
	8:  {"Delete File", model.KindFileDelete},
	9:  {"Browser Download", model.KindFileDownload},
	10: {"File Copy from Shared Folder", model.KindFileCopy},
	11: {"File Copy from USB Disk", model.KindFileCopy},
	12: {"Email Download", model.KindFileDownload},
	13: {"File Copy to Shared Folder", model.KindFileCopy},
	14: {"File Copy to USB Disk", model.KindFileCopy},
	15: {"Access Raw Disk", model.KindDeviceAccess},
	16: {"Access Keyboard", model.KindDeviceAccess},
	17: {"Access Screen", model.KindDeviceAccess},
	18: {"Set Windows Hook", model.KindHook},
	19: {"Virtual Memory Access", model.KindProcessAccess},
	20: {"Access Microphone", model.KindDeviceAccess},
	21: {"Code Injection", model.KindProcessInject},
	22: {"Open Process", model.KindProcessAccess},
}

// Misspelled is how the vendor's document spells number 10; a server may know
// only that (docs/wire/cwatch.md 4.1).
const Misspelled = "File Copy from hared Folder"

// NamesOf gives the base event types read as kind.
func NamesOf(kind model.Kind) []string {
	var out []string
	for _, b := range EventTypes {
		if b.Name != "" && b.Kind == kind {
			out = append(out, b.Name)
		}
	}
	return out
}
