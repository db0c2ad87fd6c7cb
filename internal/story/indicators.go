package story

// indicators are planted on purpose. Backends says where a hunt finds them: a
// product that has no such field (imphash outside Sysmon, md5 and sha256 on
// cWatch, sha1 on Carbon Black, DNS on both of these) is not listed.
func (b *builder) indicators() []*Indicator {
	imp, adf := b.image(implant), b.image("directory finder")
	return []*Indicator{
		{"sha1", imp.sha1, "implant MsEdgeUpd.exe", []string{CWatch, Gene, ESP}},
		{"sha256", imp.sha256, "implant MsEdgeUpd.exe", []string{CarbonBlack, Gene, ESP}},
		{"imphash", imp.imphash, "implant MsEdgeUpd.exe", []string{Gene}},
		{"md5", adf.md5, "directory finder adf.exe", []string{Gene, ESP}},
		{"ipv4", c2IP, "command and control", []string{CWatch, CarbonBlack, Gene, ESP}},
		{"ipv4", exfilIP, "storage the archives went to", []string{CarbonBlack}},
		{"domain", relayZone, "DNS tunnel, names below it", []string{Gene, ESP}},
		{"url", lureURL, "second stage, in command lines", []string{CWatch, Gene}},
		{"file_name", lure, "the lure", []string{CWatch, Gene}},
		{"file_path", `C:\ProgramData\Intel\hr_export.7z`, "staged archive", []string{CarbonBlack}},
		{"file_path", "/etc/cron.d/mlocate-update", "persistence", []string{ESP}},
		{"process_name", "rclone.exe", "exfiltration tool", []string{CarbonBlack}},
		{"process_name", "adf.exe", "directory finder", []string{Gene, ESP}},
	}
}
