package tui

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/tui/keys"
)

var storeNow = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func small(limit int) *store {
	s := newStore()
	s.limit, s.now = limit, func() time.Time { return storeNow }
	return s
}

func made(id int, sev model.Severity, at time.Time) *model.Alert {
	ref := fmt.Sprint("p/", id)
	return &model.Alert{Origin: model.Origin{ID: ref[2:], Ref: ref, Profile: "p"}, Severity: sev, Time: model.At(at), Title: "t"}
}

// sound holds a store to what is true of it at any time.
func sound(t *testing.T, s *store) {
	t.Helper()
	if len(s.all) > s.limit || len(s.all) != len(s.byRef) {
		t.Fatalf("%d rows, %d by reference, at most %d", len(s.all), len(s.byRef), s.limit)
	}
	hosts := map[hostKey]hostCount{}
	for _, r := range s.all {
		if s.byRef[r.key()] != r || s.gone(r) {
			t.Fatalf("%s is held twice, or below the floor", r.key())
		}
		k := keyOfHost(r.a.Profile, hostName(r.a.Host))
		c := hosts[k]
		c[r.a.Severity.Rank()]++
		hosts[k] = c
	}
	for k, c := range s.hosts {
		if *c != hosts[k] {
			t.Fatalf("%v has %v alerts, counted as %v", k, hosts[k], *c)
		}
	}
	if len(hosts) != len(s.hosts) {
		t.Fatalf("%d hosts have alerts, %d are counted", len(hosts), len(s.hosts))
	}
}

// A flood of lesser alerts pushes out its own kind; the worse stay.
func TestFloodKeepsTheWorst(t *testing.T) {
	s := small(100)
	for i := range 20 {
		s.add([]*model.Alert{made(i, model.SeverityCritical, storeNow.Add(-time.Hour))}, true, false)
	}
	for i := 20; i < 1020; i++ {
		s.add([]*model.Alert{made(i, model.SeverityLow, storeNow.Add(time.Duration(i-2000)*time.Second))}, true, false)
		sound(t, s)
	}
	for i := range 20 {
		if s.byRef[fmt.Sprint("p/", i)] == nil {
			t.Fatalf("the critical alert %d is gone", i)
		}
	}
	if len(s.all)+s.dropped != 1020 || string(s.loss()) != fmt.Sprintf("oldest %d below HIGH dropped", s.dropped) {
		t.Fatalf("%d held, %d dropped: %q", len(s.all), s.dropped, s.loss())
	}
	// Nothing but worse ones: they are bounded too, and a tenth is left to others.
	for i := 1020; i < 3020; i++ {
		s.add([]*model.Alert{made(i, model.SeverityCritical, storeNow.Add(time.Duration(i-4000)*time.Millisecond))}, true, false)
		sound(t, s)
	}
	lesser := slices.DeleteFunc(slices.Clone(s.all), func(r *row) bool { return r.tier() == 1 })
	if len(lesser) != 10 || len(s.all)+s.dropped != 3020 || strings.Contains(string(s.loss()), "below") {
		t.Fatalf("%d lesser, %d held, %q", len(lesser), len(s.all), s.loss())
	}
}

// A clock that runs ahead keeps nothing for ever, and no time breaks the order.
func TestStoreOfOddTimes(t *testing.T) {
	s := small(100)
	for i := range 100 {
		at := []time.Time{{}, storeNow.AddDate(500, 0, 0), time.Date(-4000, 1, 1, 0, 0, 0, 0, time.UTC), storeNow.Add(time.Hour)}[i%4]
		s.add([]*model.Alert{made(i, model.SeverityLow, at)}, i%3 == 0, i%5 == 0)
	}
	if len(s.all) != 100 || s.loss() != "" {
		t.Fatalf("%d of 100 are held: %q", len(s.all), s.loss())
	}
	for i := 100; i < 400; i++ {
		s.add([]*model.Alert{made(i, model.SeverityLow, storeNow)}, true, false)
		sound(t, s)
	}
	for i := range 100 {
		if s.byRef[fmt.Sprint("p/", i)] != nil {
			t.Fatalf("%d stays for ever", i)
		}
	}
}

