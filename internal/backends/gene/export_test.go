package gene

// StartOf reads the start of a process out of its Sysmon GUID.
var StartOf = startOf
