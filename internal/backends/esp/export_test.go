package esp

// What the external tests may see of the inside.

// ParseTime reads one of the server's times.
var ParseTime = parseTime

// Windows gives date and duration of the windows of a span.
func Windows(since, until string, unbounded bool) []string {
	var out []string
	for _, w := range windows(parseTime(since).Time, parseTime(until).Time, unbounded) {
		if w.open {
			out = append(out, "open")
			continue
		}
		out = append(out, w.date+"/"+string(rune('0'+w.duration)))
	}
	return out
}

// ReadRow reads a stored row.
func ReadRow(b []byte) (any, error) {
	var r row
	err := new(rowReader).read(b, &r)
	if err != nil {
		return nil, err
	}
	return r.event(true), nil
}

// ReadColumns reads the columns of a table.
func ReadColumns(table string, b []byte) (any, error) {
	r := row{table: table}
	err := new(rowReader).readCells(b, &r)
	if err != nil {
		return nil, err
	}
	return r.event(true), nil
}

// ParseNative checks what --query takes.
func ParseNative(s string) error { _, err := parseNative(s); return err }

// ReadCreate reads a CREATE TABLE statement.
var ReadCreate = readCreate

// EventPage is how many rows a page has.
const EventPage = eventPage
