package wharf

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	handler "wharf/bindings/export_wharf_platform_http_handler"
	types "wharf/bindings/wharf_platform_http_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

const (
	mebibyte = 1 << 20
	// Beyond this a reply by value goes out in pieces: the host takes no more than 8 MiB in one call.
	whole = 4 * mebibyte
)

// Response is what a handler answers. Its fields are in the order of the wire.
type Response struct {
	Status  uint16
	Headers types.Headers
	Body    handler.ReplyBody
}

// Source makes the pieces of a reply that is pulled.
type Source interface {
	// Next makes the next bytes; none are the end. An error breaks the reply off.
	Next() ([]byte, error)
}

// Trailing is a [Source] that has trailers, asked for once after the end.
type Trailing interface {
	Trailers() types.Headers
}

// SourceFunc is a [Source] that is a function.
type SourceFunc func() ([]byte, error)

// Next calls the function.
func (next SourceFunc) Next() ([]byte, error) {
	return next()
}

// Bytes answers bytes as they are; the host adds their length. More than 4 MiB go out in pieces.
func Bytes(content []byte) *Response {
	if len(content) <= whole {
		return &Response{Status: 200, Body: handler.MakeReplyBodyBytes(content)}
	}
	pieces := slices.Chunk(content, mebibyte)
	length := strconv.Itoa(len(content))
	return Stream(Pieces(pieces)).WithHeader("content-length", length)
}

// Text answers plain text.
func Text(content string) *Response {
	return Bytes([]byte(content)).WithHeader("content-type", "text/plain; charset=utf-8")
}

// JSON answers a value as `encoding/json` writes it, which must be possible.
func JSON(content any) *Response {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(content); err != nil {
		panic(err)
	}
	return Bytes(bytes.TrimSuffix(text.Bytes(), []byte("\n"))).WithHeader("content-type", "application/json")
}

// Empty answers a status alone.
func Empty(status uint16) *Response {
	return Bytes(nil).WithStatus(status)
}

// Stream answers pieces that are pulled while the client takes them.
func Stream(source Source) *Response {
	return &Response{Status: 200, Body: handler.MakeReplyBodyStreamed(handler.MakeChunks(chunks{source}))}
}

// HandOn answers a body that came in, of a request or of the HTTP client, without reading it.
func HandOn(body types.Body) *Response {
	if body.Tag() == types.BodyBytes {
		return Bytes(body.Bytes())
	}
	return &Response{Status: 200, Body: handler.MakeReplyBodyReader(body.Streamed())}
}

// WithStatus sets the status.
func (response *Response) WithStatus(status uint16) *Response {
	response.Status = status
	return response
}

// WithHeader sets a field, instead of those of this name.
func (response *Response) WithHeader(name, value string) *Response {
	return response.WithoutHeader(name).AddHeader(name, value)
}

// WithoutHeader removes the fields of this name.
func (response *Response) WithoutHeader(name string) *Response {
	response.Headers = slices.DeleteFunc(response.Headers, func(field wit.Tuple2[string, []uint8]) bool {
		return field.F0 == name
	})
	return response
}

// AddHeader adds a field beside those of this name.
func (response *Response) AddHeader(name, value string) *Response {
	response.Headers = append(response.Headers, Field(name, value))
	return response
}

// Field is one header or trailer field.
func Field(name, value string) wit.Tuple2[string, []uint8] {
	return wit.Tuple2[string, []uint8]{F0: name, F1: []byte(value)}
}

func (response *Response) reply() handler.Reply {
	return handler.Reply{Status: response.Status, Headers: response.Headers, Body: response.Body}
}
