package cmdutil

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/config"
	"github.com/edrctl/edrctl/internal/demo"
	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/plaintext"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/secrets"
)

// GlobalFlags are the flags every command takes.
type GlobalFlags struct {
	Profile  string
	From     []string // evidence files instead of servers
	Output   string
	JQ       string
	Template string
	Columns  []string
	Raw      bool
	Color    string
	Config   string
	Timeout  string
	ReadOnly bool
	Debug    bool
	Quiet    bool
	NoInput  bool
	TZ       string
	CSVRaw   bool
	Shell    string
}

// Bind adds the flags. An unset flag takes its value from the environment.
func (g *GlobalFlags) Bind(fs *pflag.FlagSet, getenv func(string) string) {
	fs.StringVarP(&g.Profile, "profile", "p", getenv("EDRCTL_PROFILE"), "profiles: NAME[,NAME…], @GROUP or all [EDRCTL_PROFILE]")
	fs.StringArrayVar(&g.From, "from", nil, "read evidence instead of servers: a file, folder, pattern or archive, - for standard input; repeatable")
	fs.StringVarP(&g.Output, "output", "o", getenv("EDRCTL_OUTPUT"), "format: "+strings.Join(output.Formats(), " ")+" [EDRCTL_OUTPUT]")
	fs.StringVar(&g.JQ, "jq", "", "filter the JSON with a jq expression")
	fs.StringVar(&g.Template, "template", "", "format the JSON with a Go template")
	StringSlice(fs, &g.Columns, "columns", "columns of table, wide and csv, as dotted JSON names")
	fs.BoolVar(&g.Raw, "raw", false, "add the vendor's own JSON as raw")
	fs.StringVar(&g.Color, "color", "auto", "colour: auto, always or never [NO_COLOR, CLICOLOR_FORCE]")
	fs.StringVar(&g.Config, "config", "", "configuration file [EDRCTL_CONFIG]")
	fs.StringVar(&g.Timeout, "timeout", "", "time for the whole command, for example 30s")
	fs.BoolVar(&g.ReadOnly, "read-only", truthy(getenv("EDRCTL_READ_ONLY")), "refuse everything that changes a backend [EDRCTL_READ_ONLY]")
	fs.BoolVar(&g.Debug, "debug", false, "log the wire traffic, redacted, on stderr")
	fs.BoolVarP(&g.Quiet, "quiet", "q", false, "no progress, notices or summaries on stderr")
	fs.BoolVar(&g.NoInput, "no-input", false, "never ask")
	fs.StringVar(&g.TZ, "tz", "", "time zone of dates given and tables shown (default: local)")
	fs.StringVar(&g.Shell, "shell", getenv("EDRCTL_SHELL"), "quote the commands edrctl shows for posix or powershell (default: this system's) [EDRCTL_SHELL]")
	fs.BoolVar(&g.CSVRaw, "csv-raw", false, "csv without the guard against spreadsheet formulas")
}

func truthy(s string) bool { return s != "" && s != "0" && !strings.EqualFold(s, "false") }

// Factory makes what commands need, when they need it. Nothing is read or
// dialled before: --help opens neither network, keyring nor config.
type Factory struct {
	IO     *iostreams.Streams
	Flags  *GlobalFlags
	Getenv func(string) string
	Now    func() time.Time

	Args    []string // the command line, for the journal
	Version string

	inFlight    atomic.Int32 // changes under way
	suspended   atomic.Int32 // programs that have the terminal
	shown       bool         // the live table of the last change is on the terminal
	redactor    *client.Redactor
	pacers      *client.Pacers
	config      *config.Config
	secrets     *secrets.Store
	secretsErr  error
	secretsOnce sync.Once
	demo        *demo.Demo
	fleet       *ops.Fleet
	warned      sync.Map          // profile and warning said already
	completions completionCache   // what was shown, for completion
	trial       map[string]string // by profile/secret: what is tried before it is kept
	completing  bool              // a shell waits for words: secrets come from the environment only
}

// NewFactory makes a factory over streams and environment.
func NewFactory(io *iostreams.Streams, flags *GlobalFlags, getenv func(string) string) *Factory {
	return &Factory{
		IO: io, Flags: flags, Getenv: getenv, Now: time.Now,
		redactor: client.NewRedactor(), pacers: client.NewPacers(),
	}
}

// Close ends what was started: drivers and the demo's servers.
func (f *Factory) Close() {
	if f.fleet != nil {
		f.Debugf(f.fleet.Close())
	}
	if f.demo != nil {
		f.Debugf(f.demo.Close())
	}
	f.saveMemory()
}

