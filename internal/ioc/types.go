package ioc

import (
	"fmt"
	"strings"
	"sync"
)

// Type is what an indicator identifies.
type Type uint8

// The types that events have a field for, and so can be hunted.
const (
	None Type = iota
	MD5
	SHA1
	SHA256
	SHA512
	Imphash
	IPv4
	IPv6
	CIDR
	Domain
	URL
	FileName
	FilePath
	PathPattern
	ProcessName
	Registry
	Pipe
	Email
	Pattern // a STIX pattern without a value of its own
	// Types that are recognised and reported, but that no event carries.
	Mutex
	UserAgent
	JA3
	JARM
	SSDeep
	TLSH
	Hash // a hash of another length
	CVE
	Attack
	ASN
	Wallet
	CommandLine
	Certificate
	Service
	Phone
	Package
	Account
	numTypes
)

// Types lists the huntable ones, in the order tables show them.
var Types = []Type{MD5, SHA1, SHA256, SHA512, Imphash, IPv4, IPv6, CIDR, Domain, URL, FileName, FilePath, PathPattern, ProcessName, Registry, Pipe, Email, Pattern}

// AllTypes lists the ones that cannot be hunted behind them.
var AllTypes = func() (out []Type) {
	out = append(out, Types...)
	for t := Mutex; t < numTypes; t++ {
		out = append(out, t)
	}
	return out
}()

var typeNames = [numTypes]string{
	"", "md5", "sha1", "sha256", "sha512", "imphash", "ipv4", "ipv6", "cidr", "domain", "url", "file_name", "file_path", "path_pattern",
	"process_name", "registry", "pipe", "email", "pattern",
	"mutex", "user_agent", "ja3", "jarm", "ssdeep", "tlsh", "hash", "cve", "attack", "asn", "wallet",
	"command_line", "certificate", "service", "phone", "package", "account",
}

// String is the name used in output, for example "sha256".
func (t Type) String() string { return typeNames[t] }

// MarshalText writes the name.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the name.
func (t *Type) UnmarshalText(b []byte) error {
	got, ok := ParseType(string(b))
	if !ok {
		return fmt.Errorf("unknown indicator type %q", b)
	}
	*t = got
	return nil
}

// IsHash tells whether t is one of the hashes.
func (t Type) IsHash() bool { return t >= MD5 && t <= Imphash }

// IsAddress tells whether t is an address or a range of them.
func (t Type) IsAddress() bool { return t >= IPv4 && t <= CIDR }

// Huntable tells whether events have a field for t.
func (t Type) Huntable() bool { return t > None && t < Mutex }

