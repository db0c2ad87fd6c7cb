package gene

import (
	"github.com/edrctl/edrctl/internal/backends"
)

// fields says which fields of the model this driver fills; backends.Fields has
// the form. TestFields compares it with records of the demo, of recordings and
// of real telemetry, and writes it with -update-fields.
var fields = []backends.Fields{
	{
		Record: "alert",
		Always: `ancestors attack category description event_count event_ids host.agent_version host.domain
			host.id host.ip host.name host.os.name host.os.platform host.os.version id indicators
			process.name process.path process.pid process.uid process.user.domain process.user.name risk
			rule.id rule.name score score_native.scale score_native.value severity source status time title
			user.domain user.name verdict`,
		Sometimes: `process.command_line process.hash.imphash process.hash.md5 process.hash.sha1 process.hash.sha256
			process.integrity process.parent.command_line process.parent.name process.parent.path
			process.parent.pid process.parent.uid process.started process.working_directory target.name
			target.path target.pid target.uid target.user.domain target.user.name`,
	},
	{
		Record: "event", Kind: "account_change",
		Always:    `id kind time`,
		Sometimes: `action host.id host.name object.name object.type summary user.domain user.id user.name`,
	},
	{
		Record: "event", Kind: "clipboard",
		Always: `action file.hash.md5 file.hash.sha1 file.hash.sha256 host.id host.name id kind
			network.source.domain process.name process.path process.pid process.uid process.user.domain
			process.user.name summary time user.domain user.name`,
		Sometimes: ``,
	},
	{
		Record: "event", Kind: "dns_query",
		Always: `action dns.question.name host.id host.name id kind summary time`,
		Sometimes: `alert_id detection.attack detection.rules detection.score dns.answers dns.question.type
			host.agent_version host.domain host.ip host.os.name host.os.platform host.os.version ingested
			process.name process.path process.pid process.uid process.user.domain process.user.id
			process.user.name tags user.domain user.id user.name`,
	},
	{
		Record: "event", Kind: "file_create",
		Always: `action file.name file.path host.id host.name id kind process.name process.path process.uid
			summary time`,
		Sometimes: `alert_id detection.attack detection.rules detection.score host.agent_version host.domain host.ip
			host.os.name host.os.platform host.os.version ingested process.pid process.user.domain
			process.user.name tags user.domain user.name`,
	},
	{
		Record: "event", Kind: "file_delete",
		Always: `action file.hash.md5 file.hash.sha1 file.hash.sha256 file.name file.path host.id host.name id
			kind process.name process.path process.uid process.user.domain process.user.name summary time
			user.domain user.name`,
		Sometimes: `host.agent_version host.domain host.ip host.os.name host.os.platform host.os.version ingested
			process.pid`,
	},
	{
		Record: "event", Kind: "file_read",
		Always: `id kind time`,
		Sometimes: `access.granted action file.name file.path host.id host.name ingested process.name process.path
			process.pid process.user.domain process.user.id process.user.name summary user.domain user.id
			user.name`,
	},
	{
		Record: "event", Kind: "file_write",
		Always: `action file.name file.path host.id host.name id kind process.name process.path process.pid
			process.uid summary time`,
		Sometimes: `alert_id detection.rules detection.score host.agent_version host.domain host.ip host.os.name
			host.os.platform host.os.version ingested process.user.domain process.user.name tags user.domain
			user.name`,
	},
	{
		Record: "event", Kind: "log_cleared",
		Always:    `action host.id host.name id kind object.name object.type summary time`,
		Sometimes: ``,
	},
	{
		Record: "event", Kind: "logoff",
		Always: `action host.id host.name id kind logon.target_user.domain logon.target_user.id
			logon.target_user.name logon.type summary time user.domain user.id user.name`,
		Sometimes: ``,
	},
	{
		Record: "event", Kind: "logon",
		Always: `action host.id host.name id kind logon.target_user.name summary time user.name`,
		Sometimes: `alert_id detection.rules detection.score ingested logon.package logon.target_user.domain
			logon.target_user.id logon.type network.direction network.source.domain network.source.ip
			network.source.port object.name object.type process.name process.path process.pid
			process.user.domain process.user.id process.user.name tags user.domain user.id`,
	},
	{
		Record: "event", Kind: "logon_failed",
		Always: `id kind time`,
		Sometimes: `action host.id host.name logon.failure logon.package logon.target_user.domain
			logon.target_user.name logon.type network.direction network.source.domain network.source.ip
			process.name process.path process.pid process.user.domain process.user.name summary user.domain
			user.name`,
	},
	{
		Record: "event", Kind: "module_load",
		Always: `action host.id host.name id kind module.hash.sha256 module.path module.signed process.name
			process.path process.uid summary time`,
		Sometimes: `alert_id detection.attack detection.rules detection.score host.agent_version host.domain host.ip
			host.os.name host.os.platform host.os.version ingested module.hash.imphash module.hash.md5
			module.hash.sha1 module.signature process.pid process.user.domain process.user.name tags
			user.domain user.name`,
	},
	{
		Record: "event", Kind: "network_connect",
		Always: `action host.id host.name id kind network.destination.ip network.destination.port
			network.direction network.source.ip network.source.port network.transport process.name
			process.path process.pid summary time`,
		Sometimes: `alert_id detection.attack detection.rules detection.score host.agent_version host.domain host.ip
			host.os.name host.os.platform host.os.version ingested network.destination.domain
			network.source.domain process.uid process.user.domain process.user.name tags user.domain
			user.name`,
	},
	{
		Record: "event", Kind: "network_listen",
		Always: `action host.id host.name id kind network.source.port network.transport process.name process.path
			process.pid summary time`,
		Sometimes: ``,
	},
	{
		Record: "event", Kind: "other",
		Always: `action host.id host.name id kind summary time`,
		Sometimes: `access.granted alert_id detection.rules detection.score ingested object.name object.type
			process.name process.path process.pid process.user.domain process.user.id process.user.name
			registry.path tags user.domain user.id user.name`,
	},
	{
		Record: "event", Kind: "pipe_connect",
		Always:    `action host.id host.name id kind pipe.name process.name process.path process.uid summary time`,
		Sometimes: `ingested process.pid process.user.domain process.user.name user.domain user.name`,
	},
	{
		Record: "event", Kind: "pipe_create",
		Always:    `action host.id host.name id kind pipe.name process.name process.path process.uid summary time`,
		Sometimes: `process.pid`,
	},
	{
		Record: "event", Kind: "privilege",
		Always: `action host.id host.name id kind summary time user.domain user.id user.name`,
		Sometimes: `object.name object.type process.name process.path process.pid process.user.domain
			process.user.id process.user.name`,
	},
	{
		Record: "event", Kind: "process_access",
		Always: `action host.id host.name id kind summary time`,
		Sometimes: `access.call_trace access.granted alert_id detection.attack detection.rules detection.score
			host.agent_version host.domain host.ip host.os.name host.os.platform host.os.version ingested
			process.command_line process.name process.path process.pid process.uid process.user.domain
			process.user.name tags target.name target.path target.pid target.uid target.user.domain
			target.user.name user.domain user.name`,
	},
	{
		Record: "event", Kind: "process_end",
		Always: `action host.id host.name id kind process.ended process.name process.path summary time`,
		Sometimes: `alert_id detection.rules detection.score host.agent_version host.domain host.ip host.os.name
			host.os.platform host.os.version ingested process.pid process.uid process.user.domain
			process.user.id process.user.name tags user.domain user.id user.name`,
	},
	{
		Record: "event", Kind: "process_inject",
		Always: `action host.id host.name id kind process.name process.path process.pid process.uid summary
			target.name target.path target.pid target.uid time`,
		Sometimes: `alert_id detection.attack detection.rules detection.score host.agent_version host.domain host.ip
			host.os.name host.os.platform host.os.version ingested process.user.domain process.user.name
			tags target.user.domain target.user.name user.domain user.name`,
	},
	{
		Record: "event", Kind: "process_start",
		Always: `action host.id host.name id kind process.command_line process.integrity process.name
			process.parent.name process.parent.path process.parent.pid process.path process.started
			process.user.domain process.user.name summary time user.domain user.name`,
		Sometimes: `alert_id detection.attack detection.rules detection.score host.agent_version host.domain host.ip
			host.os.name host.os.platform host.os.version ingested process.company process.description
			process.elevation process.file_version process.hash.imphash process.hash.md5 process.hash.sha1
			process.hash.sha256 process.original_file_name process.parent.command_line process.parent.uid
			process.pid process.product process.uid process.user.id process.working_directory tags user.id`,
	},
	{
		Record: "event", Kind: "raw_read",
		Always: `action file.name file.path host.id host.name id kind process.name process.path process.pid
			process.uid summary time`,
		Sometimes: `host.agent_version host.domain host.ip host.os.name host.os.platform host.os.version ingested
			process.user.domain process.user.name user.domain user.name`,
	},
	{
		Record: "event", Kind: "registry_create",
		Always: `action host.id host.name id kind process.name process.path process.uid registry.path summary
			time`,
		Sometimes: `host.agent_version host.domain host.ip host.os.name host.os.platform host.os.version ingested
			process.pid process.user.domain process.user.name user.domain user.name`,
	},
	{
		Record: "event", Kind: "registry_delete",
		Always: `action host.agent_version host.domain host.id host.ip host.name host.os.name host.os.platform
			host.os.version id ingested kind process.name process.path process.pid process.uid
			process.user.domain process.user.name registry.path summary time user.domain user.name`,
		Sometimes: ``,
	},
	{
		Record: "event", Kind: "registry_set",
		Always: `action host.id host.name id kind process.name process.path registry.path summary time`,
		Sometimes: `access.granted alert_id detection.attack detection.rules detection.score host.agent_version
			host.domain host.ip host.os.name host.os.platform host.os.version ingested process.pid
			process.uid process.user.domain process.user.id process.user.name registry.data registry.value
			tags user.domain user.id user.name`,
	},
	{
		Record: "event", Kind: "script_block",
		Always: `action host.id host.name id kind summary time`,
		Sometimes: `file.name file.path process.command_line process.name process.path process.user.domain
			process.user.name script.text user.domain user.name`,
	},
	{
		Record: "event", Kind: "share_access",
		Always: `access.granted action host.id host.name id kind network.direction network.source.ip
			network.source.port object.name object.type summary time user.domain user.id user.name`,
		Sometimes: `file.name file.path pipe.name`,
	},
	{
		Record: "event", Kind: "task_change",
		Always: `action host.id host.name id kind object.name object.type summary time`,
		Sometimes: `file.name file.path target.command_line target.name target.path target.user.name user.domain
			user.id user.name`,
	},
	{
		Record: "event", Kind: "wmi",
		Always:    `action host.id host.name id kind summary time`,
		Sometimes: ``,
	},
	{
		Record: "host",
		Always: `agent_version alert_count id ip last_seen name online os.name os.platform os.version
			report_score tags`,
		Sometimes: ``,
	},
	{
		Record: "process",
		Always: `event_count host.agent_version host.domain host.id host.ip host.name host.os.name
			host.os.platform host.os.version id name path pid uid user.domain user.name`,
		Sometimes: `command_line ended hash.imphash hash.md5 hash.sha1 hash.sha256 integrity parent.command_line
			parent.name parent.path parent.pid parent.uid started working_directory`,
	},
}
