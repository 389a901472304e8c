package wharf

import (
	"iter"

	types "wharf/bindings/wharf_platform_http_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// Pieces is a [Source] of the pieces of a sequence; empty ones are left out.
func Pieces(sequence iter.Seq[[]byte]) Source {
	next, _ := iter.Pull(sequence)
	return SourceFunc(func() ([]byte, error) {
		for {
			if piece, ok := next(); !ok || len(piece) > 0 {
				return piece, nil
			}
		}
	})
}

// The contract's functions of a Source.
type chunks struct {
	source Source
}

func (chunks chunks) Next() wit.Result[wit.Option[[]uint8], types.Error] {
	defer logPanic()
	piece, err := chunks.source.Next()
	switch {
	case err != nil:
		return wit.Err[wit.Option[[]uint8]](contractError(err))
	case len(piece) == 0:
		return wit.Ok[wit.Option[[]uint8], types.Error](wit.None[[]uint8]())
	}
	return wit.Ok[wit.Option[[]uint8], types.Error](wit.Some(piece))
}

func (chunks chunks) Trailers() wit.Option[types.Headers] {
	if trailing, ok := chunks.source.(Trailing); ok {
		if trailers := trailing.Trailers(); trailers != nil {
			return wit.Some(trailers)
		}
	}
	return wit.None[types.Headers]()
}

func contractError(err error) types.Error {
	return types.MakeErrorOther(err.Error())
}
