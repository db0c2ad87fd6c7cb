package ioc

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
)

// value is what one text was read as.
type value struct {
	typ    Type
	text   string
	port   uint16
	common bool // known to be harmless from its place
}

// maxValue is longer than any indicator.
const maxValue = 1 << 14

// Parse reads one value. want narrows what it may be; None finds out. The
// error says why it is not an indicator.
func Parse(text string, want Type) (Type, string, error) {
	s, ok := bare(text)
	if !ok {
		return None, "", errors.New("is wrapped too often to be read")
	}
	if s == "" {
		return None, "", errors.New("is empty")
	}
	if len(s) > maxValue {
		return None, "", errors.New("is longer than any indicator")
	}
	if (want == FilePath || want == PathPattern) && isPath(s) {
		vs := path(s) // the whole of it: only a text has words behind a path
		return vs[0].typ, vs[0].text, nil
	}
	vs, err := prefixed(s, want)
	if err != nil {
		return None, "", err
	}
	return vs[0].typ, vs[0].text, nil
}

// prefixed reads a value that may have its type in front: file:run.sh.
func prefixed(s string, want Type) ([]value, error) {
	if want != None {
		return readValue(s, want)
	}
	word, rest, ok := strings.Cut(s, ":")
	rest = strings.TrimSpace(rest)
	if ok && len(word) > 1 && rest != "" && !strings.HasPrefix(rest, "//") {
		if t, known := ParseType(word); known && t.Huntable() {
			if b, fine := bare(rest); fine && b != "" && !wordsOfFile(t, b) {
				if vs, err := readValue(b, t); err == nil {
					return vs, nil
				} else if !strings.ContainsAny(rest, " .") {
					return nil, err
				}
			}
		}
	}
	return readValue(s, want)
}

// wordsOfFile tells words about a file from its name: "File location: in the
// temp folder" is not a path.
func wordsOfFile(t Type, s string) bool {
	switch t {
	case FileName, FilePath, PathPattern, ProcessName:
		return strings.IndexByte(s, ' ') > 0 && !isPath(s) && extensionEnd(s) != len(s)
	}
	return false
}

// maxWraps is how often a value may be quoted or defanged over itself.
const maxWraps = 8

// bare takes blanks, quotes and defanging off until nothing changes any more,
// so that what was read once reads the same again.
func bare(text string) (string, bool) {
	for range maxWraps {
		s := strings.Trim(strings.TrimSpace(Refang(text)), "\"'`“”‘’")
		if s == text {
			return s, true
		}
		text = s
	}
	return "", false
}

// NotIndicator is the error of Parse that has nothing more to say.
const NotIndicator = "not an indicator"

var errNot = errors.New(NotIndicator)

