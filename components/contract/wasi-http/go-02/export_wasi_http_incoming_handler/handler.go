// Package export_wasi_http_incoming_handler is what the host calls.
package export_wasi_http_incoming_handler

import types "wharf/bindings/wasi_http_types"

// Handler answers each request. It is set in an `init` function.
var Handler func(request *types.IncomingRequest, out *types.ResponseOutparam)

// Handle is called by the host.
func Handle(request *types.IncomingRequest, out *types.ResponseOutparam) {
	Handler(request, out)
}
