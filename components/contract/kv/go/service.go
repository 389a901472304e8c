// Contract guest for `kv`: runs what a JSON command says, so that cases need no code.
// `../../README.md` is the protocol.
package main

import (
	"errors"

	"contract"
	"wharf"
	kv "wharf/bindings/wharf_platform_kv"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

func init() { wharf.Serve(answer) }

func main() {}

func answer(request *wharf.Request) (*wharf.Response, error) {
	command := command{Bucket: "cache", Delta: 1, Limit: 100}
	if err := request.JSON(&command); err != nil {
		return nil, err
	}
	result, err := run(request.Path, command)
	var failure wharf.Failure[kv.Error]
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
	bucket, err := wharf.Check(kv.BucketOpen(command.Bucket))
	if err != nil {
		return nil, err
	}
	defer bucket.Drop()
	switch path {
	case "/open":
		return map[string]any{"opened": true}, nil
	case "/features":
		return map[string]any{"features": describeFeatures(bucket.Features())}, nil
	case "/get":
		return get(bucket, command)
	case "/get-many":
		return getMany(bucket, command)
	case "/put":
		return put(bucket, command)
	case "/put-many":
		return putMany(bucket, command)
	case "/delete":
		return remove(bucket, command)
	case "/increment":
		return increment(bucket, command)
	case "/scan":
		return scan(bucket, command)
	case "/transact":
		return transact(bucket, command)
	}
	return nil, nil
}

func get(bucket *kv.Bucket, command command) (map[string]any, error) {
	key, err := command.Name()
	if err != nil {
		return nil, err
	}
	entry, err := wharf.Check(bucket.Get(key))
	return map[string]any{"entry": describeOptional(entry)}, err
}

func getMany(bucket *kv.Bucket, command command) (map[string]any, error) {
	found, err := wharf.Check(bucket.GetMany(command.Keys))
	entries := make([]any, 0, len(found))
	for _, entry := range found {
		entries = append(entries, describeOptional(entry))
	}
	return map[string]any{"entries": entries}, err
}

func put(bucket *kv.Bucket, command command) (map[string]any, error) {
	item, err := command.putItem()
	if err != nil {
		return nil, err
	}
	version, err := wharf.Check(bucket.Put(item, command.Condition.Condition))
	return map[string]any{"version": contract.OrNull(version)}, err
}

func putMany(bucket *kv.Bucket, command command) (map[string]any, error) {
	items, err := contract.Mapped(command.Items, item.putItem)
	if err != nil {
		return nil, err
	}
	_, err = wharf.Check(bucket.PutMany(items))
	return map[string]any{"stored": true}, err
}

func remove(bucket *kv.Bucket, command command) (map[string]any, error) {
	key, err := command.Name()
	if err != nil {
		return nil, err
	}
	deleted, err := wharf.Check(bucket.Delete(key, command.Condition.Condition))
	return map[string]any{"deleted": deleted}, err
}

func increment(bucket *kv.Bucket, command command) (map[string]any, error) {
	key, err := command.Name()
	if err != nil {
		return nil, err
	}
	item := kv.IncrementItem{Key: key, Delta: command.Delta}
	sum, err := wharf.Check(bucket.Increment(item, command.Initial, wharf.Optional(command.TTL)))
	return map[string]any{"sum": sum}, err
}

func scan(bucket *kv.Bucket, command command) (map[string]any, error) {
	page, err := wharf.Check(bucket.Scan(kv.ScanOptions{
		Prefix:   command.Prefix,
		Start:    wharf.Optional(command.Start),
		End:      wharf.Optional(command.End),
		Reverse:  command.Reverse,
		KeysOnly: command.KeysOnly,
		Limit:    command.Limit,
		Cursor:   wharf.Optional(command.Cursor),
	}))
	entries := make([][2]any, 0, len(page.Entries))
	for _, entry := range page.Entries {
		entries = append(entries, [2]any{entry.F0, describeEntry(entry.F1)})
	}
	return map[string]any{"entries": entries, "next": contract.OrNull(page.Next)}, err
}

func transact(bucket *kv.Bucket, command command) (map[string]any, error) {
	checks, err := contract.Mapped(command.Checks, check.check)
	if err != nil {
		return nil, err
	}
	mutations, err := contract.Mapped(command.Mutations, mutation.mutation)
	if err != nil {
		return nil, err
	}
	version, err := wharf.Check(bucket.Transact(checks, mutations))
	return map[string]any{"version": contract.OrNull(version)}, err
}

func describeOptional(entry wit.Option[kv.Entry]) any {
	if entry.IsNone() {
		return nil
	}
	return describeEntry(entry.Some())
}
