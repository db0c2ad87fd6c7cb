package esp

import (
	"github.com/edrctl/edrctl/internal/backends"
)

// fields says which fields of the model this driver fills; backends.Fields has
// the form. TestFields compares it with records of the demo, of recordings and
// of real telemetry, and writes it with -update-fields.
var fields = []backends.Fields{
	{
		Record: "alert",
		Always: `category event_count event_ids host.id host.name id risk score score_native.label
			score_native.scale severity source status status_native time title user.name verdict`,
		Sometimes: `ancestors attack description indicators process.command_line process.hash.md5
			process.hash.sha256 process.id process.name process.parent.name process.parent.path
			process.parent.pid process.parent.uid process.path process.pid process.started process.uid
			process.user.domain process.user.name rule.id rule.name user.domain`,
	},
	{
		Record: "event", Kind: "dns_query",
		Always: `action dns.question.name dns.question.type host.id host.name id kind process.name process.path
			process.pid process.user.name summary time user.name`,
		Sometimes: `process.id process.uid process.user.domain user.domain`,
	},
	{
		Record: "event", Kind: "file_create",
		Always: `action file.hash.md5 file.hash.sha1 file.hash.sha256 file.name file.path file.size host.id
			host.name id kind process.name process.path process.pid process.user.name summary time user.name`,
		Sometimes: `file.old_path process.id process.uid process.user.domain user.domain`,
	},
	{
		Record: "event", Kind: "file_delete",
		Always: `action file.hash.md5 file.hash.sha1 file.hash.sha256 file.name file.path file.size host.id
			host.name id kind process.name process.path process.pid process.user.name summary time user.name`,
		Sometimes: `process.id process.uid process.user.domain user.domain`,
	},
	{
		Record: "event", Kind: "file_write",
		Always: `action file.hash.md5 file.hash.sha1 file.hash.sha256 file.name file.path file.size host.id
			host.name id kind process.name process.path process.pid process.user.name summary time user.name`,
		Sometimes: `process.id process.uid process.user.domain user.domain`,
	},
	{
		Record: "event", Kind: "module_load",
		Always: `action host.id host.name id kind module.hash.sha256 module.path process.id process.name
			process.path process.pid process.uid process.user.domain process.user.name summary time
			user.domain user.name`,
		Sometimes: ``,
	},
	{
		Record: "event", Kind: "network_connect",
		Always: `action host.id host.name id kind network.destination.ip network.destination.port
			network.direction network.source.ip network.source.port network.transport process.name
			process.path process.pid process.user.name summary time user.name`,
		Sometimes: `network.destination.domain process.id process.uid process.user.domain user.domain`,
	},
	{
		Record: "event", Kind: "network_listen",
		Always: `action host.id host.name id kind network.destination.ip network.destination.port
			network.transport process.name process.path process.pid process.user.name summary time user.name`,
		Sometimes: `process.id process.uid process.user.domain user.domain`,
	},
	{
		Record: "event", Kind: "process_access",
		Always: `id kind time`,
		Sometimes: `action host.id host.name process.id process.name process.path process.pid process.uid
			process.user.domain process.user.name summary target.id target.name target.path target.pid
			target.uid user.domain user.name`,
	},
	{
		Record: "event", Kind: "process_end",
		Always: `action host.id host.name id kind process.command_line process.ended process.hash.md5
			process.hash.sha256 process.name process.parent.name process.parent.path process.parent.pid
			process.path process.pid process.user.name summary time user.name`,
		Sometimes: `process.id process.parent.uid process.uid process.user.domain process.working_directory
			user.domain`,
	},
	{
		Record: "event", Kind: "process_inject",
		Always: `id kind time`,
		Sometimes: `action host.id host.name process.id process.name process.path process.pid process.uid
			process.user.domain process.user.name summary target.id target.name target.path target.pid
			target.uid user.domain user.name`,
	},
	{
		Record: "event", Kind: "process_start",
		Always: `action host.id host.name id kind process.command_line process.hash.md5 process.hash.sha256
			process.id process.name process.parent.name process.parent.path process.parent.pid process.path
			process.pid process.started process.uid process.user.name summary time user.name`,
		Sometimes: `process.parent.uid process.user.domain process.working_directory user.domain`,
	},
	{
		Record: "event", Kind: "registry_create",
		Always: `action host.id host.name id kind process.id process.name process.path process.pid process.uid
			process.user.domain process.user.name registry.path registry.value summary time user.domain
			user.name`,
		Sometimes: ``,
	},
	{
		Record: "event", Kind: "registry_delete",
		Always: `id kind time`,
		Sometimes: `action host.id host.name process.id process.name process.path process.pid process.uid
			process.user.domain process.user.name registry.path registry.value summary user.domain user.name`,
	},
	{
		Record: "event", Kind: "registry_set",
		Always: `action host.id host.name id kind process.id process.name process.path process.pid process.uid
			process.user.domain process.user.name registry.data registry.path registry.value summary time
			user.domain user.name`,
		Sometimes: ``,
	},
	{
		Record:    "host",
		Always:    `alert_count id ip last_seen mac name online os.name os.platform os.version state tags`,
		Sometimes: ``,
	},
	{
		Record: "process",
		Always: `command_line hash.md5 hash.sha256 host.id host.name id name parent.name parent.path parent.pid
			path pid started uid user.name`,
		Sometimes: `parent.uid user.domain working_directory`,
	},
}
