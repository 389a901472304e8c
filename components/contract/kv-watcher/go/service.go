// Contract guest for `kv-watcher`: writes down what it is called with, and fails when it is told to.
// `../../README.md` is the protocol.
package main

import (
	"encoding/hex"
	"errors"
	"slices"
	"unicode/utf8"

	"contract"
	"contract/events"
	"wharf"
	exported "wharf/bindings/export_wharf_platform_kv_watcher"
	kv "wharf/bindings/wharf_platform_kv"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

func init() {
	wharf.Serve(answer)
	exported.Watching = func(bucket string, gap bool) exported.Result {
		return events.Outcome(events.Record(events.Event{"bucket": bucket, "gap": gap}))
	}
	exported.Changed = func(bucket, key string, entry wit.Option[kv.Entry]) exported.Result {
		return events.Outcome(changed(bucket, key, entry))
	}
}

func main() {}

func changed(bucket, key string, entry wit.Option[kv.Entry]) error {
	event := events.Event{"bucket": bucket, "key": key, "value": nil, "version": false}
	var value string
	if entry.IsSome() {
		value = string(entry.Some().Value)
		event["version"] = entry.Some().Version > 0
		event["value"] = value
		if !utf8.ValidString(value) {
			delete(event, "value")
			event["hex"] = hex.EncodeToString([]byte(value))
		}
	}
	if err := events.Record(event); err != nil {
		return err
	}
	if value != "error" && value != "trap" && value != "loop" {
		return nil
	}
	// Each key fails once.
	attempt, err := events.Count("attempts/" + key)
	if err != nil || attempt > 1 {
		return err
	}
	switch value {
	case "trap":
		panic("asked to trap here")
	case "loop":
		for {
		}
	}
	return errors.New("asked to fail here")
}

func answer(request *wharf.Request) (*wharf.Response, error) {
	switch request.Method + " " + request.Path {
	case "GET /events":
		return list(request)
	case "POST /put":
		return put(request)
	case "POST /delete":
		return remove(request)
	case "POST /clear":
		return wharf.JSON(map[string]any{"cleared": true}), events.Clear()
	}
	return contract.NoSuchRoute()
}

// All events, or those of one key.
func list(request *wharf.Request) (*wharf.Response, error) {
	all, err := events.All()
	if err != nil {
		return nil, err
	}
	if key, found := request.QueryParam("key"); found {
		all = slices.DeleteFunc(all, func(event events.Event) bool { return event["key"] != key })
	}
	return wharf.JSON(map[string]any{"events": all}), nil
}

func put(request *wharf.Request) (*wharf.Response, error) {
	var command struct {
		Key, Value string
		Hex        *string
		TTL        *uint64 `json:"ttl_ms"`
	}
	if err := request.JSON(&command); err != nil {
		return nil, err
	}
	value := []byte(command.Value)
	if command.Hex != nil {
		decoded, err := hex.DecodeString(*command.Hex)
		if err != nil {
			return nil, contract.Malformed("`hex` is not hexadecimal")
		}
		value = decoded
	}
	bucket, err := wharf.Check(kv.BucketOpen("watched"))
	if err != nil {
		return nil, err
	}
	defer bucket.Drop()
	item := kv.PutItem{Key: command.Key, Value: value, TtlMs: wharf.Optional(command.TTL)}
	if _, err := wharf.Check(bucket.Put(item, kv.MakeConditionAlways())); err != nil {
		return nil, err
	}
	return wharf.JSON(map[string]any{"stored": true}), nil
}

func remove(request *wharf.Request) (*wharf.Response, error) {
	var command struct{ Key string }
	if err := request.JSON(&command); err != nil {
		return nil, err
	}
	bucket, err := wharf.Check(kv.BucketOpen("watched"))
	if err != nil {
		return nil, err
	}
	defer bucket.Drop()
	deleted, err := wharf.Check(bucket.Delete(command.Key, kv.MakeConditionAlways()))
	return wharf.JSON(map[string]any{"deleted": deleted}), err
}
