// What the generator leaves to the author: the functions that the host calls, here a variable that a service sets.

package export_wharf_platform_lifecycle

import witTypes "go.bytecodealliance.org/pkg/wit/types"

// Initializer prepares once, at deploy. It is set in an `init` function.
var Initializer func() witTypes.Result[witTypes.Unit, string]

// Init is called by the host.
func Init() witTypes.Result[witTypes.Unit, string] {
	return Initializer()
}
