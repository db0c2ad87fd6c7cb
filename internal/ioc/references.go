package ioc

import (
	"strings"
	"sync"
)

// linkKind is what a link that was not defanged is.
type linkKind uint8

const (
	linkIndicator linkKind = iota
	linkOwn                // to the publisher's own pages, social networks, analysis services: left out
	linkCommon             // to reports of others: listed, hunted with the common values only
)

// linkOf tells links to reports and tools from indicators. Defanged ones never
// come here: who defangs a link warns of it.
func (r *reader) linkOf(u string) linkKind {
	host := hostOf(u)
	report := r.style.prose || r.l.Text || r.rep.Format == "csv" || r.rep.Format == "json"
	switch {
	case report && isBelow(host, ownPages()):
		return linkOwn
	case r.refs, report && isBelow(host, publishers()):
		return linkCommon
	}
	return linkIndicator
}

// isBelow tells whether a name or a parent of it is in a set.
func isBelow(host string, set map[string]bool) bool {
	for host != "" {
		if set[host] {
			return true
		}
		_, rest, ok := strings.Cut(host, ".")
		if !ok {
			return false
		}
		host = rest
	}
	return false
}

// ownPages are where those who publish lists of indicators write of them and
// show the samples. Pages of others (social networks, code hosts, tools) are
// listed as common.
var ownPages = sync.OnceValue(func() map[string]bool {
	return wordSet(`virustotal.com any.run hybrid-analysis.com joesandbox.com tria.ge bazaar.abuse.ch misp-project.org malware-traffic-analysis.net
		welivesecurity.com virusradar.com securelist.com sophos.com unit42.paloaltonetworks.com paloaltonetworks.com volexity.com mandiant.com fireeye.com
		talosintelligence.com attack.mitre.org`)
})

// publishers write reports, and news about reports.
var publishers = sync.OnceValue(func() map[string]bool {
	return wordSet(`twitter.com t.co man7.org isc.org torproject.org openssh.com x.com linkedin.com facebook.com youtube.com reddit.com medium.com infosec.exchange mastodon.social bsky.app
		github.com gist.github.com gitlab.com virustotal.com urlscan.io any.run hybrid-analysis.com joesandbox.com tria.ge bazaar.abuse.ch urlhaus.abuse.ch threatfox.abuse.ch abuse.ch
		misp-project.org yara.readthedocs.io virustotal.github.io plusvic.github.io mitre.org nist.gov cve.org cisa.gov first.org wikipedia.org archive.org web.archive.org
		welivesecurity.com eset.com esetstatic.com virusradar.com securelist.com kaspersky.com sophos.com unit42.paloaltonetworks.com paloaltonetworks.com volexity.com
		mandiant.com fireeye.com crowdstrike.com microsoft.com talosintelligence.com trendmicro.com proofpoint.com sentinelone.com symantec.com broadcom.com security.com
		checkpoint.com mcafee.com trellix.com recordedfuture.com secureworks.com elastic.co cybereason.com bitdefender.com malwarebytes.com fortinet.com zscaler.com
		cloudflare.com akamai.com rapid7.com huntress.com redcanary.com thedfirreport.com group-ib.com ptsecurity.com drweb.com intezer.com clearskysec.com anomali.com
		threatconnect.com domaintools.com riskiq.com riskiq.net cyble.com bleepingcomputer.com zdnet.com arstechnica.com wired.com thehackernews.com krebsonsecurity.com threatpost.com
		darkreading.com theregister.com securityweek.com cyberscoop.com therecord.media reuters.com bbc.co.uk bbc.com nytimes.com washingtonpost.com theguardian.com
		amnesty.org citizenlab.ca citizenlab.org google.com blog.google googleblog.com qianxin.com 360.cn 360.net antiy.cn antiy.com anquanke.com freebuf.com weixin.qq.com
		dragos.com claroty.com nozominetworks.com lookout.com pwc.com pwc.co.uk deloitte.com ncsc.gov.uk cert.gov.ua cert.pl cert.ssi.gouv.fr ssi.gouv.fr jpcert.or.jp us-cert.gov justice.gov
		ic3.gov fbi.gov attack.mitre.org suricata-ids.org snort.org emergingthreats.net creativecommons.org opensource.org malpedia.caad.fkie.fraunhofer.de sekoia.io team-cymru.com
		withsecure.com f-secure.com deepinstinct.com morphisec.com cynet.com seqrite.com quickheal.com k7computing.com ahnlab.com asec.ahnlab.com nccgroup.com arbornetworks.com netscout.com
		outpost24.com rewterz.com cyware.com eccouncil.org rt-solar.ru bi-zone.medium.com kaspersky.ru positive.security isightpartners.com cyber.gov.au cfr.org securityintelligence.com
		i.blackhat.com blackhat.com defcon.org sans.org isc.sans.edu malware-traffic-analysis.net docs.google.com`)
})
