package cwatch

import (
	"github.com/edrctl/edrctl/internal/backends"
)

// fields says which fields of the model this driver fills; backends.Fields has
// the form. TestFields compares it with records of the demo, of recordings and
// of real telemetry, and writes it with -update-fields.
var fields = []backends.Fields{
	{
		Record: "alert",
		Always: `ancestors description event_count host.id host.name host.user id policy.id policy.name
			process.hash.sha1 process.name process.parent.name process.parent.path process.parent.pid
			process.path process.pid process.reputation.native process.reputation.verdict process.started
			process.uid process.user.domain process.user.name risk rule.id score score_native.scale
			score_native.value severity status time title user.domain user.name verdict`,
		Sometimes: `category rule.name status_native target.command_line target.elevation target.hash.sha1
			target.name target.packed target.parent.name target.parent.path target.parent.pid
			target.parent.uid target.path target.pid target.reputation.native target.reputation.verdict
			target.signed target.uid`,
	},
	{
		Record: "event", Kind: "device_access",
		Always: `action host.id host.name host.user id ingested kind process.hash.sha1 process.name
			process.parent.name process.parent.path process.parent.pid process.path process.pid
			process.reputation.native process.reputation.verdict process.started process.uid
			process.user.domain process.user.name summary time user.domain user.name`,
		Sometimes: `detection.rules tags`,
	},
	{
		Record: "event", Kind: "file_copy",
		Always: `action file.hash.sha1 file.name file.old_path file.path host.id host.name host.user id ingested
			kind process.hash.sha1 process.name process.parent.name process.parent.path process.parent.pid
			process.path process.pid process.reputation.native process.reputation.verdict process.started
			process.uid process.user.domain process.user.name summary time user.domain user.name`,
		Sometimes: `detection.rules tags`,
	},
	{
		Record: "event", Kind: "file_delete",
		Always: `action file.hash.sha1 file.name file.path host.id host.name host.user id ingested kind
			process.hash.sha1 process.name process.parent.name process.parent.path process.parent.pid
			process.path process.pid process.reputation.native process.reputation.verdict process.started
			process.uid process.user.domain process.user.name summary time user.domain user.name`,
		Sometimes: ``,
	},
	{
		Record: "event", Kind: "file_download",
		Always: `action file.hash.sha1 file.name file.path host.id host.name host.user id ingested kind
			process.hash.sha1 process.name process.parent.name process.parent.path process.parent.pid
			process.path process.pid process.reputation.native process.reputation.verdict process.started
			process.uid process.user.domain process.user.name summary time url user.domain user.name`,
		Sometimes: `network.destination.domain`,
	},
	{
		Record: "event", Kind: "file_write",
		Always: `action file.name file.path host.id host.name host.user id ingested kind process.hash.sha1
			process.name process.parent.name process.parent.path process.parent.pid process.path process.pid
			process.reputation.native process.reputation.verdict process.started process.uid
			process.user.domain process.user.name summary time user.domain user.name`,
		Sometimes: `detection.rules file.hash.sha1 tags`,
	},
	{
		Record: "event", Kind: "hook",
		Always: `action host.id host.name host.user id ingested kind process.hash.sha1 process.name
			process.parent.name process.parent.path process.parent.pid process.path process.pid
			process.reputation.native process.reputation.verdict process.started process.uid
			process.user.domain process.user.name summary target.name target.path time user.domain user.name`,
		Sometimes: ``,
	},
	{
		Record: "event", Kind: "network_connect",
		Always: `action host.id host.name host.user id ingested kind network.destination.ip
			network.destination.port network.source.ip network.source.port network.transport
			process.hash.sha1 process.name process.parent.name process.parent.path process.parent.pid
			process.path process.pid process.reputation.native process.reputation.verdict process.started
			process.uid process.user.domain process.user.name summary time user.domain user.name`,
		Sometimes: ``,
	},
	{
		Record: "event", Kind: "network_listen",
		Always: `action host.id host.name host.user id ingested kind network.source.ip network.source.port
			network.transport process.hash.sha1 process.name process.parent.name process.parent.path
			process.parent.pid process.path process.pid process.reputation.native process.reputation.verdict
			process.started process.uid process.user.domain process.user.name summary time user.domain
			user.name`,
		Sometimes: ``,
	},
	{
		Record: "event", Kind: "process_access",
		Always: `action host.id host.name host.user id ingested kind process.hash.sha1 process.name
			process.parent.name process.parent.path process.parent.pid process.path process.pid
			process.reputation.native process.reputation.verdict process.started process.uid
			process.user.domain process.user.name summary target.name target.path time user.domain user.name`,
		Sometimes: `detection.rules tags`,
	},
	{
		Record: "event", Kind: "process_inject",
		Always: `action host.id host.name host.user id ingested kind process.hash.sha1 process.name
			process.parent.name process.parent.path process.parent.pid process.path process.pid
			process.reputation.native process.reputation.verdict process.started process.uid
			process.user.domain process.user.name summary target.name target.path time user.domain user.name`,
		Sometimes: `detection.rules tags`,
	},
	{
		Record: "event", Kind: "process_start",
		Always: `action host.id host.name host.user id ingested kind process.hash.sha1 process.name
			process.parent.name process.parent.path process.parent.pid process.path process.pid
			process.reputation.native process.reputation.verdict process.started process.uid
			process.user.domain process.user.name summary target.command_line target.elevation
			target.hash.sha1 target.name target.packed target.parent.name target.parent.path
			target.parent.pid target.parent.uid target.path target.pid target.reputation.native
			target.reputation.verdict target.signed target.uid time user.domain user.name`,
		Sometimes: `detection.rules tags`,
	},
	{
		Record: "event", Kind: "registry_delete",
		Always: `action host.id host.name host.user id ingested kind process.hash.sha1 process.name
			process.parent.name process.parent.path process.parent.pid process.path process.pid
			process.reputation.native process.reputation.verdict process.started process.uid
			process.user.domain process.user.name registry.path registry.value summary time user.domain
			user.name`,
		Sometimes: ``,
	},
	{
		Record: "event", Kind: "registry_set",
		Always: `action host.id host.name host.user id ingested kind process.hash.sha1 process.name
			process.parent.name process.parent.path process.parent.pid process.path process.pid
			process.reputation.native process.reputation.verdict process.started process.uid
			process.user.domain process.user.name registry.data registry.path registry.value summary time
			user.domain user.name`,
		Sometimes: `detection.rules tags`,
	},
	{
		Record:    "host",
		Always:    `agent_version id name online os.name os.platform state`,
		Sometimes: `user`,
	},
	{
		Record:    "process",
		Always:    `hash.sha1 host.name id name path pid uid user.name`,
		Sometimes: ``,
	},
}
