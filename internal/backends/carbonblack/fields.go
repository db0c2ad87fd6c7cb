package carbonblack

import (
	"github.com/edrctl/edrctl/internal/backends"
)

// fields says which fields of the model this driver fills; backends.Fields has
// the form. TestFields compares it with records of the demo, of recordings and
// of real telemetry, and writes it with -update-fields.
var fields = []backends.Fields{
	{
		Record: "alert",
		Always: `ancestors attack category description event_count event_ids host.agent_version host.id host.name
			host.os.name host.os.platform host.os.version host.policy.id host.policy.name host.state
			host.user id indicators policy.id policy.name process.hash.sha256 process.name
			process.parent.name process.parent.pid process.parent.uid process.path process.pid process.uid
			risk score score_native.scale score_native.value severity status time title verdict`,
		Sometimes: `host.tags process.command_line process.hash.md5 process.parent.command_line process.parent.path
			process.started process.user.name target.hash.sha256 target.name target.path user.name`,
	},
	{
		Record: "event", Kind: "api_call",
		Always: `action host.id host.ip host.name host.os.name host.os.platform host.os.version host.policy.name
			host.user id ingested kind process.command_line process.hash.md5 process.hash.sha256
			process.name process.parent.name process.parent.pid process.parent.uid process.path process.pid
			process.reputation.native process.reputation.verdict process.started process.uid
			process.user.name summary tags time user.name`,
		Sometimes: `alert_id detection.attack detection.score host.policy.id process.parent.command_line
			process.parent.path process.user.domain target.command_line target.hash.md5 target.hash.sha256
			target.name target.path target.pid target.reputation.native target.reputation.verdict
			target.started target.uid user.domain`,
	},
	{
		Record: "event", Kind: "device_access",
		Always: `action host.id host.ip host.name host.os.name host.os.platform host.os.version host.policy.id
			host.policy.name host.user id ingested kind process.command_line process.hash.md5
			process.hash.sha256 process.name process.parent.command_line process.parent.name
			process.parent.path process.parent.pid process.parent.uid process.path process.pid
			process.reputation.native process.reputation.verdict process.started process.uid
			process.user.domain process.user.name summary tags target.name target.path time user.domain
			user.name`,
		Sometimes: ``,
	},
	{
		Record: "event", Kind: "file_create",
		Always: `action file.hash.md5 file.hash.sha256 file.name file.path host.id host.ip host.name host.os.name
			host.os.platform host.os.version host.policy.id host.policy.name host.user id ingested kind
			process.command_line process.hash.md5 process.hash.sha256 process.name
			process.parent.command_line process.parent.name process.parent.path process.parent.pid
			process.parent.uid process.path process.pid process.reputation.native process.reputation.verdict
			process.started process.uid process.user.name summary tags time user.name`,
		Sometimes: `alert_id detection.attack detection.score process.user.domain user.domain`,
	},
	{
		Record: "event", Kind: "file_read",
		Always: `action file.hash.md5 file.hash.sha256 file.name file.path host.id host.ip host.name host.os.name
			host.os.platform host.os.version host.policy.id host.policy.name host.user id ingested kind
			process.command_line process.hash.md5 process.hash.sha256 process.name
			process.parent.command_line process.parent.name process.parent.path process.parent.pid
			process.parent.uid process.path process.pid process.reputation.native process.reputation.verdict
			process.started process.uid process.user.name summary tags time user.name`,
		Sometimes: `alert_id detection.attack detection.score process.user.domain user.domain`,
	},
	{
		Record: "event", Kind: "hook",
		Always: `action host.id host.ip host.name host.os.name host.os.platform host.os.version host.policy.id
			host.policy.name host.user id ingested kind process.command_line process.hash.md5
			process.hash.sha256 process.name process.parent.command_line process.parent.name
			process.parent.path process.parent.pid process.parent.uid process.path process.pid
			process.reputation.native process.reputation.verdict process.started process.uid
			process.user.domain process.user.name summary tags time user.domain user.name`,
		Sometimes: ``,
	},
	{
		Record: "event", Kind: "network_connect",
		Always: `action host.id host.ip host.name host.os.name host.os.platform host.os.version host.policy.name
			host.user id ingested kind network.destination.ip network.destination.port network.direction
			network.source.ip network.source.port network.transport process.command_line process.hash.md5
			process.hash.sha256 process.name process.path process.pid process.reputation.native
			process.reputation.verdict process.started process.uid process.user.name summary tags time
			user.name`,
		Sometimes: `alert_id detection.attack detection.score host.policy.id network.destination.domain
			process.parent.command_line process.parent.name process.parent.path process.parent.pid
			process.parent.uid process.user.domain user.domain`,
	},
	{
		Record: "event", Kind: "network_listen",
		Always: `action host.id host.ip host.name host.os.name host.os.platform host.os.version host.policy.id
			host.policy.name host.user id ingested kind network.destination.port network.direction
			network.source.ip network.source.port network.transport process.command_line process.hash.md5
			process.hash.sha256 process.name process.parent.command_line process.parent.name
			process.parent.path process.parent.pid process.parent.uid process.path process.pid
			process.reputation.native process.reputation.verdict process.started process.uid
			process.user.name summary tags time user.name`,
		Sometimes: `process.user.domain user.domain`,
	},
	{
		Record: "event", Kind: "process_access",
		Always: `action host.id host.ip host.name host.os.name host.os.platform host.os.version host.policy.id
			host.policy.name host.user id ingested kind process.command_line process.hash.md5
			process.hash.sha256 process.name process.parent.command_line process.parent.name
			process.parent.path process.parent.pid process.parent.uid process.path process.pid
			process.reputation.native process.reputation.verdict process.started process.uid
			process.user.domain process.user.name summary tags target.command_line target.hash.md5
			target.hash.sha256 target.name target.path target.pid target.reputation.native
			target.reputation.verdict target.started target.uid time user.domain user.name`,
		Sometimes: `alert_id detection.attack detection.score`,
	},
	{
		Record: "event", Kind: "process_inject",
		Always: `action host.id host.ip host.name host.os.name host.os.platform host.os.version host.policy.id
			host.policy.name host.user id ingested kind process.command_line process.hash.md5
			process.hash.sha256 process.name process.parent.command_line process.parent.name
			process.parent.path process.parent.pid process.parent.uid process.path process.pid
			process.reputation.native process.reputation.verdict process.started process.uid
			process.user.domain process.user.name summary tags target.command_line target.hash.md5
			target.hash.sha256 target.name target.path target.pid target.reputation.native
			target.reputation.verdict target.started target.uid time user.domain user.name`,
		Sometimes: `alert_id detection.attack detection.score`,
	},
	{
		Record: "event", Kind: "process_start",
		Always: `action host.id host.ip host.name host.os.name host.os.platform host.os.version host.policy.id
			host.policy.name host.user id ingested kind process.command_line process.hash.md5
			process.hash.sha256 process.name process.parent.name process.parent.pid process.parent.uid
			process.path process.pid process.reputation.native process.reputation.verdict process.started
			process.uid process.user.name summary tags target.hash.sha256 target.name target.pid
			target.reputation.native target.reputation.verdict target.uid time user.name`,
		Sometimes: `alert_id detection.attack detection.score process.parent.command_line process.parent.path
			process.user.domain target.command_line target.hash.md5 target.path target.started user.domain`,
	},
	{
		Record: "event", Kind: "registry_create",
		Always: `action host.id host.ip host.name host.os.name host.os.platform host.os.version host.policy.id
			host.policy.name host.user id ingested kind process.command_line process.hash.md5
			process.hash.sha256 process.name process.parent.command_line process.parent.name
			process.parent.path process.parent.pid process.parent.uid process.path process.pid
			process.reputation.native process.reputation.verdict process.started process.uid
			process.user.domain process.user.name registry.path summary tags time user.domain user.name`,
		Sometimes: ``,
	},
	{
		Record: "event", Kind: "registry_delete",
		Always: `action host.id host.ip host.name host.os.name host.os.platform host.os.version host.policy.id
			host.policy.name host.user id ingested kind process.command_line process.hash.md5
			process.hash.sha256 process.name process.parent.command_line process.parent.name
			process.parent.path process.parent.pid process.parent.uid process.path process.pid
			process.reputation.native process.reputation.verdict process.started process.uid
			process.user.domain process.user.name registry.path summary tags time user.domain user.name`,
		Sometimes: ``,
	},
	{
		Record: "event", Kind: "registry_set",
		Always: `action host.id host.ip host.name host.os.name host.os.platform host.os.version host.policy.id
			host.policy.name host.user id ingested kind process.command_line process.hash.md5
			process.hash.sha256 process.name process.parent.command_line process.parent.name
			process.parent.path process.parent.pid process.parent.uid process.path process.pid
			process.reputation.native process.reputation.verdict process.started process.uid
			process.user.domain process.user.name registry.path summary tags time user.domain user.name`,
		Sometimes: ``,
	},
	{
		Record: "host",
		Always: `agent_version id ip isolated last_seen name online os.name os.platform os.version policy.id
			policy.name state user`,
		Sometimes: `mac tags`,
	},
	{
		Record: "process",
		Always: `event_count hash.sha256 id name pid started uid`,
		Sometimes: `host.id host.ip host.name host.os.name host.os.platform host.os.version host.policy.id
			host.policy.name path`,
	},
}
