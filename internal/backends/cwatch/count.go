package cwatch

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/cwatch/rules"
	"github.com/edrctl/edrctl/internal/backends/cwatch/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// aggregation is what one count asks the server for, and how a bucket's
// value is read.
type aggregation struct {
	field string
	value func(v []byte) string
}

// byKind counts by base_event_type, which every event has.
var byKind = aggregation{"BASE_EVENT_TYPE", func(v []byte) string { kind, _ := kindOf(baseNumber(v)); return string(kind) }}

var aggregations = map[string]aggregation{
	"host":    {"PROCESS_DEVICE_NAME", wire.Text},
	"user":    {"PROCESS_USER_NAME", wire.Text},
	"path":    {"PROCESS_PATH", wire.Text},
	"process": {"PROCESS_PATH", func(v []byte) string { return model.BaseName(wire.Text(v)) }},
	"kind":    byKind,
}

// CountEvents counts with /events/aggregations where its answer is sure to be
// exact: without a filter, since how the server compares is unproved, and a list
// of buckets too short to have been cut (the route has no page size, and its
// buckets no key to page by).
func (d *Driver) CountEvents(ctx context.Context, q backends.Query, by string) ([]model.Count, error) {
	agg, ok := aggregations[by]
	s := rules.Compile(q)
	if s.Nothing {
		return nil, nil
	}
	if !ok || len(s.Exact) != 1 || !s.Residual.Empty() {
		return nil, backends.ErrCountLocally
	}
	if since, until := d.window(q); d.unit == wire.Seconds && (since.Nanosecond() != 0 || until.Nanosecond() != 0) {
		return nil, backends.ErrCountLocally // the server cannot be asked for a part of a second
	}
	counts, err := d.aggregate(ctx, q, agg, s.Exact[0])
	if err != nil || agg.field == byKind.field {
		return ranked(counts), err
	}
	// A server may leave out events without a value; the kinds, which every
	// event has, give the total.
	all, err := d.aggregate(ctx, q, byKind, s.Exact[0])
	if err != nil {
		return nil, err
	}
	if total(all) != total(counts) {
		return nil, backends.ErrCountLocally
	}
	return ranked(counts), nil
}

// aggregate asks for the counts of one field; ErrCountLocally when they may
// not be exact.
func (d *Driver) aggregate(ctx context.Context, q backends.Query, agg aggregation, text string) (map[string]int, error) {
	since, until := d.window(q)
	v := url.Values{
		"field":     {agg.field},
		"from_time": {strconv.FormatInt(d.unit.Ceil(since), 10)},
		"to_time":   {strconv.FormatInt(d.unit.Ceil(until)-1, 10)},
	}
	if text != "" {
		v.Set("q", text)
	}
	counts := map[string]int{}
	buckets, unclear := 0, false
	err := d.elements(ctx, client.Call{Path: "/events/aggregations", Query: v}, "", func(b []byte) error {
		var count, value []byte
		others := 0
		if wire.EachMember(b, func(key, v []byte) {
			if string(key) == "count" {
				count = v
				return
			}
			// The other key is "value", or named after the field.
			value = v
			others++
		}) != nil {
			return errRow("bucket")
		}
		n, isCount := wire.Int(count)
		name := agg.value(value)
		unclear = unclear || others != 1 || !isCount || n < 0 || name == ""
		counts[name] += int(n)
		buckets++
		return nil
	})
	if err != nil {
		err = backends.FromClient("cannot count events", err)
		if k := backends.KindOf(err); k == backends.KindInvalid || k == backends.KindNotFound {
			return nil, backends.ErrCountLocally
		}
		return nil, err
	}
	if unclear || mayBeTruncated(buckets) {
		return nil, backends.ErrCountLocally
	}
	return counts, nil
}

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

func ranked(counts map[string]int) []model.Count {
	out := make([]model.Count, 0, len(counts))
	for value, n := range counts {
		out = append(out, model.Count{Value: value, Count: n})
	}
	slices.SortFunc(out, func(a, b model.Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return out
}

// mayBeTruncated reports whether a list has a length servers like to stop at.
func mayBeTruncated(n int) bool { return n >= 10 && n%5 == 0 }
