package wharf

import (
	"encoding/json"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"

	types "wharf/bindings/wharf_platform_http_types"

	witRuntime "go.bytecodealliance.org/pkg/wit/runtime"
	wit "go.bytecodealliance.org/pkg/wit/types"
)

// Piece is how many bytes of a body are read at once.
const Piece = 64 << 10

// Request is an incoming request: the contract's fields, and its body, which can be read once.
type Request struct {
	types.Request
	Body types.Body
}

// QueryParam is the decoded value of the first pair of this name in the query.
func (request *Request) QueryParam(name string) (string, bool) {
	for pair := range strings.SplitSeq(request.Query.SomeOr(""), "&") {
		key, value, _ := strings.Cut(pair, "=")
		if key, err := url.QueryUnescape(key); err != nil || key != name || pair == "" {
			continue
		}
		value, err := url.QueryUnescape(value)
		return value, err == nil
	}
	return "", false
}

// PathParam is what the route's pattern captured under this name.
func (request *Request) PathParam(name string) (string, bool) {
	return first(request.PathParams, name)
}

// Annotation is what the route's guards found out under this name.
func (request *Request) Annotation(name string) (string, bool) {
	return first(request.Annotations, name)
}

// Header is the first field of this name, in lower case.
func (request *Request) Header(name string) (string, bool) {
	value, ok := first(request.Headers, name)
	return string(value), ok
}

// Bytes is the whole body.
func (request *Request) Bytes() ([]byte, error) {
	if request.Body.Tag() == types.BodyBytes {
		return request.Body.Bytes(), nil
	}
	return io.ReadAll(request.Reader())
}

// JSON decodes the whole body; the error answers 400 when it is something else.
func (request *Request) JSON(into any) error {
	bytes, err := request.Bytes()
	if err != nil {
		return err
	}
	if !utf8.Valid(bytes) || json.Unmarshal(bytes, into) != nil {
		return Abort{400, "the request's body is not the JSON that is expected"}
	}
	return nil
}

// Reader is the body as it comes in. An error of it answers the status that fits.
func (request *Request) Reader() io.Reader {
	if request.Body.Tag() == types.BodyBytes {
		return strings.NewReader(string(request.Body.Bytes()))
	}
	return &bodyReader{reader: request.Body.Streamed()}
}

type bodyReader struct {
	reader *types.BodyReader
}

func (body *bodyReader) Read(into []byte) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	read := body.reader.Read(uint32(min(len(into), Piece)))
	if read.IsErr() {
		return 0, bodyError(read.Err())
	}
	piece := read.Ok()
	if len(piece) == 0 {
		return 0, io.EOF
	}
	// What comes from the host stays pinned until then: whole bodies would not fit into the memory.
	witRuntime.Unpin()
	return copy(into, piece), nil
}

func bodyError(err types.Error) error {
	switch err.Tag() {
	case types.ErrorLimitExceeded:
		return Abort{413, "the request's body is too large"}
	case types.ErrorTimeout:
		return Abort{408, "the request's body did not arrive in time"}
	default:
		return Abort{400, "the request's body broke off"}
	}
}

func first[T any](pairs []wit.Tuple2[string, T], name string) (T, bool) {
	for _, pair := range pairs {
		if pair.F0 == name {
			return pair.F1, true
		}
	}
	var none T
	return none, false
}