// Debugf shows an error nobody can act on, under --debug only.
func (f *Factory) Debugf(err error) {
	if err != nil && f.Flags.Debug {
		f.IO.Note(f.safe("debug: " + err.Error()))
	}
}

// Zone is the time zone of --tz.
func (f *Factory) Zone() (*time.Location, error) {
	switch f.Flags.TZ {
	case "", "local":
		return local(f.Getenv("TZ")), nil
	}
	z, err := time.LoadLocation(f.Flags.TZ)
	if err != nil {
		return nil, Usagef("invalid --tz %q: want UTC, local or a name like Europe/Paris", f.Flags.TZ)
	}
	return z, nil
}

// local is the zone of TZ. Go's own time.Local is UTC where the system has no
// database of zones; the one that is linked into edrctl serves then.
func local(tz string) *time.Location {
	if tz == "" || strings.HasPrefix(strings.TrimPrefix(tz, ":"), "/") {
		return time.Local
	}
	if z, err := time.LoadLocation(strings.TrimPrefix(tz, ":")); err == nil {
		return z
	}
	return time.Local
}

// BadZone says what is wrong with the environment's TZ, "" when nothing is:
// Go takes UTC without a word for a zone it cannot read.
func BadZone(tz string) string {
	name := strings.TrimPrefix(tz, ":")
	var err error
	switch {
	case name == "":
	case strings.HasPrefix(name, "/"):
		_, err = os.Stat(name)
	default:
		_, err = time.LoadLocation(name)
	}
	if err == nil {
		return ""
	}
	return fmt.Sprintf("the time zone TZ=%s cannot be read: times are in UTC; write a name like Europe/Paris, or use --tz", tz)
}

