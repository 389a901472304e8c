package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"contract"
	"wharf"
	kv "wharf/bindings/wharf_platform_kv"
)

// A command has the members of all of them.
type command struct {
	item
	Bucket             string
	Keys               []string
	Items              []item
	Condition          condition
	Delta, Initial     int64
	Prefix             string
	Start, End, Cursor *string
	Reverse            bool
	KeysOnly           bool `json:"keys_only"`
	Limit              uint32
	Checks             []check
	Mutations          []mutation
}

type item struct {
	contract.Item
	TTL *uint64 `json:"ttl_ms"`
}

type check struct {
	item
	Condition condition
}

type mutation struct {
	item
	Op    string
	Delta *int64
}

// "always", "if-absent", "if-present", or a number for that version.
type condition struct {
	kv.Condition
}

func (condition *condition) UnmarshalJSON(text []byte) error {
	var name string
	var version uint64
	switch {
	case json.Unmarshal(text, &version) == nil:
		condition.Condition = kv.MakeConditionIfVersion(version)
	case json.Unmarshal(text, &name) != nil:
		return fmt.Errorf("no condition %s", text)
	case name == "always":
		condition.Condition = kv.MakeConditionAlways()
	case name == "if-absent":
		condition.Condition = kv.MakeConditionIfAbsent()
	case name == "if-present":
		condition.Condition = kv.MakeConditionIfPresent()
	default:
		return fmt.Errorf("no condition %s", text)
	}
	return nil
}

func (item item) putItem() (kv.PutItem, error) {
	key, err := item.Name()
	if err != nil {
		return kv.PutItem{}, err
	}
	value, err := item.Content()
	return kv.PutItem{Key: key, Value: value, TtlMs: wharf.Optional(item.TTL)}, err
}

func (check check) check() (kv.Check, error) {
	key, err := check.Name()
	return kv.Check{Key: key, Condition: check.Condition.Condition}, err
}

func (mutation mutation) mutation() (kv.Mutation, error) {
	switch mutation.Op {
	case "put":
		item, err := mutation.putItem()
		return kv.MakeMutationPut(item), err
	case "delete":
		key, err := mutation.Name()
		return kv.MakeMutationDelete(key), err
	case "increment":
		key, err := mutation.Name()
		delta := wharf.Optional(mutation.Delta).SomeOr(1)
		return kv.MakeMutationIncrement(kv.IncrementItem{Key: key, Delta: delta}), err
	}
	return kv.Mutation{}, contract.Malformed("a mutation's `op` is put, delete or increment")
}

// `value` when it is text, otherwise `hex`.
func describeEntry(entry kv.Entry) map[string]any {
	described := map[string]any{"version": entry.Version, "expires_at": contract.OrNull(entry.ExpiresAt)}
	if utf8.Valid(entry.Value) {
		described["value"] = string(entry.Value)
	} else {
		described["hex"] = hex.EncodeToString(entry.Value)
	}
	return described
}

func describeFeatures(features kv.Features) []string {
	// Their order is the contract's.
	all := [...]string{"conditions", "ttl", "counters", "transactions", "ordered", "watch", "durable", "linearizable"}
	names := make([]string, 0, len(all))
	for bit, name := range all {
		if features&(1<<bit) != 0 {
			names = append(names, name)
		}
	}
	return names
}

func describeError(err kv.Error) map[string]any {
	switch err.Tag() {
	case kv.ErrorUnavailable:
		return withText("unavailable", err.Unavailable())
	case kv.ErrorConnectionLost:
		return withText("connection-lost", err.ConnectionLost())
	case kv.ErrorDenied:
		return withText("denied", err.Denied())
	case kv.ErrorTimeout:
		return map[string]any{"case": "timeout"}
	case kv.ErrorLimitExceeded:
		return withText("limit-exceeded", err.LimitExceeded())
	case kv.ErrorInvalidArgument:
		return withText("invalid-argument", err.InvalidArgument())
	case kv.ErrorUnsupported:
		return withText("unsupported", err.Unsupported())
	default:
		return withText("other", err.Other())
	}
}

func withText(name, text string) map[string]any {
	return map[string]any{"case": name, "text": text}
}
