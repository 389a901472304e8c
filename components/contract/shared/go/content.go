package contract

import (
	"fmt"
	"hash"
	"hash/fnv"

	types "wharf/bindings/wharf_platform_http_types"

	witRuntime "go.bytecodealliance.org/pkg/wit/runtime"
)

// How many bytes of a content are shown.
const shown = 1_000

// Content counts what came in, and hashes it: enough to see that nothing was lost or swapped.
type Content struct {
	Bytes, Pieces int
	head          []byte
	hash          hash.Hash32
}

// NewContent is one to which nothing came.
func NewContent() *Content {
	return &Content{hash: fnv.New32a()}
}

// Add takes one piece.
func (content *Content) Add(piece []byte) {
	content.Bytes += len(piece)
	content.Pieces++
	content.head = append(content.head, piece[:min(len(piece), shown-len(content.head))]...)
	content.hash.Write(piece)
	// What comes from the host stays pinned until then.
	witRuntime.Unpin()
}

// ReadAll takes what a reader has, so many bytes at a time. The result is the case of the error that ended it, or nil.
func (content *Content) ReadAll(reader *types.BodyReader, piece uint32) any {
	return content.ReadSome(reader, piece, -1)
}

// ReadSome is ReadAll with at most so many reads, unless they are fewer than 0.
func (content *Content) ReadSome(reader *types.BodyReader, piece uint32, reads int) any {
	for ; reads != 0; reads-- {
		read := reader.Read(piece)
		if read.IsErr() {
			return ErrorCase(read.Err())
		}
		if len(read.Ok()) == 0 {
			return nil
		}
		content.Add(read.Ok())
	}
	return nil
}

// Head is the first 1,000 bytes as text.
func (content *Content) Head() string {
	return string(content.head)
}

// Hash is FNV-1a of 32 bits over everything.
func (content *Content) Hash() string {
	return fmt.Sprintf("%08x", content.hash.Sum32())
}
