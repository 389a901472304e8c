// What the generator leaves to the author: the functions that the host calls, here variables that a service sets.

package export_wharf_platform_pg_listener

import (
	witTypes "go.bytecodealliance.org/pkg/wit/types"
	listener "wharf/bindings/wharf_platform_pg_listener"
)

// Result is an error's text, or nothing.
type Result = witTypes.Result[witTypes.Unit, string]

var (
	// Listening is told each time that the host has begun to listen. It is set in an `init` function.
	Listening func(database string, missed bool) Result
	// Notified gets each notification. It is set in an `init` function.
	Notified func(notification listener.Notification) Result
)

// OnListening is called by the host.
func OnListening(database string, missed bool) Result {
	return Listening(database, missed)
}

// OnNotify is called by the host.
func OnNotify(notification listener.Notification) Result {
	return Notified(notification)
}
