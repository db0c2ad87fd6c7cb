package model

// LogRecord is what an event was read from, under the names its log gave: for
// rules that name the fields of a log and not of the normalised event. It is
// kept only when a query asks for it (backends.Query.Log).
type LogRecord struct {
	Product  string // windows, linux, macos; "" when unknown
	Channel  string // "Security"; of Linux the service, such as auditd
	Provider string
	EventID  int
	Computer string
	Text     string // the record as one text, for rules of keywords; "" = its values
	Data     []LogField
}

// LogField is one named value of a record, in the record's order. A name may
// come more than once.
type LogField struct{ Name, Value string }