// readValue reads a text, refanged and without quotes, as a value of the type
// wanted, or finds out what it is. Ranges, and names that are both domain and
// file name, give several values.
func readValue(s string, want Type) ([]value, error) {
	if want == None {
		return classify(s)
	}
	one := func(t Type, v string) ([]value, error) { return []value{{typ: t, text: v}}, nil }
	switch want {
	case MD5, SHA1, SHA256, SHA512, Imphash:
		if t, v, ok := hash(s); ok {
			if want == Imphash && t == MD5 {
				t = Imphash
			}
			return one(t, v) // lists that call a SHA-1 a SHA-256 are many; its length tells
		}
		return nil, fmt.Errorf("invalid %s: want %d hex digits", want, hashLen[want])
	case IPv4, IPv6, CIDR, Domain:
		if vs := addressOrHost(s); vs != nil {
			return vs, nil
		}
		if want != Domain {
			if v, ok := normalURL(s); ok {
				return withHost(v), nil
			}
			return nil, errors.New("invalid address")
		}
		if v, ok := domain(s); ok {
			return one(Domain, v)
		}
		if v, ok := normalURL(s); ok {
			return withHost(v), nil
		}
		return nil, errors.New("invalid domain name")
	case URL:
		if v, ok := normalURL(s); ok {
			return withHost(v), nil
		}
		if vs := addressOrHost(s); vs != nil {
			return vs, nil
		}
		if v, ok := domain(s); ok && knownSuffix(v) {
			return one(Domain, v)
		}
		return nil, errors.New("invalid URL")
	case Email:
		if v, ok := email(s); ok {
			return one(Email, v)
		}
		return nil, errors.New("invalid e-mail address")
	case FileName, ProcessName:
		if vs, ok := linkIn(s); ok {
			return vs, nil
		}
		if isPath(s) || strings.ContainsAny(s, `/\`) {
			if want == FileName {
				return path(s), nil
			}
			return nil, errors.New("is a path, not a process name")
		}
		return one(want, s)
	case FilePath, PathPattern:
		if vs, ok := linkIn(s); ok {
			return vs, nil
		}
		if strings.Contains(s, "://") && !isPath(s) {
			return nil, errNot
		}
		if end := pathEnd(s, 0); end > 0 && end < len(s) && strings.IndexByte(s, ' ') > 0 {
			return pathIn(s[:end]), nil
		}
		return path(s), nil
	case Registry:
		if v, ok := registry(s); ok {
			return one(Registry, v)
		}
		return nil, errors.New("invalid registry key: want one below HKLM, HKCU, HKU, HKCR or HKCC")
	case Pipe:
		return one(Pipe, pipe(s))
	}
	if !want.Huntable() {
		return one(want, s)
	}
	return nil, errNot
}

// linkIn reads a URL where a file was announced: "File location: hxxp://…".
func linkIn(s string) ([]value, bool) {
	if !strings.Contains(s, "://") || strings.HasPrefix(s, "file:") {
		return nil, false
	}
	v, ok := normalURL(s)
	if !ok {
		return nil, false
	}
	return withHost(v), true
}

var hashLen = map[Type]int{MD5: 32, SHA1: 40, SHA256: 64, SHA512: 128, Imphash: 32}

// hash tells a hash by its length.
func hash(s string) (Type, string, bool) {
	var t Type
	switch len(s) {
	case 32:
		t = MD5
	case 40:
		t = SHA1
	case 64:
		t = SHA256
	case 128:
		t = SHA512
	default:
		return None, "", false
	}
	v, ok := lowerHex(s)
	return t, v, ok
}

// lowerHex tells hex digits, in lower case.
func lowerHex(s string) (string, bool) {
	upper := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f':
		case c >= 'A' && c <= 'F':
			upper = true
		default:
			return "", false
		}
	}
	if upper {
		return strings.ToLower(s), true
	}
	return s, s != ""
}

// classify finds out what a text is.
func classify(s string) ([]value, error) {
	if strings.HasPrefix(s, `\\\\`) { // a network path as programs escape it
		s = strings.ReplaceAll(s, `\\`, `\`)
	}
	one := func(t Type, v string) ([]value, error) { return []value{{typ: t, text: v}}, nil }
	if t, v, ok := hash(s); ok {
		return one(t, v)
	}
	if vs := addressOrHost(s); vs != nil {
		if vs[0].typ != Domain || vs[0].port != 0 && knownSuffix(vs[0].text) {
			return vs, nil
		}
	}
	if strings.Contains(s, "://") {
		if v, ok := normalURL(s); ok {
			return withHost(v), nil
		}
		return nil, errors.New("invalid URL")
	}
	if strings.IndexByte(s, '@') > 0 {
		if v, ok := email(s); ok {
			return one(Email, v)
		}
	}
	if v, ok := registry(s); ok {
		return one(Registry, v)
	}
	if isPipe(s) {
		return one(Pipe, pipe(s))
	}
	if isPath(s) {
		if end := pathEnd(s, 0); end > 0 && end < len(s) {
			return nil, errNot // a path, and words about it
		}
		return path(s), nil
	}
	if t, ok := other(s); ok {
		return one(t, s)
	}
	if n := len(s); n >= 24 && n <= 128 {
		if _, ok := lowerHex(s); ok {
			return nil, fmt.Errorf("has %d hex digits: a hash has 32 (md5), 40 (sha1), 64 (sha256) or 128 (sha512)", n)
		}
	}
	if strings.ContainsAny(s, " \t") {
		return nil, errNot
	}
	if strings.IndexByte(s, '/') > 0 {
		if v, ok := normalURL(s); ok {
			return withHost(v), nil
		}
		return nil, errNot
	}
	return name(s)
}

// name tells domain and file names apart; what can be both is both.
func name(s string) ([]value, error) {
	s = strings.TrimPrefix(s, "*.")
	dot := strings.LastIndexByte(s, '.')
	if dot < 1 || dot == len(s)-1 || strings.ContainsAny(s, `[]<>|"?*:=,;`) {
		return nil, errNot
	}
	ext := strings.ToLower(s[dot+1:])
	d, isDomain := domain(s)
	isDomain = isDomain && knownSuffix(d)
	isFile := fileExtensions()[ext]
	if base := strings.TrimSuffix(s[:strings.IndexByte(s, '.')], "_"); isFile && len(base) >= 32 {
		if t, v, ok := hash(base); ok && mixed(v) { // a sample that is named by its hash
			return []value{{typ: t, text: v}}, nil
		}
	}
	switch {
	case isFile && isDomain:
		return []value{{typ: Domain, text: d}, {typ: FileName, text: s}}, nil
	case isFile:
		return []value{{typ: FileName, text: s}}, nil
	case isDomain:
		return []value{{typ: Domain, text: d}}, nil
	}
	if d != "" && dot > 0 {
		return nil, errors.New("has no known top-level domain or file extension; write domain: or file: in front")
	}
	return nil, errNot
}

// addressOrHost reads an address, a range, ADDRESS:PORT or HOST:PORT.
func addressOrHost(s string) []value {
	if t, v, port, ok := address(s); ok {
		return []value{{typ: t, text: v, port: port}}
	}
	if s != "" && s[0] >= '0' && s[0] <= '9' && strings.Contains(s, ".") && strings.ContainsAny(s, "-–") {
		if ps := addressRange(s); ps != nil {
			out := make([]value, 0, len(ps))
			for _, p := range ps {
				t, v, _, _ := address(p.String())
				out = append(out, value{typ: t, text: v})
			}
			return out
		}
	}
	if host, p, ok := strings.Cut(s, ":"); ok {
		if port, ok := portOf(p); ok {
			if d, ok := domain(host); ok {
				return []value{{typ: Domain, text: d, port: port}}
			}
		}
	}
	return nil
}

// withHost adds the address of a URL without a scheme: who lists
// 192.0.2.1/gate.php means the server, too.
func withHost(u string) []value {
	out := []value{{typ: URL, text: u}}
	if !strings.Contains(u, "://") {
		if t, v, port, ok := address(strings.TrimSuffix(u[:strings.IndexAny(u+"/", "/?#")], "/")); ok && t != CIDR {
			out = append(out, value{typ: t, text: v, port: port})
		}
	}
	return out
}

// isPath tells a path by how it begins.
func isPath(s string) bool {
	if len(s) < 2 {
		return false
	}
	switch {
	case s[1] == ':' && isLetter(s[0]):
		return len(s) > 3 && (s[2] == '\\' || s[2] == '/')
	case strings.HasPrefix(s, `\\`):
		return len(s) > 4 && isAlnum(s[2]) || strings.HasPrefix(s, `\\?\`) || strings.HasPrefix(s, `\\.\`)
	case s[0] == '/':
		return isAlnum(s[1]) || s[1] == '.' || s[1] == '_' || s[1] == '*' || s[1] == '<' || s[1] == '%' || s[1] == '['
	case strings.HasPrefix(s, "~/"), strings.HasPrefix(s, `~\`):
		return len(s) > 2
	case s[0] == '%':
		i := strings.IndexByte(s[1:], '%')
		return i > 1 && !strings.ContainsAny(s[1:i+1], ` .:/`) && i+2 < len(s) && (s[i+2] == '\\' || s[i+2] == '/')
	case s[0] == '$':
		return len(s) > 6 && (strings.EqualFold(s[:5], "$env:") || strings.HasPrefix(s, "$HOME/"))
	case s[0] == '\\':
		return strings.Count(s, `\`) > 1 && isAlnum(s[1])
	case strings.HasPrefix(s, "file:///"):
		return true
	case (s[0] == '<' || s[0] == '[' || s[0] == '{'):
		i := strings.IndexAny(s, ">]}")
		return i > 1 && i+1 < len(s) && s[i+1] == '\\'
	}
	return false
}

var hives = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"hklm": "HKLM", "hkey_local_machine": "HKLM", "hkcu": "HKCU", "hkey_current_user": "HKCU", "hku": "HKU", "hkey_users": "HKU",
		"hkcr": "HKCR", "hkey_classes_root": "HKCR", "hkcc": "HKCC", "hkey_current_config": "HKCC",
	}
})

// registry reads a key, with the hive in its short form.
func registry(s string) (string, bool) {
	trimmed := strings.Trim(strings.TrimPrefix(strings.TrimPrefix(s, `Computer\`), `Registry::`), `[]`)
	i := strings.IndexAny(trimmed, `\/:`)
	if i < 0 {
		return "", false
	}
	hive, rest := strings.ToLower(trimmed[:i]), trimmed[i:]
	if hive == "" { // \REGISTRY\MACHINE\…
		for _, p := range [...][2]string{{`\registry\machine`, "HKLM"}, {`\registry\user`, "HKU"}} {
			if len(trimmed) > len(p[0]) && strings.EqualFold(trimmed[:len(p[0])], p[0]) {
				return p[1] + trimmed[len(p[0]):], true
			}
		}
		return "", false
	}
	short, ok := hives()[hive]
	if !ok {
		return "", false
	}
	rest = strings.TrimPrefix(rest, ":")
	if rest == "" || rest[0] != '\\' {
		rest = `\` + strings.TrimPrefix(strings.ReplaceAll(rest, "/", `\`), `\`)
	}
	for strings.Contains(rest, `\\`) {
		rest = strings.ReplaceAll(rest, `\\`, `\`)
	}
	return short + rest, len(rest) > 1
}

func isPipe(s string) bool {
	l := strings.ToLower(s[:min(len(s), 10)])
	return strings.HasPrefix(l, `\\.\pipe\`) || strings.HasPrefix(l, `\pipe\`) || strings.HasPrefix(l, `\\pipe\`) || strings.HasPrefix(l, `\??\pipe\`)
}

// pipe is the name of a pipe, as events have it: \name.
func pipe(s string) string {
	l := strings.ToLower(s)
	if i := strings.Index(l, `\pipe\`); i >= 0 && i < 6 {
		s = s[i+len(`\pipe\`):]
	}
	return `\` + strings.TrimLeft(s, `\`)
}

// other recognises what no event carries.
func other(s string) (Type, bool) {
	u := strings.ToUpper(s[:min(len(s), 4)])
	switch {
	case len(s) >= 13 && u == "CVE-" && digits(s[4:8]) && s[8] == '-' && digits(s[9:]):
		return CVE, true
	case len(s) >= 5 && (s[0] == 'T' || s[0] == 't') && digits(s[1:5]) && (len(s) == 5 || len(s) == 9 && s[5] == '.' && digits(s[6:])):
		return Attack, true
	case len(s) == 6 && strings.HasPrefix(u, "TA00") && digits(s[2:]):
		return Attack, true
	case len(s) > 3 && len(s) < 13 && strings.HasPrefix(u, "AS") && digits(s[2:]):
		return ASN, true
	case len(s) == 72 && u[0] == 'T' && s[1] >= '0' && s[1] <= '9' && isHexText(s[2:]):
		return TLSH, true
	case len(s) == 62 && isHexText(s):
		return JARM, true
	case (len(s) == 56 || len(s) == 96) && isHexText(s):
		return Hash, true
	case isSSDeep(s):
		return SSDeep, true
	case isWallet(s):
		return Wallet, true
	case strings.HasPrefix(s, "Mozilla/") && len(s) > 12 && s[8] >= '0' && s[8] <= '9':
		return UserAgent, true
	case len(s) > 7 && (strings.HasPrefix(s, `Global\`) || strings.HasPrefix(s, `Local\`)):
		return Mutex, true
	}
	return None, false
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func isHexText(s string) bool { _, ok := lowerHex(s); return ok }

// isSSDeep tells 1536:text:text.
func isSSDeep(s string) bool {
	size, rest, ok := strings.Cut(s, ":")
	if !ok || !digits(size) || len(size) > 9 || len(rest) < 12 || len(rest) > 160 {
		return false
	}
	a, b, ok := strings.Cut(rest, ":")
	return ok && len(a) >= 6 && len(b) >= 3 && !strings.ContainsAny(a+b, " .:\\@") && !digits(a)
}

// isWallet tells Bitcoin, Ethereum and Monero addresses; Bitcoin's by checksum.
func isWallet(s string) bool {
	switch {
	case len(s) == 42 && strings.HasPrefix(s, "0x"):
		return isHexText(s[2:])
	case (len(s) == 42 || len(s) == 62) && strings.HasPrefix(s, "bc1"):
		return !strings.ContainsAny(s, " ./\\:")
	case len(s) == 95 && (s[0] == '4' || s[0] == '8'):
		return strings.Trim(s, base58) == ""
	case len(s) >= 26 && len(s) <= 35 && (s[0] == '1' || s[0] == '3'):
		return base58Check(s)
	}
	return false
}

const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

func base58Check(s string) bool {
	n, r := new(big.Int), big.NewInt(58)
	for i := 0; i < len(s); i++ {
		d := strings.IndexByte(base58, s[i])
		if d < 0 {
			return false
		}
		n.Mul(n, r).Add(n, big.NewInt(int64(d)))
	}
	raw := n.Bytes()
	if len(raw) > 25 {
		return false
	}
	full := append(make([]byte, 25-len(raw)), raw...)
	first := sha256.Sum256(full[:21])
	second := sha256.Sum256(first[:])
	return string(second[:4]) == string(full[21:])
}

// fileExtensions tells file names from domain names. Extensions that are
// top-level domains people really use (com, sh, pl, app …) are left out: write
// file: before such a name. zip, one, so, py, mov and cab are both.
var fileExtensions = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for _, e := range strings.Fields(`exe dll sys scr bat cmd ps1 psm1 psd1 vbs vbe vba js jse jsp wsf wsh hta lnk pif cpl ocx drv efi
		doc docm docx dot dotm dotx xls xlsm xlsx xlsb xll xlam ppt pptm pptx pps ppsx rtf pdf one msi msp msix msixbundle appx jar class war ear iso img vhd vhdx
		rar 7z zip gz tar tgz bz2 xz lz lzh ace arj cab tmp dat bin elf so dylib dmg pkg dmp log txt csv json xml yml yaml ini cfg conf inf reg
		php php5 asp aspx ashx asmx jspx html htm shtml mht mhtml eml msg chm hlp url  ico png jpg jpeg gif bmp svg db db3 sqlite kdbx key pem crt cer pfx p12 ovpn rdp
		py pyc pyd mov mp3 mp4 avi wav swf apk xapk ipa dex plist hwp hwpx odt ods enc aes crypt locked bak old job mof sct slk iqy wll  asar crx xpi
		vhdl nls mui  tlb manifest   hpp cpp vb bas frm au3 a3x ahk dmg deb rpm appimage   ko o pdb  def idl ex_ dl_ vir virus 
		gadget  appref-ms library-ms search-ms themepack  diagcab wim lzma zst sqlite3 evtx etl pcap ttf otf fon tpl phtml  lua nim kext  `) {
		m[e] = true
	}
	return m
})