// typeWords are the words people, CSV headers, MISP, OTX and abuse.ch use for
// types, folded by foldWord.
var typeWords = sync.OnceValue(func() map[string]Type {
	m := map[string]Type{}
	for t, words := range map[Type]string{
		MD5: `md5 md5hash hashmd5 filemd5 filehashmd5 filehashesmd5 md5sum hashesmd5 md5s md5hashes
			authentihashmd5 samplemd5 payloadmd5`,
		SHA1:    `sha1 sha1hash hashsha1 filesha1 filehashsha1 sha1sum hashessha1 sha1s sha1hashes samplesha1 sslcertsha1none`,
		SHA256:  `sha256 sha256hash hashsha256 filesha256 filehashsha256 sha256sum hashessha256 sha256s sha256hashes samplesha256 payloadsha256 sha2 firstseensha256`,
		SHA512:  `sha512 sha512hash hashsha512 filesha512 filehashsha512 sha512sum hashessha512`,
		Imphash: `imphash hashimphash importhash peimphash filehashimphash`,
		IPv4: `ip ips ipv4 ipsrc ipdst address ipaddress ipaddresses ipv4addr ipv4addrvalue ipport ipaddressport dstip srcip destip destinationip
			sourceip remoteip remoteipaddress dstaddr srcaddr ipaddr ipdstport ipsrcport c2ip hostip cc c2 c2s cnc c2server c2address cncip
			relatedips ipv4addresses resolvedip ipv4address clientip`,
		IPv6:   `ipv6 ipv6addr ipv6addresses ipv6address`,
		CIDR:   `cidr network subnet netblock iprange range cidrs netset ipv4cidr prefix`,
		Domain: `domain domains hostname hostnames host hosts fqdn domainname domainnames domainport hostport hostnameport domainhost c2domain dns dnsname rdomain querydomain dnsrecord maliciousdomain subdomain servername domainip`,
		URL: `url urls uri link fullurl downloadurl dlurl payloadurl c2url urlc2 urlpath maliciousurl phishingurl uriurl httpurl
			hosturl phishurl landingpage`,
		FileName: `file filename filenames name originalfilename attachment attachmentname emailattachment malwarefilename fileorname samplename imagename dllname
			filenamepattern`,
		FilePath: `path filepath filepathname filepathnames paths fullpath filefullpath installpath pathname folder directory dir filelocation location
			filepathpattern windowspath dropperpath foldername folderpath`,
		ProcessName: `process processname image procname processimage`,
		Registry: `regkey registry registrykey registrypath regpath registrykeys keypath windowsregistrykey regkeyvalue registryvalue registrykeyvalue
			persistenceregkey registrykeyname hklm hkcu`,
		Pipe: `pipe namedpipe pipename namedpipes`,
		Email: `email emails mail emailsrc emaildst emailaddr emailaddress emailsender emailrecipient sender senderemail senderaddress mailfrom replyto
			emailreplyto emailaddresses emailfrom from whoisregistrantemail targetemail mailaddress dnssoaemail registrantemail smtpsender
			emailsrcaddress sendingaddress`,
		Mutex:       `mutex mutexes mutexname mutant`,
		UserAgent:   `useragent httpuseragent useragents ua`,
		JA3:         `ja3 ja3fingerprintmd5 ja3md5 ja3hash ja3s ja3digest ja3sfingerprintmd5 sslja3 ja4 ja3fingerprint`,
		JARM:        `jarm jarmfingerprint`,
		SSDeep:      `ssdeep ssdeephash`,
		TLSH:        `tlsh tlshhash`,
		Hash:        `sha224 sha384 sha3384hash sha3384 authentihash vhash pehash cdhash telfhash gimphash dhashicon dhash impfuzzy richpehash richheaderhash`,
		CVE:         `cve cves vulnerability vulnerabilities`,
		Attack:      `attack mitreattack technique mitre ttp attackid techniqueid mitreid`,
		ASN:         `asn as autonomoussystem asnumber`,
		Wallet:      `btc bitcoin xmr ethereum wallet bitcoinaddress btcaddress walletaddress monero cryptowallet cryptoaddress bitcoinwallet eth`,
		CommandLine: `commandline cmdline command processcommandline cmd scheduledtaskpath commands`,
		Certificate: `certificate certificateserial certserial serialnumber x509fingerprintsha1 x509fingerprintsha256 x509fingerprintmd5 thumbprint certthumbprint
			certsha1 sslcertsha1 sha1fingerprint signer certificatethumbprint codesigningcertificate certificatefingerprint x509serial sslcertificate`,
		Service: `service servicename windowsservicename scheduledtask scheduledtaskname windowsscheduledtask taskname windowsservice
			windowsservicedisplayname servicedisplayname`,
		Phone:   `phone phonenumber telephone`,
		Package: `packagename bundleid androidpackage appid packageid bundle extensionid package app androidpackagename`,
		Account: `useraccount account accountname githubusername targetuser user githubrepository telegram telegramchannel accountid jabberid`,
	} {
		for _, w := range strings.Fields(words) {
			m[w] = t
		}
	}
	return m
})

// foldWord brings the spellings of a type's name together: sha-256, SHA256,
// sha_256 and Sha 256 are one word.
func foldWord(s string) string {
	var b [48]byte
	n := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
		default:
			continue
		}
		if n == len(b) {
			return ""
		}
		b[n] = c
		n++
	}
	return string(b[:n])
}

// ParseType reads a type's name, or one of the words in use for it.
func ParseType(s string) (Type, bool) {
	w := foldWord(s)
	for t, name := range typeNames {
		if name != "" && t != int(Hash) && foldWord(name) == w {
			return Type(t), true
		}
	}
	t, ok := typeWords()[w]
	return t, ok
}
