package fake

type handler func(*Server, *request) reply

// handlers answer the operations of the catalogue, by name.
var handlers map[string]handler

func init() {
	handlers = map[string]handler{
		"auth.login": login, "auth.logout": logout, "auth.password.change": changePassword, "auth.password.verify": verifyPassword,
		"threatintel.keys.get": keysGet, "threatintel.keys.set": keysSet, "virustotal.engines.get": enginesGet, "virustotal.engines.set": enginesSet,
		"settings.get": settingsGet, "settings.set": settingsSet, "dashboard.get": dashboard,
		"email.get": emailGet, "email.set": emailSet, "email.test": emailTest,

		"hunt.upload": huntUpload, "hunt.indicators": huntIndicators, "hunt.export": huntExport, "search.run": searchRun,
		"indicators.search": indicatorSearch, "indicators.export": indicatorExport, "activity.search": activitySearch,
		"results.delete": purge, "results.export": resultsExport,

		"hosts.export": hostsExport, "hosts.list": hostsList, "hosts.get": hostGet, "hosts.alerts.distribution": hostDistribution, "hosts.count": hostCount,
		"hosts.status_logs": statusLogs, "hosts.additional_config": hostExtra, "hosts.config": hostConfig, "hosts.activity.count": activityCount,
		"hosts.activity": recentActivity, "hosts.tags.list": hostTagsList, "hosts.tags.add": hostTagsAdd, "hosts.tags.remove": hostTagsRemove,
		"hosts.search.export": hostSearchExport, "hosts.delete": hostDelete, "hosts.remove": hostRemove, "hosts.enable": hostEnable, "hosts.status_logs.export": statusLogsExport,

		"tags.list": tagsList, "tags.add": tagsAdd, "tags.delete": tagsDelete, "tags.tagged": tagsTagged,
		"carves.list": carvesList, "carves.download": carveDownload, "carves.query": carveQuery, "carves.delete": carveDelete,
		"distributed.add": liveAdd,
		"yara.list":       yaraList, "yara.add": yaraAdd, "yara.view": yaraView, "yara.delete": yaraDelete,
		"iocs.list": iocsList, "iocs.add": iocsAdd, "schema.list": schemaList, "schema.get": schemaGet,

		"rules.list": rulesList, "rules.get": ruleGet, "rules.set": ruleSet, "rules.add": ruleAdd, "rules.tactics": ruleTactics,
		"queries.list": queriesList, "queries.packed": queriesPacked, "queries.get": queryGet, "queries.add": queryAdd, "queries.set": querySet,
		"queries.tags.list": queryTags, "queries.tags.add": queryTagAdd, "queries.tags.remove": queryTagRemove, "queries.delete": queryDelete,
		"packs.list": packsList, "packs.get": packGet, "packs.add": packAdd, "packs.tags.list": packTags, "packs.tags.add": packTagAdd,
		"packs.tags.remove": packTagRemove, "packs.delete": packDelete, "packs.upload": packUpload,
		"configs.add": configAdd, "configs.list": configsList, "configs.get": configGet, "configs.set": configSet,
		"configs.delete": configDelete, "configs.assign": configAssign, "configs.hosts": configHosts,

		"alerts.count": alertsCount, "alerts.list": alertsList, "alerts.resolve": alertsResolve, "alerts.get": alertGet, "alerts.export": alertsExport,
		"alerts.graph": alertsGraph, "alerts.events": alertEvents, "alerts.alerted_events": alertedEvents, "alerts.process": treeRoot,
		"alerts.process.children": treeChildren, "alerts.state": alertState, "alerts.alerted_events.export": alertedEventsExport,

		"response.list": responseList, "response.view": responseView, "response.export": responseExport, "response.get": responseGet,
		"response.status": responseStatus, "response.restart_agent": responseRestart, "response.add": responseAdd, "response.script": responseScript,
		"response.delete": responseDelete, "response.cancel": responseCancel, "response.live": responseLive, "response.status.all": responseStatusAll,
		"defender.scan": defenderScan, "defender.exclusions": defenderExclusions, "defender.schedule": defenderSchedule, "defender.update": defenderSimple,
		"defender.settings": defenderSimple, "defender.status": defenderSimple, "defender.quarantine.list": defenderSimple,
		"defender.refresh": defenderRefresh, "defender.quarantine.carve": defenderCarve,
	}
}
