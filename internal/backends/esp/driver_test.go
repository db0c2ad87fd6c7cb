package esp_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp"
	"github.com/edrctl/edrctl/internal/backends/esp/catalog"
	"github.com/edrctl/edrctl/internal/backends/esp/fake"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// The fake answers every operation of the catalogue in the edition that has it.
func TestFakeServesTheCatalogue(t *testing.T) {
	srv := fake.New(small(), fake.Options{Edition: fake.Enterprise})
	d := newDriver(t, serve(t, srv), nil)
	for _, op := range catalog.Operations() {
		args := map[string]any{}
		for _, p := range op.Params {
			if !p.Required {
				continue
			}
			switch {
			case len(p.Enum) > 0:
				args[p.Name] = p.Enum[0]
			case p.Type == "int":
				args[p.Name] = "1"
			case p.Type == "object":
				args[p.Name] = `{"condition":"AND","rules":[{"field":"md5","operator":"equal","value":"x"}]}`
			case p.Type == "array":
				args[p.Name] = "[1]"
			default:
				args[p.Name] = "AAAA-1"
			}
		}
		_, err := d.Invoke(t.Context(), op, args)
		if k := backends.KindOf(err); k == backends.KindUnsupported || k == backends.KindMalformed {
			t.Errorf("%s: %v", op.Name, err)
		}
		if op.Name != "downloads.get" && op.Name != "auth.logout" && srv.Calls()[op.Name] == 0 && backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("%s did not reach the server: %v", op.Name, err)
		}
	}
}

func TestKinds(t *testing.T) {
	for _, tc := range []struct {
		table, cells string
		want         model.Kind
	}{
		{"win_process_events", `{"action":"PROC_CREATE"}`, model.KindProcessStart},
		{"win_process_events", `{"action":"PROC_TERMINATE"}`, model.KindProcessEnd},
		{"pack_all_win_file_events", `{"action":"FILE_DELETE"}`, model.KindFileDelete},
		{"win_file_events", `{"action":"something new"}`, model.KindFileWrite},
		{"file_events", `{"action":"CREATED"}`, model.KindFileCreate},
		{"win_socket_events", `{"action":"SOCKET_LISTEN"}`, model.KindNetworkListen},
		{"socket_events", `{"action":"bind"}`, model.KindNetworkListen},
		{"win_dns_events", `{"domain_name":".x.org"}`, model.KindDNSQuery},
		{"win_registry_events", `{"action":"REG_DELETE"}`, model.KindRegistryDelete},
		{"win_image_load_events", `{"action":"DRIVER_LOAD","image_path":"C:\\d.sys"}`, model.KindDriverLoad},
		{"win_file_events", `{"action":"FILE_RENAME"}`, model.KindFileRename},
		{"win_image_load_events", `{}`, model.KindModuleLoad},
		{"win_process_open_events", `{}`, model.KindProcessAccess},
		{"win_remote_thread_events", `{}`, model.KindProcessInject},
		{"process_events", `{"pid":"1"}`, model.KindProcessStart},
		{"windows_real_time_events", `{"eventid":"13"}`, model.KindRegistrySet},
		{"win_defender_events", `{}`, model.KindOther},
		{"certificates", `{"path":"x"}`, model.KindInventory},
		{"uptime", `{"time":"1596557041"}`, model.KindInventory},
	} {
		e, err := esp.ReadColumns(tc.table, []byte(tc.cells))
		if err != nil {
			t.Fatal(err)
		}
		if got := e.(*model.Event).Kind; got != tc.want {
			t.Errorf("%s %s: %s, want %s", tc.table, tc.cells, got, tc.want)
		}
	}
}

// What a lookup was answered with is in the event, as addresses.
func TestResolvedAddresses(t *testing.T) {
	e, err := esp.ReadColumns("win_dns_response_events", []byte(`{"action":"DNS_RESPONSE","domain_name":".evil.example","resolved_ip":"::ffff:203.0.113.7,2001:db8::1"}`))
	if err != nil {
		t.Fatal(err)
	}
	dns := e.(*model.Event).DNS
	if want := []model.DNSAnswer{{Type: "A", Data: "203.0.113.7"}, {Type: "AAAA", Data: "2001:db8::1"}}; dns == nil || !reflect.DeepEqual(dns.Answers, want) {
		t.Errorf("%+v", dns)
	}
}

// rows makes n results of one host a second apart, newest at the anchor.
func rows(n int) fake.List {
	out := make(fake.List, n)
	for i := range out {
		at := anchor.Add(-time.Duration(n-i) * time.Second)
		out[i] = fake.Result{ID: int64(100 + i), Name: "win_dns_events", Time: at, Action: "added", NodeID: 1, UUID: fmt.Sprint(i), Columns: fake.Columns{
			{K: "eid", V: fmt.Sprintf("00000000-0000-0000-0000-%012d", i)}, {K: "time", V: fmt.Sprint(at.Unix())}, {K: "action", V: "DNS_LOOKUP"},
			{K: "domain_name", V: fmt.Sprintf(".n%d.example.org", i)}, {K: "process_guid", V: "G"},
		}}
	}
	return out
}

