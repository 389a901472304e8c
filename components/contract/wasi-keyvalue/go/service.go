// Contract guest for `wasi:keyvalue`: runs what a JSON command says, so that cases need no code.
// `../../README.md` is the protocol.
package main

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"contract"
	"wharf"
	atomics "wharf/bindings/wasi_keyvalue_atomics"
	batch "wharf/bindings/wasi_keyvalue_batch"
	store "wharf/bindings/wasi_keyvalue_store"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

func init() { wharf.Serve(answer) }

func main() {}

// A command has the members of all of them.
type command struct {
	contract.Item
	Bucket    string
	Keys      []string
	Items     []contract.Item
	Cursor    *string
	Delta     int64
	Meanwhile *string
	Again     bool
}

type pair = wit.Tuple2[string, []uint8]

func answer(request *wharf.Request) (*wharf.Response, error) {
	command := command{Bucket: "cache", Delta: 1}
	if err := request.JSON(&command); err != nil {
		return nil, err
	}
	result, err := run(request.Path, command)
	var failure wharf.Failure[store.Error]
	switch {
	case errors.As(err, &failure):
		return wharf.JSON(map[string]any{"error": describeError(failure.Contract)}), nil
	case err != nil:
		return nil, err
	case result == nil:
		return contract.NoSuchRoute()
	}
	return wharf.JSON(result), nil
}

// Runs a command. There is neither a result nor an error when no command has this path.
func run(path string, command command) (map[string]any, error) {
	bucket, err := wharf.Check(store.Open(command.Bucket))
	if err != nil {
		return nil, err
	}
	defer bucket.Drop()
	switch path {
	case "/open":
		return map[string]any{"opened": true}, nil
	case "/list-keys":
		page, err := wharf.Check(bucket.ListKeys(wharf.Optional(command.Cursor)))
		return map[string]any{"keys": page.Keys, "cursor": contract.OrNull(page.Cursor)}, err
	case "/get-many":
		return getMany(bucket, command)
	case "/set-many":
		return setMany(bucket, command)
	case "/delete-many":
		_, err := wharf.Check(batch.DeleteMany(bucket, command.Keys))
		return map[string]any{"deleted": true}, err
	}
	return runOnKey(bucket, path, command)
}

// Runs a command with one key.
func runOnKey(bucket *store.Bucket, path string, command command) (map[string]any, error) {
	key, err := command.Name()
	if err != nil {
		return nil, err
	}
	switch path {
	case "/get":
		value, err := wharf.Check(bucket.Get(key))
		return map[string]any{"value": show(value)}, err
	case "/set":
		value, err := command.Content()
		if err != nil {
			return nil, err
		}
		_, err = wharf.Check(bucket.Set(key, value))
		return map[string]any{"stored": true}, err
	case "/delete":
		_, err := wharf.Check(bucket.Delete(key))
		return map[string]any{"deleted": true}, err
	case "/exists":
		exists, err := wharf.Check(bucket.Exists(key))
		return map[string]any{"exists": exists}, err
	case "/increment":
		sum, err := wharf.Check(atomics.Increment(bucket, key, command.Delta))
		return map[string]any{"sum": sum}, err
	case "/cas":
		return cas(bucket, key, command)
	}
	return nil, nil
}

func getMany(bucket *store.Bucket, command command) (map[string]any, error) {
	found, err := wharf.Check(batch.GetMany(bucket, command.Keys))
	entries := make([]any, 0, len(found))
	for _, entry := range found {
		if entry.IsNone() {
			entries = append(entries, nil)
			continue
		}
		entries = append(entries, [2]string{entry.Some().F0, text(entry.Some().F1)})
	}
	return map[string]any{"entries": entries}, err
}

func setMany(bucket *store.Bucket, command command) (map[string]any, error) {
	items, err := contract.Mapped(command.Items, func(item contract.Item) (pair, error) {
		key, err := item.Name()
		if err != nil {
			return pair{}, err
		}
		value, err := item.Content()
		return pair{F0: key, F1: value}, err
	})
	if err != nil {
		return nil, err
	}
	_, err = wharf.Check(batch.SetMany(bucket, items))
	return map[string]any{"stored": true}, err
}

// Swaps a value, perhaps after somebody else has set another; tries again with the handle of the failure when told.
func cas(bucket *store.Bucket, key string, command command) (map[string]any, error) {
	value, err := command.Content()
	if err != nil {
		return nil, err
	}
	handle, err := wharf.Check(atomics.CasNew(bucket, key))
	if err != nil {
		return nil, err
	}
	before, err := wharf.Check(handle.Current())
	if err != nil {
		return nil, err
	}
	if command.Meanwhile != nil {
		if _, err := wharf.Check(bucket.Set(key, []byte(*command.Meanwhile))); err != nil {
			return nil, err
		}
	}
	failed, err := swap(handle, value)
	if err != nil {
		return nil, err
	}
	if failed == nil {
		return map[string]any{"swapped": true, "before": show(before)}, nil
	}
	current, err := wharf.Check(failed.Current())
	if err != nil {
		return nil, err
	}
	result := map[string]any{"failed": true, "before": show(before), "current": show(current)}
	if command.Again {
		failed, err = swap(failed, value)
		if failed == nil {
			result["swapped"] = true
		}
	}
	return result, err
}

// Swaps with the handle, which is gone then: the result is another one when somebody else was first.
func swap(handle *atomics.Cas, value []byte) (*atomics.Cas, error) {
	_, err := wharf.Check(atomics.Swap(handle, value))
	var failure wharf.Failure[atomics.CasError]
	if !errors.As(err, &failure) {
		return nil, err
	}
	if failure.Contract.Tag() == atomics.CasErrorStoreError {
		return nil, wharf.Failure[store.Error]{Contract: failure.Contract.StoreError()}
	}
	return failure.Contract.CasFailed(), nil
}

func show(value wit.Option[[]uint8]) any {
	if value.IsNone() {
		return nil
	}
	return text(value.Some())
}

// The text, or `hex:` and the bytes in hexadecimal when it is none.
func text(value []byte) string {
	if utf8.Valid(value) {
		return string(value)
	}
	return fmt.Sprintf("hex:%x", value)
}

func describeError(err store.Error) map[string]any {
	switch err.Tag() {
	case store.ErrorNoSuchStore:
		return map[string]any{"case": "no-such-store"}
	case store.ErrorAccessDenied:
		return map[string]any{"case": "access-denied"}
	default:
		return map[string]any{"case": "other", "text": err.Other()}
	}
}
