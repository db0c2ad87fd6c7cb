// Package demo is the demo: it tells the made-up intrusion (package story) in
// the words of each product (one mapping file a product) and serves it from
// that product's fake on a loopback port. Nothing leaves the machine.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/faults"
	"github.com/edrctl/edrctl/internal/story"
)

// Backends lists the products of the demo, in the order of their ports.
var Backends = []string{story.CWatch, story.CarbonBlack, story.Gene, story.ESP}

const (
	prefix = "demo-"
	all    = "demo"
)

// Profiles names the profiles that always exist.
func Profiles() []string {
	out := make([]string, len(Backends))
	for i, b := range Backends {
		out[i] = prefix + b
	}
	return out
}

// BackendOf gives the product behind a demo profile.
func BackendOf(profile string) (backend string, ok bool) {
	b, found := strings.CutPrefix(profile, prefix)
	if !found || !slices.Contains(Backends, b) {
		return "", false
	}
	return b, true
}

// Virtual resolves the names that exist without any configuration: one demo
// profile, or demo for all of them.
func Virtual(name string) (profiles []string, ok bool) {
	if name == all {
		return Profiles(), true
	}
	if _, ok := BackendOf(name); ok {
		return []string{name}, true
	}
	return nil, false
}

// Options say what to start. The zero value starts all four on free ports and
// keeps nothing.
type Options struct {
	Backends []string         // only these; nil = all
	StateDir string           // where demo.json is kept between runs; "" = nowhere
	Scale    int              // multiplies the noise; below 1 counts as 1, and story.Quiet has none
	PortBase int              // backend i of Backends listens on PortBase+i; 0 = free ports
	Faults   string           // a SPEC of package faults
	Now      func() time.Time // nil = time.Now
	// Wrap sits between the network and a server, before its faults; for
	// tests. nil = nothing.
	Wrap func(backend string, h http.Handler) http.Handler
}

// Instance is one running server and how to reach it.
type Instance struct {
	Profile  string            // demo-<backend>
	Backend  string            //
	URL      string            // http://127.0.0.1:PORT
	Secrets  map[string]string // by the backend's names for them
	Settings map[string]string // the backend's keys of a profile

	server product
	http   *http.Server
	base   []byte // the server's state as last kept
}

// product is what every fake is.
type product interface {
	http.Handler
	State() ([]byte, error)
	Restore([]byte) error
}

// Demo is the running servers.
type Demo struct {
	Instances []*Instance
	Story     *story.Story

	opt     Options
	file    *file
	serving sync.WaitGroup
	closed  chan struct{}
	once    sync.Once
}

// keepEvery is how often a long-running demo looks for changes to keep.
const keepEvery = 2 * time.Second

// Start starts the servers asked for. An error leaves nothing running. ctx
// bounds the start only; the servers run until Close.
func Start(ctx context.Context, opt Options) (*Demo, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	wanted := opt.Backends
	if wanted == nil {
		wanted = Backends
	}
	spec, err := faults.Parse(opt.Faults)
	if err != nil {
		return nil, err
	}
	f, err := load(opt.StateDir, opt.Now())
	if err != nil {
		return nil, err
	}
	d := &Demo{opt: opt, file: f, closed: make(chan struct{}), Story: story.New(f.Anchor, opt.Scale)}
	for _, b := range Backends {
		if slices.Contains(wanted, b) {
			d.Instances = append(d.Instances, &Instance{Profile: prefix + b, Backend: b})
		}
	}
	for _, b := range wanted {
		if !slices.Contains(Backends, b) {
			return nil, fmt.Errorf("the demo has no backend %q: want one of %s", b, strings.Join(Backends, ", "))
		}
	}
	errs := make([]error, len(d.Instances))
	var building sync.WaitGroup
	for i, inst := range d.Instances {
		building.Go(func() { errs[i] = d.build(inst, spec.Conduct(inst.Backend)) })
	}
	building.Wait()
	for i, inst := range d.Instances {
		if errs[i] == nil && ctx.Err() == nil {
			errs[i] = d.listen(ctx, inst, spec)
		}
	}
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return nil, errors.Join(err, d.stop())
	}
	if opt.StateDir != "" {
		if err := f.keep(); err != nil {
			return nil, errors.Join(fmt.Errorf("cannot keep the state of the demo: %w", err), d.stop())
		}
		d.serving.Go(d.keeper)
	}
	return d, nil
}

// Instance gives the running server of a profile, nil when it was not started.
func (d *Demo) Instance(profile string) *Instance {
	for _, i := range d.Instances {
		if i.Profile == profile {
			return i
		}
	}
	return nil
}

// build makes the server of one product and puts back what users changed.
func (d *Demo) build(inst *Instance, c faults.Conduct) error {
	inst.Secrets = d.file.Keys[inst.Backend]
	makers[inst.Backend](inst, d.Story, d.opt.Now, c)
	if b := d.file.State[inst.Backend]; len(b) > 0 {
		if err := inst.server.Restore(b); err != nil {
			return fmt.Errorf("the kept state of %s cannot be read (edrctl demo reset forgets it): %w", inst.Profile, err)
		}
	}
	var err error
	inst.base, err = inst.server.State()
	return err
}

func (d *Demo) listen(ctx context.Context, inst *Instance, spec faults.Spec) error {
	port := 0
	if d.opt.PortBase > 0 {
		port = d.opt.PortBase + slices.Index(Backends, inst.Backend)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	h := spec.Wrap(inst.Backend, inst.server)
	if d.opt.Wrap != nil {
		h = d.opt.Wrap(inst.Backend, h)
	}
	inst.http = &http.Server{Handler: h, ReadHeaderTimeout: 30 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	inst.URL = "http://" + l.Addr().String()
	d.serving.Go(func() { _ = inst.http.Serve(l) })
	return nil
}

// keeper writes changes down while the demo runs, so that a crash loses
// little.
func (d *Demo) keeper() {
	t := time.NewTicker(keepEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			_ = d.keep() // Close tries again and reports
		case <-d.closed:
			return
		}
	}
}

// keep writes down what users changed since the last time.
func (d *Demo) keep() error {
	if d.opt.StateDir == "" {
		return nil
	}
	changed := map[string][]byte{}
	var errs []error
	for _, inst := range d.Instances {
		b, err := inst.server.State()
		if err != nil {
			errs = append(errs, err)
		} else if string(b) != string(inst.base) {
			changed[inst.Backend] = b
		}
	}
	if len(changed) > 0 {
		err := d.file.merge(changed)
		errs = append(errs, err)
		if err == nil {
			for _, inst := range d.Instances {
				if b, ok := changed[inst.Backend]; ok {
					inst.base = b
				}
			}
		}
	}
	return errors.Join(errs...)
}

// stop ends the servers.
func (d *Demo) stop() error {
	var errs []error
	d.once.Do(func() { close(d.closed) })
	for _, inst := range d.Instances {
		if c, ok := inst.server.(interface{ Close() }); ok {
			c.Close()
		}
		if inst.http != nil {
			errs = append(errs, inst.http.Close())
		}
	}
	d.serving.Wait()
	return errors.Join(errs...)
}

// Close ends the servers and writes down what users changed.
func (d *Demo) Close() error {
	return errors.Join(d.stop(), d.keep())
}
