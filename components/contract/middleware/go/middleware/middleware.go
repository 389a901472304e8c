// Contract guest for middleware: stands around the `http` guest; `../../README.md` lists what it adds.
package main

import (
	"bytes"
	"slices"
	"strconv"

	"wharf"
	config "wharf/bindings/wharf_platform_config"
	next "wharf/bindings/wharf_platform_http_handler"
	types "wharf/bindings/wharf_platform_http_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

func init() { wharf.Serve(wrap) }

func main() {}

func wrap(request *wharf.Request) (*wharf.Response, error) {
	if request.Path == "/stop" {
		return wharf.Text("stopped here"), nil
	}
	name := config.Get("middleware").SomeOr("go")
	request.Headers = with(request.Headers, "x-middleware", []byte(name))
	request.Annotations = with(request.Annotations, "middleware", name)
	reply := next.Handle(request.Request, request.Body)
	response := answer(reply, request).WithHeader("x-middleware", name)
	return response, nil
}

// The list with this pair instead of those of its name.
func with[T any](pairs []wit.Tuple2[string, T], name string, value T) []wit.Tuple2[string, T] {
	pairs = slices.DeleteFunc(pairs, func(pair wit.Tuple2[string, T]) bool { return pair.F0 == name })
	return append(pairs, wit.Tuple2[string, T]{F0: name, F1: value})
}

// The reply of the next handler, changed as the request wishes.
func answer(reply next.Reply, request *wharf.Request) *wharf.Response {
	_, upper := request.QueryParam("upper")
	_, count := request.QueryParam("count")
	var response *wharf.Response
	switch {
	case upper && reply.Body.Tag() == next.ReplyBodyBytes:
		response = wharf.Bytes(bytes.ToUpper(reply.Body.Bytes()))
	case upper:
		response = wharf.Stream(&uppered{pull(reply.Body)})
	case count:
		response = wharf.Stream(&counted{trailing: pull(reply.Body)})
	default:
		response = pass(reply.Body)
	}
	response.Status, response.Headers = reply.Status, reply.Headers
	if count && !upper {
		response.WithoutHeader("content-length").WithHeader("trailer", "x-chunks, x-pieces, x-bytes")
	}
	return response
}

// The body as it is. A reader is handed on without reading it.
func pass(body next.ReplyBody) *wharf.Response {
	switch body.Tag() {
	case next.ReplyBodyBytes:
		return wharf.Bytes(body.Bytes())
	case next.ReplyBodyReader:
		return wharf.HandOn(types.MakeBodyStreamed(body.Reader()))
	default:
		return wharf.Stream(pull(body))
	}
}

// A source with trailers, if only none.
type trailing interface {
	wharf.Source
	wharf.Trailing
}

// The pieces of a body, of whichever kind.
func pull(body next.ReplyBody) trailing {
	switch body.Tag() {
	case next.ReplyBodyBytes:
		return &whole{body.Bytes()}
	case next.ReplyBodyReader:
		return reader{body.Reader()}
	default:
		return chunks{body.Streamed()}
	}
}

type whole struct{ rest []byte }

func (whole *whole) Next() ([]byte, error) {
	piece := whole.rest
	whole.rest = nil
	return piece, nil
}

func (whole *whole) Trailers() types.Headers { return nil }

type reader struct{ *types.BodyReader }

func (reader reader) Next() ([]byte, error) {
	return wharf.Check(reader.Read(wharf.Piece))
}

func (reader reader) Trailers() types.Headers {
	return reader.BodyReader.Trailers().SomeOr(nil)
}

type chunks struct{ *next.Chunks }

func (chunks chunks) Next() ([]byte, error) {
	piece, err := wharf.Check(chunks.Chunks.Next())
	return piece.SomeOr(nil), err
}

func (chunks chunks) Trailers() types.Headers {
	return chunks.Chunks.Trailers().SomeOr(nil)
}

// Each piece in upper case.
type uppered struct{ trailing }

func (uppered *uppered) Next() ([]byte, error) {
	piece, err := uppered.trailing.Next()
	return bytes.ToUpper(piece), err
}

// Tells in trailers what passed, beside the trailers that were there.
type counted struct {
	trailing
	pieces, bytes int
}

func (counted *counted) Next() ([]byte, error) {
	piece, err := counted.trailing.Next()
	if len(piece) > 0 {
		counted.pieces++
		counted.bytes += len(piece)
	}
	return piece, err
}

func (counted *counted) Trailers() types.Headers {
	return append(counted.trailing.Trailers(),
		wharf.Field("x-pieces", strconv.Itoa(counted.pieces)),
		wharf.Field("x-bytes", strconv.Itoa(counted.bytes)))
}
