package esp

import (
	"strings"

	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// actions are the words of the agents' action column (docs/formats.md 3.1).
var actions = map[string]model.Kind{
	"PROC_CREATE": model.KindProcessStart, "PROC_TERMINATE": model.KindProcessEnd,
	"PROC_OPEN": model.KindProcessAccess, "PROC_ACCESS": model.KindProcessAccess,
	"REMOTE_THREAD": model.KindProcessInject, "REMOTE_THREAD_CREATE": model.KindProcessInject, "THREAD_CREATE_REMOTE": model.KindProcessInject,
	"FILE_CREATE": model.KindFileCreate, "FILE_WRITE": model.KindFileWrite, "FILE_DELETE": model.KindFileDelete,
	"FILE_READ": model.KindFileRead, "FILE_OPEN": model.KindFileRead, "FILE_RENAME": model.KindFileRename, "FILE_COPY": model.KindFileCopy,
	"FILE_TIMESTOMP": model.KindFileWrite, "TIMESTOMP": model.KindFileWrite, "PEFILE": model.KindFileCreate,
	"SOCKET_CONNECT": model.KindNetworkConnect, "SOCKET_ACCEPT": model.KindNetworkConnect,
	"SOCKET_LISTEN": model.KindNetworkListen, "SOCKET_BIND": model.KindNetworkListen,
	"HTTP_REQUEST": model.KindNetworkConnect, "SSL_CONNECT": model.KindNetworkConnect,
	"DNS_LOOKUP": model.KindDNSQuery, "DNS_RESPONSE": model.KindDNSQuery,
	"REG_SETVALUE": model.KindRegistrySet, "REG_RENAME": model.KindRegistrySet,
	"REG_CREATE": model.KindRegistryCreate, "REG_CREATEKEY": model.KindRegistryCreate,
	"REG_DELETE": model.KindRegistryDelete, "REG_DELETEKEY": model.KindRegistryDelete, "REG_DELETEVALUE": model.KindRegistryDelete,
	"IMAGE_LOAD": model.KindModuleLoad, "DRIVER_LOAD": model.KindDriverLoad,
	"REMOVABLE_MEDIA_ADD": model.KindDeviceAccess, "MEDIA_INSERTED": model.KindDeviceAccess,
}

// fileActions are osquery's own words in file_events.
var fileActions = map[string]model.Kind{
	"CREATED": model.KindFileCreate, "MOVED_TO": model.KindFileCreate, "UPDATED": model.KindFileWrite,
	"ATTRIBUTES_MODIFIED": model.KindFileWrite, "DELETED": model.KindFileDelete, "MOVED_FROM": model.KindFileDelete,
	"ACCESSED": model.KindFileRead, "OPENED": model.KindFileRead,
}

// socketActions are osquery's own words in socket_events.
var socketActions = map[string]model.Kind{
	"CONNECT": model.KindNetworkConnect, "ACCEPT": model.KindNetworkConnect, "ACCEPT4": model.KindNetworkConnect,
	"BIND": model.KindNetworkListen, "LISTEN": model.KindNetworkListen,
}

// eventClasses are the classes of the combined tables windows_events and
// windows_real_time_events (docs/wire/esp.md §7).
var eventClasses = map[string]model.Kind{
	"1": model.KindFileWrite, "2": model.KindProcessStart, "8": model.KindNetworkConnect, "9": model.KindNetworkConnect,
	"10": model.KindNetworkConnect, "11": model.KindDNSQuery, "12": model.KindDNSQuery, "13": model.KindRegistrySet,
	"16": model.KindFileWrite, "17": model.KindFileCreate, "18": model.KindOther,
}

// tables maps a part of a table's name to a kind, the most telling first.
var tables = []struct {
	part string
	kind model.Kind
}{
	{"process_open_events", model.KindProcessAccess},
	{"remote_thread_events", model.KindProcessInject},
	{"image_load_events", model.KindModuleLoad},
	{"image_load_process_map", model.KindModuleLoad},
	{"dns_events", model.KindDNSQuery},
	{"dns_response_events", model.KindDNSQuery},
	{"dns_lookup_events", model.KindDNSQuery},
	{"registry_events", model.KindRegistrySet},
	{"pefile_events", model.KindFileCreate},
	{"file_timestomp_events", model.KindFileWrite},
	{"file_events", model.KindFileWrite},
	{"http_events", model.KindNetworkConnect},
	{"ssl_events", model.KindNetworkConnect},
	{"socket_events", model.KindNetworkConnect},
	{"removable_media_events", model.KindDeviceAccess},
	{"hardware_events", model.KindDeviceAccess},
	{"process_events", model.KindProcessStart},
}

// kindOfRow reads what happened from the table a query reads (its name, with
// any pack prefix) and the row's own action; snapshot rows are inventory.
func kindOfRow(table, rowAction string, c *wire.Cells) model.Kind {
	table = strings.ToLower(table)
	if strings.EqualFold(rowAction, "snapshot") || !c.IsEvent(table) {
		return model.KindInventory
	}
	act := c.Action
	if k, ok := actions[act]; ok {
		return k
	}
	act = strings.ToUpper(act)
	if k, ok := actions[act]; ok {
		return k
	}
	for _, t := range tables {
		if !strings.Contains(table, t.part) {
			continue
		}
		switch t.part {
		case "file_events":
			if k, ok := fileActions[act]; ok {
				return k
			}
		case "socket_events":
			if k, ok := socketActions[act]; ok {
				return k
			}
			if act == "CLOSE" || act == "SOCKET_CLOSE" {
				return model.KindOther
			}
		}
		return t.kind
	}
	if k, ok := eventClasses[c.EventID]; ok {
		return k
	}
	return model.KindOther
}