// Context applies --timeout.
func (f *Factory) Context(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if f.Flags.Timeout == "" {
		return ctx, func() {}, nil
	}
	d, err := ParseDuration(f.Flags.Timeout)
	if err != nil {
		return nil, nil, Usagef("invalid --timeout %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	return ctx, cancel, nil
}

// Paths are edrctl's folders.
func (f *Factory) Paths() (config.Paths, error) { return config.DefaultPaths(f.Getenv) }

// configOptions tells the config package what it does not know itself.
func configOptions() config.Options {
	known := map[string][]config.KeySpec{}
	for _, b := range backends.All() {
		specs := []config.KeySpec{}
		for _, k := range b.Keys {
			specs = append(specs, config.KeySpec{Name: k.Name, Enum: k.Enum, Required: k.Required, Number: k.Number})
		}
		known[b.Name] = specs
	}
	return config.Options{Backends: known, Virtual: demo.Virtual, VirtualNames: append([]string{"demo"}, demo.Profiles()...)}
}

// Config reads the configuration file, once.
func (f *Factory) Config() (*config.Config, error) {
	if f.config != nil {
		return f.config, nil
	}
	path, named, err := config.Locate(f.Flags.Config, f.Getenv)
	if err != nil {
		return nil, &UsageError{Err: err}
	}
	c, err := config.Load(path, named, configOptions())
	if err != nil {
		return nil, configError(err)
	}
	for _, w := range c.Warnings {
		f.Warn("%s", w)
	}
	f.addFrom(c)
	f.config = c
	return c, nil
}

// ConfigPath is the file Config reads, or would.
func (f *Factory) ConfigPath() (string, error) {
	path, _, err := config.Locate(f.Flags.Config, f.Getenv)
	return path, err
}

// EditConfig changes the configuration file.
func (f *Factory) EditConfig(edit func(path string, o config.Options) error) error {
	path, err := f.ConfigPath()
	if err != nil {
		return &UsageError{Err: err}
	}
	if err := edit(path, configOptions()); err != nil {
		return configError(err)
	}
	f.config = nil
	return nil
}

func configError(err error) error {
	u := &UsageError{Err: err}
	var e *config.Error
	if errors.As(err, &e) {
		u.Hint = e.Hint
	}
	return u
}

// Selected gives the names of the selected profiles.
func (f *Factory) Selected() ([]string, error) {
	c, err := f.Config()
	if err != nil {
		return nil, err
	}
	selected, err := c.Select(f.Flags.Profile)
	if err != nil {
		return nil, configError(err)
	}
	return selected, nil
}

// SelectedBackends gives the backends of the selected profiles, each once.
func (f *Factory) SelectedBackends() ([]string, error) {
	selected, err := f.Selected()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range selected {
		b, _ := demo.BackendOf(name)
		if p := f.config.Profiles[name]; p != nil {
			b = p.Backend
		}
		if !slices.Contains(out, b) {
			out = append(out, b)
		}
	}
	return out, nil
}

// Fleet opens the selected profiles. Drivers are built at first use.
func (f *Factory) Fleet(ctx context.Context) (*ops.Fleet, error) {
	if f.fleet != nil {
		return f.fleet, nil
	}
	selected, err := f.Selected()
	if err != nil {
		return nil, err
	}
	fleet, err := f.FleetOf(ctx, selected)
	if err != nil {
		return nil, err
	}
	f.fleet = fleet
	return fleet, nil
}

// FleetOf opens the named profiles.
func (f *Factory) FleetOf(ctx context.Context, profiles []string) (*ops.Fleet, error) {
	c, err := f.Config()
	if err != nil {
		return nil, err
	}
	if err := f.startDemo(ctx, c, profiles); err != nil {
		return nil, err
	}
	fleet := &ops.Fleet{}
	for _, name := range profiles {
		s, err := f.source(c, name)
		if err != nil {
			return nil, err
		}
		fleet.Sources = append(fleet.Sources, s)
	}
	return fleet, nil
}

// startDemo starts the demo's servers for the selected demo profiles.
func (f *Factory) startDemo(ctx context.Context, c *config.Config, profiles []string) error {
	var wanted []string
	for _, name := range profiles {
		if b, ok := demo.BackendOf(name); ok && c.Profiles[name] == nil {
			wanted = append(wanted, b)
		}
	}
	if len(wanted) == 0 || f.demo != nil {
		return nil
	}
	paths, err := f.Paths()
	if err != nil {
		return err
	}
	f.demo, err = demo.Start(ctx, demo.Options{Backends: wanted, StateDir: paths.State, Now: f.Now})
	return err
}

// RefsProfiles gives the profiles that references name, when none was
// selected explicitly: `edrctl alerts get demo-gene/…` needs no -p.
func (f *Factory) RefsProfiles(refs []string) ([]string, error) {
	if f.Flags.Profile != "" {
		return f.Selected()
	}
	c, err := f.Config()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, ref := range refs {
		profile, _, found := strings.Cut(ref, "/")
		_, isDemo := demo.BackendOf(profile)
		if !found || (c.Profiles[profile] == nil && !isDemo) {
			return f.Selected()
		}
		if !slices.Contains(out, profile) {
			out = append(out, profile)
		}
	}
	return out, nil
}

// FleetFor opens the profiles that references name, or the selected ones.
func (f *Factory) FleetFor(ctx context.Context, refs []string) (*ops.Fleet, error) {
	profiles, err := f.RefsProfiles(refs)
	if err != nil {
		return nil, err
	}
	fleet, err := f.FleetOf(ctx, profiles)
	if err != nil {
		return nil, err
	}
	f.fleet = fleet
	return fleet, nil
}

func (f *Factory) source(c *config.Config, name string) (*ops.Source, error) {
	p := c.Profiles[name]
	if p == nil {
		return f.demoSource(name)
	}
	b, err := backends.Lookup(p.Backend)
	if err != nil {
		return nil, &UsageError{Err: err}
	}
	return ops.NewSource(name, p.Backend, p.ReadOnly || f.Flags.ReadOnly, func() (backends.Driver, error) {
		store, err := f.Secrets()
		if err != nil {
			return nil, err
		}
		paths, _ := f.Paths() // without a home the driver keeps no files
		secret := func(ctx context.Context, secret string) (string, error) {
			if f.completing {
				return f.secretFromEnvironment(name, secret)
			}
			return f.lookupSecret(ctx, store, name, secret)
		}
		transport := f.transport(p)
		transport.ProxyPassword = func(ctx context.Context) (string, error) { return secret(ctx, ProxyPassword) }
		return b.New(backends.Options{
			Profile: name, Client: transport, Settings: p.Settings, StateDir: paths.State, CacheDir: paths.Cache, Secret: secret,
			SaveSecret: func(ctx context.Context, secret, value string) (bool, error) {
				if f.completing {
					return false, nil
				}
				return f.saveSecret(store, name)(ctx, secret, value)
			},
			Now:  f.Now,
			Warn: func(msg string) { f.warnOnce(name, msg) },
		})
	}), nil
}

func (f *Factory) demoSource(name string) (*ops.Source, error) {
	inst := f.demo.Instance(name)
	b, err := backends.Lookup(inst.Backend)
	if err != nil {
		return nil, err
	}
	return ops.NewSource(name, inst.Backend, f.Flags.ReadOnly, func() (backends.Driver, error) {
		paths, err := f.Paths()
		if err != nil {
			return nil, err
		}
		session := map[string]string{}
		cfg := f.transport(&config.Profile{URL: inst.URL})
		cfg.Proxy = "none"
		return b.New(backends.Options{
			Profile: name, Client: cfg, Settings: inst.Settings, StateDir: paths.State, Now: f.Now,
			Secret: func(_ context.Context, secret string) (string, error) {
				if v, ok := inst.Secrets[secret]; ok {
					f.redactor.Add(v)
					return v, nil
				}
				if v, ok := session[secret]; ok {
					return v, nil
				}
				return "", &backends.Error{Kind: backends.KindAuth, What: "no " + secret, Why: "the demo has none"}
			},
			SaveSecret: func(_ context.Context, secret, value string) (bool, error) {
				session[secret] = value
				return false, nil
			},
			Warn: func(msg string) { f.warnOnce(name, msg) },
		})
	}), nil
}

// transport is the client configuration of a profile.
func (f *Factory) transport(p *config.Profile) client.Config {
	cfg := client.Config{
		BaseURL: p.URL, Proxy: p.Proxy, Headers: p.Headers, Timeout: p.Timeout,
		TLS: client.TLS{
			CAFile: p.TLS.CAFile, Pin: p.TLS.Pin, ServerName: p.TLS.ServerName,
			ClientCert: p.TLS.ClientCert, ClientKey: p.TLS.ClientKey, InsecureSkipVerify: p.TLS.InsecureSkipVerify,
		},
		Rate:     client.Rate{PerSecond: p.Rate.PerSecond, Concurrent: p.Rate.Concurrent},
		Redactor: f.redactor, Pacers: f.pacers,
		Warn: func(msg string) { f.warnOnce(p.Name, msg) },
	}
	if f.Flags.Debug {
		cfg.Debug = f.IO.ErrOut
	}
	return cfg
}

// TableOnTerminal tells whether a table goes to a person: the case in which a
// list has a default limit.
func (f *Factory) TableOnTerminal() bool {
	return f.IO.StdoutTTY() && f.ForPeople()
}

// ForPeople tells whether the format is a table or a card.
func (f *Factory) ForPeople() bool {
	o := f.Flags.Output
	return (o == "" || o == output.FormatTable || o == output.FormatWide) && f.Flags.JQ == "" && f.Flags.Template == ""
}

// Printer makes the writer of the chosen format.
func (f *Factory) Printer(ctx context.Context, kind output.Kind) (output.Writer, error) {
	zone, err := f.Zone()
	if err != nil {
		return nil, err
	}
	w, err := output.New(f.IO, output.Options{
		Format: f.Flags.Output, Columns: f.Flags.Columns, JQ: f.Flags.JQ, Template: f.Flags.Template,
		Raw: f.Flags.Raw, TZ: zone, CSVRaw: f.Flags.CSVRaw, Now: f.Now, Kind: kind, Context: ctx,
	})
	if err != nil {
		return nil, &UsageError{Err: err}
	}
	return caching{w, &f.completions, kind.Name()}, nil
}

// Note writes one line of information on stderr, unless --quiet.
func (f *Factory) Note(format string, args ...any) {
	f.IO.Note(f.safe(fmt.Sprintf(format, args...)))
}

// Warn writes one warning on stderr, also with --quiet.
func (f *Factory) Warn(format string, args ...any) {
	f.IO.Warn(f.safe(fmt.Sprintf(format, args...)))
}

func (f *Factory) warnOnce(profile, msg string) {
	if _, dup := f.warned.LoadOrStore(profile+"\x00"+msg, true); !dup {
		f.Warn("%s: %s", profile, msg)
	}
}

// plainly says after what time a command gave up, in the program's words.
func (f *Factory) plainly(text string) string {
	after := "timed out"
	if f.Flags.Timeout != "" {
		after += " after " + f.Flags.Timeout
	}
	return strings.NewReplacer("context deadline exceeded", after, "context canceled", "interrupted").Replace(text)
}

// ReportError writes an error, and the advice that goes with it.
func (f *Factory) ReportError(err error) {
	f.IO.Error(f.safe(backends.InWords(f.plainly(err.Error()))), f.safe(HintOf(err)))
}

// safe makes a line fit to be shown: no secret, no raw control character.
func (f *Factory) safe(s string) safetext.Display {
	return safetext.Text(f.redactor.String(s))
}

// ReadInput opens a file, or stdin for "-", as it is: for content that is
// passed on.
func (f *Factory) ReadInput(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(f.IO.In), nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, Unreadable(name, err)
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		_ = file.Close() // nothing was read
		return nil, Usagef("cannot read %s: it is a folder", name)
	}
	return file, nil
}

// ReadText is ReadInput for text that edrctl reads itself: UTF-16 and a byte
// order mark are understood.
func (f *Factory) ReadText(name string) (io.ReadCloser, error) {
	in, err := f.ReadInput(name)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{plaintext.Reader(in), in}, nil
}
