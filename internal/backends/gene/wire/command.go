package wire

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/client/flex"
)

// Command is the one Command an endpoint has (docs/wire/gene.md 5).
type Command struct {
	UUID       string                 `json:"uuid"`
	Name       string                 `json:"name"`
	Args       []string               `json:"args"`
	Fetch      map[string]FetchedFile `json:"fetch"`
	JSON       json.RawMessage        `json:"json"`
	Stdout     json.RawMessage        `json:"stdout"`
	Stderr     json.RawMessage        `json:"stderr"`
	Error      string                 `json:"error"`
	Sent       flex.Bool              `json:"sent"`
	Completed  flex.Bool              `json:"completed"`
	ExpectJSON flex.Bool              `json:"expect-json"`
	Timeout    flex.Int               `json:"timeout"`
	SentTime   string                 `json:"sent-time"`
}

// FetchedFile is a fetched file. Its content went to the sink of the reading.
type FetchedFile struct {
	UUID  string `json:"uuid"`
	Error string `json:"error"`

	FileContent
}

// Words is the command line the manager understood: name and arguments
// before the agent has run it, the agent's argv after.
func (c *Command) Words() []string {
	if bool(c.Completed) && len(c.Args) > 0 && withoutExe(c.Name) == withoutExe(c.Args[0]) {
		return c.Args
	}
	if c.Name == "" && len(c.Args) == 0 {
		return nil
	}
	return append([]string{c.Name}, c.Args...)
}

// Runs tells whether it is this command line. After completion the agent has
// resolved the name, and args may or may not begin with it.
func (c *Command) Runs(words []string) bool {
	if slices.Equal(c.Words(), words) {
		return true
	}
	if !c.Completed || len(words) == 0 {
		return false
	}
	return slices.Equal(c.Args, words) || slices.Equal(c.Args, words[1:]) && withoutExe(c.Name) == withoutExe(words[0])
}

func withoutExe(path string) string {
	name := path[strings.LastIndexAny(path, `\/`)+1:]
	return strings.TrimSuffix(strings.ToLower(name), ".exe")
}

// Fetches tells whether it asks for exactly these paths.
func (c *Command) Fetches(paths []string) bool {
	if len(c.Fetch) != len(paths) {
		return false
	}
	for _, p := range paths {
		if _, ok := c.Fetch[p]; !ok {
			return false
		}
	}
	return true
}

// Title is the command for people.
func (c *Command) Title() string {
	text := strings.Join(c.Words(), " ")
	if text == "" {
		text = "an empty command"
	}
	if r := []rune(text); len(r) > 80 {
		text = string(r[:79]) + "…"
	}
	return strconv.Quote(text)
}

// DecodeOutput decodes stdout or stderr: base64, or any JSON where an EDR command
// of v1.8.0-beta to beta.3 answered in it.
func DecodeOutput(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	if raw[0] != '"' {
		return string(raw), nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", err
	}
	b, err := base64.StdEncoding.DecodeString(text)
	return string(b), err
}

// ExitCode reads the agent's error of a program that ended by itself:
// "exit status 1", large ones as "exit status 0xc0000005".
func ExitCode(text string) (int64, bool) {
	rest, ok := strings.CutPrefix(text, "exit status ")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(rest), 0, 64)
	return n, err == nil
}

// ReadCommand reads the answer of GET command; nil when there is no command.
// sink receives each fetched file and gives where its content goes; nil, or
// a nil writer: only its size and hash are taken. The answer is streamed, as
// it holds every file complete.
func ReadCommand(r io.Reader, sink func(command, path string) io.Writer) (*Command, error) {
	x := newFileExtractor(r, sink)
	body, err := x.run()
	if err != nil {
		return nil, err
	}
	raw, err := DecodeEnvelope(body)
	if err != nil || len(raw) == 0 || string(raw) == "null" {
		return nil, err
	}
	var c Command
	if err := json.Unmarshal(raw, &c); err != nil || c.UUID == "" {
		return nil, &MalformedError{Why: "the command of the answer is not of the promised shape"}
	}
	for path, got := range x.files {
		f, ok := c.Fetch[path]
		if !ok || x.command != c.UUID {
			return nil, &MalformedError{Why: "the files of the answer do not belong to its command"}
		}
		f.FileContent = *got
		c.Fetch[path] = f
	}
	return &c, nil
}
