// What the generator leaves to the author: the functions that the host calls, here a variable that a service sets.

package export_wharf_platform_http_handler

import (
	"runtime"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
	types "wharf/bindings/wharf_platform_http_types"
)

// Handler answers each request. It is set in an `init` function.
var Handler func(request types.Request, body types.Body) Reply

// Handle is called by the host.
func Handle(request types.Request, body types.Body) Reply {
	return Handler(request, body)
}

// Source makes the pieces of a reply that is pulled.
type Source interface {
	// Next makes the next bytes: at least one, best 16 to 64 KiB. None is the end.
	Next() witTypes.Result[witTypes.Option[[]uint8], types.Error]
	// Trailers is asked once after the end.
	Trailers() witTypes.Option[types.Headers]
}

// Chunks is the contract's resource around a Source.
type Chunks struct {
	Source
	handle int32
	pinner runtime.Pinner
}

// What the host holds: only it has a reference, and the collector cannot see that one.
var held = map[*Chunks]struct{}{}

// MakeChunks makes a resource for MakeReplyBodyStreamed.
func MakeChunks(source Source) *Chunks {
	chunks := &Chunks{Source: source}
	held[chunks] = struct{}{}
	return chunks
}

// OnDrop is called when the host lets go of the resource.
func (self *Chunks) OnDrop() {
	delete(held, self)
}
