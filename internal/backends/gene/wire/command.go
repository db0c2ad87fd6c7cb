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
func (s *Command) Words() []string {
	if bool(s.Completed) && len(s.Args) > 0 && withoutExe(s.Name) == withoutExe(s.Args[0]) {
		return s.Args
	}
	if s.Name == "" && len(s.Args) == 0 {
		return nil
	}
	return append([]string{s.Name}, s.Args...)
}

// Runs tells whether the slot holds this command. After completion the agent
// has resolved the name, and args may or may not begin with it.
func (s *Command) Runs(words []string) bool {
	if slices.Equal(s.Words(), words) {
		return true
	}
	if !s.Completed || len(words) == 0 {
		return false
	}
	return slices.Equal(s.Args, words) || slices.Equal(s.Args, words[1:]) && withoutExe(s.Name) == withoutExe(words[0])
}

func withoutExe(path string) string {
	name := path[strings.LastIndexAny(path, `\/`)+1:]
	return strings.TrimSuffix(strings.ToLower(name), ".exe")
}

// Fetches tells whether the slot asks for exactly these paths.
func (s *Command) Fetches(paths []string) bool {
	if len(s.Fetch) != len(paths) {
		return false
	}
	for _, p := range paths {
		if _, ok := s.Fetch[p]; !ok {
			return false
		}
	}
	return true
}

// Title is the command for people.
func (s *Command) Title() string {
	text := strings.Join(s.Words(), " ")
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
// sink is told of each fetched file and gives where its content goes; nil, or
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
	var s Command
	if err := json.Unmarshal(raw, &s); err != nil || s.UUID == "" {
		return nil, &MalformedError{Why: "the command of the answer is not of the promised shape"}
	}
	for path, got := range x.files {
		f, ok := s.Fetch[path]
		if !ok || x.command != s.UUID {
			return nil, &MalformedError{Why: "the files of the answer do not belong to its command"}
		}
		f.FileContent = *got
		s.Fetch[path] = f
	}
	return &s, nil
}
