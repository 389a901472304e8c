// Package events keeps what a guest was called with, in the bucket `events`.
package events

import (
	"encoding/json"
	"fmt"

	"wharf"
	kv "wharf/bindings/wharf_platform_kv"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// Event is one call, as JSON.
type Event = map[string]any

// The event's key: keys sort as text, so their numbers have leading zeros.
const (
	prefix = "event/"
	format = prefix + "%010d"
)

// Open opens the bucket, which is to be dropped.
func Open() (*kv.Bucket, error) {
	return wharf.Check(kv.BucketOpen("events"))
}

// Record adds an event behind the others.
func Record(event Event) error {
	number, err := Count("count")
	if err != nil {
		return err
	}
	text, err := json.Marshal(event)
	if err != nil {
		return err
	}
	bucket, err := Open()
	if err != nil {
		return err
	}
	defer bucket.Drop()
	item := kv.PutItem{Key: fmt.Sprintf(format, number), Value: text}
	_, err = wharf.Check(bucket.Put(item, kv.MakeConditionAlways()))
	return err
}

// Count adds 1 to a number and gives the sum.
func Count(key string) (int64, error) {
	bucket, err := Open()
	if err != nil {
		return 0, err
	}
	defer bucket.Drop()
	return wharf.Check(bucket.Increment(kv.IncrementItem{Key: key, Delta: 1}, 0, wit.None[uint64]()))
}

// All is every event, in the order of the calls.
func All() ([]Event, error) {
	entries, err := scan(kv.ScanOptions{Prefix: prefix, Limit: 1000})
	events := make([]Event, 0, len(entries))
	for _, entry := range entries {
		var event Event
		if err := json.Unmarshal(entry.F1.Value, &event); err != nil {
			return nil, fmt.Errorf("`%s` is no JSON: %w", entry.F0, err)
		}
		events = append(events, event)
	}
	return events, err
}

// Clear forgets everything that the bucket keeps.
func Clear() error {
	entries, err := scan(kv.ScanOptions{KeysOnly: true, Limit: 1000})
	if err != nil {
		return err
	}
	bucket, err := Open()
	if err != nil {
		return err
	}
	defer bucket.Drop()
	for _, entry := range entries {
		if _, err := wharf.Check(bucket.Delete(entry.F0, kv.MakeConditionAlways())); err != nil {
			return err
		}
	}
	return nil
}

// Every page of a scan.
func scan(options kv.ScanOptions) ([]wit.Tuple2[string, kv.Entry], error) {
	bucket, err := Open()
	if err != nil {
		return nil, err
	}
	defer bucket.Drop()
	var entries []wit.Tuple2[string, kv.Entry]
	for {
		page, err := wharf.Check(bucket.Scan(options))
		if err != nil {
			return nil, err
		}
		entries = append(entries, page.Entries...)
		if page.Next.IsNone() {
			return entries, nil
		}
		options.Cursor = page.Next
	}
}

// Outcome is an error's text for the host, or nothing.
func Outcome(err error) wit.Result[wit.Unit, string] {
	if err != nil {
		return wit.Err[wit.Unit](err.Error())
	}
	return wit.Ok[wit.Unit, string](wit.Unit{})
}
