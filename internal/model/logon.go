package model

import "slices"

// LogonTypes are the names of Windows' logon types; the index is the number
// that Windows and OCSF use.
var LogonTypes = []string{
	0: "system", 2: "interactive", 3: "network", 4: "batch", 5: "service", 7: "unlock", 8: "network_cleartext",
	9: "new_credentials", 10: "remote_interactive", 11: "cached_interactive", 12: "cached_remote_interactive", 13: "cached_unlock",
}

// LogonType gives the name of a logon type by its number, "" for an unknown one.
func LogonType(number int) string {
	if number < 0 || number >= len(LogonTypes) {
		return ""
	}
	return LogonTypes[number]
}

// LogonTypeNumber gives the number of a logon type by its name.
func LogonTypeNumber(name string) (int, bool) {
	i := slices.Index(LogonTypes, name)
	return i, name != "" && i >= 0
}