// What is listed again is neither new nor dropped again.
func TestListedAgain(t *testing.T) {
	s := small(100)
	var all []*model.Alert
	for i := range 250 {
		all = append(all, made(i, model.SeverityMedium, storeNow.Add(time.Duration(i-1000)*time.Second)))
	}
	s.add(all, false, false)
	stored, dropped := len(s.all), s.dropped
	s.add(all, false, true)
	if len(s.all) != stored || s.dropped != dropped || stored+dropped != 250 {
		t.Fatalf("%d held and %d dropped, were %d and %d", len(s.all), s.dropped, stored, dropped)
	}
}

// Whatever comes, changes and goes, in whatever order the commands end: the
// list is what filtering and sorting the store from the start would give.
func TestListFollowsTheStore(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 5))
		limit := []int{300, inlineRows + 900}[seed%2] // within Update, and in commands
		a, err := New(t.Context(), Options{Service: idle{}, Manual: true, MaxAlerts: limit, Now: func() time.Time { return storeNow }})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		a.Init()
		a.feeds = 7 // the feeders are ours
		a.Update(tea.WindowSizeMsg{Width: 100, Height: 30})
		home := a.stack[0].(*alertsView)
		var pending []tea.Cmd
		take := func(cmd tea.Cmd) {
			if cmd != nil {
				pending = append(pending, cmd)
			}
		}
		run := func(i int) {
			cmd := pending[i]
			pending = slices.Delete(pending, i, i+1)
			switch m := cmd().(type) {
			case tea.BatchMsg:
				for _, c := range m {
					take(c)
				}
			default:
				_, c := a.Update(m)
				take(c)
			}
		}
		sevs := []model.Severity{model.SeverityLow, model.SeverityMedium, model.SeverityHigh, model.SeverityCritical, model.SeverityUnknown}
		id := 0
		for step := range 300 {
			var batch []*model.Alert
			for range r.IntN(limit / 12) {
				n := id
				if r.IntN(6) == 0 && id > 0 {
					n = r.IntN(id) // one known before, perhaps changed
				} else {
					id++
				}
				x := made(n, sevs[r.IntN(len(sevs))], storeNow.Add(time.Duration(n*3-r.IntN(4000)-100_000)*time.Second))
				x.Status = []model.Status{model.StatusOpen, model.StatusClosed}[r.IntN(2)]
				model.ScoreNumber(model.ScaleCWatch, float64(r.IntN(11))).Apply(x)
				batch = append(batch, x)
			}
			_, cmd := a.Update(pumpMsg{alertsIn{alerts: batch[:len(batch)/2], fresh: true, gen: 7}, alertsIn{alerts: batch[len(batch)/2:], fresh: true, gen: 7}})
			take(cmd)
			if r.IntN(5) == 0 {
				act := []keys.Action{keys.SortNext, keys.SortTurn, keys.High, keys.AnySev, keys.Status, keys.Live, keys.Down, keys.Bottom, keys.Top}[r.IntN(9)]
				cmd, _ := home.key(a.s, act, "")
				take(cmd)
			}
			for len(pending) > 0 && r.IntN(3) > 0 {
				run(r.IntN(len(pending)))
			}
			if step%10 != 9 {
				continue
			}
			if !home.live {
				cmd, _ := home.key(a.s, keys.Live, "")
				take(cmd)
			}
			for len(pending) > 0 {
				run(0)
			}
			sound(t, a.s.store)
			want, counts := project(a.s.store.all, home.matcher(), home.order())
			if !slices.Equal(want, home.table.Rows()) || counts != home.counts {
				t.Fatalf("seed %d, step %d: the list has %d rows %v, the store %d %v", seed, step, home.table.Len(), home.counts, len(want), counts)
			}
		}
	}
}
