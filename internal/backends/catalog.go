package backends

// Operation is one operation of a vendor's API, as data: the whole catalogue
// drives `edrctl api`, its help, completion, validation, dry-run and audit.
type Operation struct {
	Name    string // stable, dotted: "alerts.list", "hosts.config"
	Method  string
	Path    string // with {name} for path parameters, relative to the API base
	Summary string
	Params  []Param
	Mutates bool // changes something on the server
	// Danger is why it asks twice; "" for ordinary ones. One rule: an operation
	// is dangerous when edrctl cannot give back what was there before, because
	// it deletes or replaces it, takes what is handed out once, or runs
	// something on endpoints. One that adds or merges, marks a record that is
	// named, or has an inverse in the catalogue is not.
	Danger     string
	DangerWith []string // the arguments that make it dangerous; none = it always is
	Section    string   // where the vendor's document describes it
	Since      string   // first release that has it; "" = all
	Until      string   // last release that has it; "" = still there
	Key        string   // secret it needs when a backend has several
	Paging     string   // "", "offset", "id-cursor", "one-based", "next_key", "skip"
	Body       string   // "json" (default), "multipart", "raw", "" without a body
	Returns    string   // "json" (default), "csv", "binary", "empty", "websocket"
	// Hides lists members of the answer that are secrets, dotted, * for any
	// element: data.*.key. They are masked unless they are asked for.
	Hides []string
	// Makes are the arguments that name what a call makes, where the answer only
	// says that it is done: the first that is given, and of an object its members.
	Makes []string
}

// Param is one parameter of an operation.
type Param struct {
	Name     string
	In       string // path, query, body, header, file; "body" names a member of the JSON object; "local" is for the driver's guards and never sent
	Type     string // string, int, number, bool, time, array, object, json, file
	Required bool
	Enum     []string
	Default  string
	Help     string
	Secret   bool // masked wherever a request is shown or written down
}
