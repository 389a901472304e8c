package contract

import (
	"fmt"
	"hash"
	"hash/fnv"

	types "wharf/bindings/wharf_platform_http_types"

	witRuntime "go.bytecodealliance.org/pkg/wit/runtime"
)

// Content counts what came in, and hashes it: enough to see that nothing was lost or swapped.
type Content struct {
	Bytes, Pieces int
	hash          hash.Hash32
}

// Add takes one piece.
func (content *Content) Add(piece []byte) {
	if content.hash == nil {
		content.hash = fnv.New32a()
	}
	content.hash.Write(piece)
	content.Bytes += len(piece)
	content.Pieces++
}

// ReadAll takes what a reader has, so many bytes at a time. The result is the case of the error that ended it, or nil.
func (content *Content) ReadAll(reader *types.BodyReader, piece uint32) any {
	for {
		read := reader.Read(piece)
		if read.IsErr() {
			return ErrorCase(read.Err())
		}
		if len(read.Ok()) == 0 {
			return nil
		}
		content.Add(read.Ok())
		// What comes from the host stays pinned until then.
		witRuntime.Unpin()
	}
}

// Hash is FNV-1a of 32 bits over everything.
func (content *Content) Hash() string {
	if content.hash == nil {
		content.hash = fnv.New32a()
	}
	return fmt.Sprintf("%08x", content.hash.Sum32())
}
