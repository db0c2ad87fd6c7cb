package ioc

import (
	"strings"
	"unsafe"
)

var refangs = strings.NewReplacer(
	"[.]", ".", "(.)", ".", "{.}", ".", "[dot]", ".", "(dot)", ".", "{dot}", ".", "[DOT]", ".", "(DOT)", ".",
	"[:]", ":", "(:)", ":", "[://]", "://", "(://)", "://", "[/]", "/",
	"[@]", "@", "(@)", "@", "[at]", "@", "(at)", "@", "{at}", "@", "[AT]", "@", "(AT)", "@",
)

// Refang turns the ways people defuse addresses back: hxxp, [.], (dot), (at).
func Refang(s string) string {
	if strings.ContainsAny(s, "[({") {
		s = refangs.Replace(s)
	}
	for _, f := range [...][2]string{{"hxxps:", "https:"}, {"hxxp:", "http:"}, {"hXXps:", "https:"}, {"hXXp:", "http:"}, {"fxp:", "ftp:"}, {"meow:", "http:"}} {
		if len(s) >= len(f[0]) && strings.EqualFold(s[:len(f[0])], f[0]) {
			return f[1] + s[len(f[0]):]
		}
	}
	return s
}

// bytesAsString shares the bytes of an arena block, which are never changed.
func bytesAsString(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
