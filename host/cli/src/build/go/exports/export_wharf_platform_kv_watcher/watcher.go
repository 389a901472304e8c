// What the generator leaves to the author: the functions that the host calls, here variables that a service sets.

package export_wharf_platform_kv_watcher

import (
	witTypes "go.bytecodealliance.org/pkg/wit/types"
	kv "wharf/bindings/wharf_platform_kv"
)

// Result is an error's text, or nothing.
type Result = witTypes.Result[witTypes.Unit, string]

var (
	// Watching is told each time that the host has begun to watch. It is set in an `init` function.
	Watching func(bucket string, gap bool) Result
	// Changed gets each key that changed, with what it is now. It is set in an `init` function.
	Changed func(bucket, key string, entry witTypes.Option[kv.Entry]) Result
)

// OnWatching is called by the host.
func OnWatching(bucket string, gap bool) Result {
	return Watching(bucket, gap)
}

// OnChange is called by the host.
func OnChange(bucket, key string, entry witTypes.Option[kv.Entry]) Result {
	return Changed(bucket, key, entry)
}
