// What the generator leaves to the author: the functions that the host calls, here a variable that a service sets.

package export_wharf_platform_guard

import (
	guard "wharf/bindings/wharf_platform_guard"
	types "wharf/bindings/wharf_platform_http_types"
)

// Checker judges each request. It is set in an `init` function.
var Checker func(request types.Request) guard.Verdict

// Check is called by the host.
func Check(request types.Request) guard.Verdict {
	return Checker(request)
}