// Every edition's paging gives each row once, newest first, whether or not
// the driver was told the edition.
func TestPagingOfAllEditions(t *testing.T) {
	n := 2*esp.EventPage + 137
	for _, tc := range []struct {
		edition string
		offset  bool
		told    string
	}{
		{fake.CE2, false, ""}, {fake.CE2, false, wire.EditionCE2}, {fake.CE3, false, ""}, {fake.CE3, false, wire.EditionCE3},
		{fake.Enterprise, true, ""}, {fake.Enterprise, false, wire.EditionEnterprise}, {fake.CE4, false, ""},
	} {
		data := small()
		data.Results = rows(n)
		srv := fake.New(data, fake.Options{Edition: tc.edition, Offset: tc.offset, Now: func() time.Time { return anchor }})
		d := newDriver(t, serve(t, srv), func(o *backends.Options) {
			at(o)
			if tc.told != "" {
				o.Settings["edition"] = tc.told
			}
		})
		for range 2 { // the second time the mode is known
			l, err := d.Events(t.Context(), backends.Query{Since: anchor.Add(-2 * time.Hour), Until: anchor})
			if err != nil {
				t.Fatal(err)
			}
			got, err := collect(l.Seq)
			if err != nil {
				t.Fatalf("%+v: %v", tc, err)
			}
			if len(got) != n {
				t.Fatalf("%+v: %d of %d events", tc, len(got), n)
			}
			for i := 1; i < len(got); i++ {
				if !got[i].Time.Before(got[i-1].Time.Time) {
					t.Fatalf("%+v: event %d is not older than the one before", tc, i)
				}
			}
		}
	}
}

// A page must not be lost when ids are dense and the offset server is asked
// with a cursor first.
func TestEventsOfOneHostByEventID(t *testing.T) {
	data := small()
	data.Results = rows(30)
	for _, edition := range []string{fake.CE2, fake.CE3, fake.Enterprise} {
		d := newDriver(t, serve(t, fake.New(data, fake.Options{Edition: edition, Now: func() time.Time { return anchor }})), at)
		e, err := d.Event(t.Context(), "00000000-0000-0000-0000-000000000007", true)
		if err != nil || e.DNS.Question.Name != "n7.example.org" || e.Host.ID != "AAAA-1" {
			t.Errorf("%s: %v, %v", edition, e, err)
		}
		if _, err := d.Event(t.Context(), "00000000-0000-0000-0000-000000009999", false); backends.KindOf(err) != backends.KindNotFound {
			t.Errorf("%s: %v", edition, err)
		}
	}
}

func TestWhatNarrows(t *testing.T) {
	data := small()
	data.Results = rows(50)
	d := newDriver(t, serve(t, fake.New(data, fake.Options{Now: func() time.Time { return anchor }})), at)
	for _, tc := range []struct {
		field filter.Field
		value string
		want  int
		in    string // a part of the request shown
	}{
		{filter.Domain, "n7.example", 1, `"domain_name"`},
		{filter.Domain, "=n7.example.org", 1, `"contains","value":"n7.example.org"`},
		{filter.Domain, "n?.example.org", 10, `n_.example.org`},
		{filter.Hash, "d41d8cd98f00b204e9800998ecf8427e", 0, `"md5"`},
		{filter.Host, "one", 50, `"host_identifier":"…"`},
		{filter.Host, "=AAAA-1", 50, `/hosts`},
		{filter.Host, "elsewhere", 0, `/hosts`},
		{filter.IP, "10.0.0.1", 0, `is_not_empty`},
	} {
		var f filter.Filter
		if err := f.Add(tc.field, tc.value); err != nil {
			t.Fatal(err)
		}
		l, err := d.Events(t.Context(), backends.Query{Since: anchor.Add(-time.Hour), Until: anchor, Filter: f})
		if err != nil {
			t.Fatal(err)
		}
		got, err := collect(l.Seq)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, e := range got {
			if l.Plan.Residual.Match(e) {
				n++
			}
		}
		if n != tc.want {
			t.Errorf("%s %s: %d, want %d", tc.field, tc.value, n, tc.want)
		}
		if plan := strings.Join(l.Plan.Requests, "\n"); !strings.Contains(plan, tc.in) {
			t.Errorf("%s %s: the plan does not show %s:\n%s", tc.field, tc.value, tc.in, plan)
		}
	}
}

// A missing route is "not in this edition", not "not found".
func TestMissingRoute(t *testing.T) {
	d := newDriver(t, serve(t, fake.New(small(), fake.Options{})), nil)
	for _, op := range catalog.Operations() {
		if op.Name == "response.status.all" {
			_, err := d.Invoke(t.Context(), op, nil)
			if backends.KindOf(err) != backends.KindUnsupported || !strings.Contains(err.Error(), "edition") {
				t.Errorf("got %v", err)
			}
		}
	}
}

func TestStateOfTheFake(t *testing.T) {
	a, b := fake.New(small(), fake.Options{}), fake.New(small(), fake.Options{})
	d := newDriver(t, serve(t, a), nil)
	op := catalog.Operations()[slices.IndexFunc(catalog.Operations(), func(o backends.Operation) bool { return o.Name == "hosts.tags.add" })]
	if _, err := d.Invoke(t.Context(), op, map[string]any{"host": "1", "tag": "kept"}); err != nil {
		t.Fatal(err)
	}
	st, err := a.State()
	if err != nil || b.Restore(st) != nil {
		t.Fatal(err)
	}
	if err := b.Restore([]byte(`{"nope":1}`)); err == nil {
		t.Error("a foreign state was taken")
	}
	l, _ := newDriver(t, serve(t, b), nil).Hosts(t.Context(), backends.Query{})
	hosts, err := collect(l.Seq)
	if err != nil || len(hosts) != 1 || !slices.Contains(hosts[0].Tags, "kept") {
		t.Errorf("%v, %v", hosts, err)
	}
}
