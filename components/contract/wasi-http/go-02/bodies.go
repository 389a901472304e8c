package main

import (
	"bytes"
	"errors"
	"io"

	types "wharf/bindings/wasi_http_types"
	streams "wharf/bindings/wasi_io_streams"

	witRuntime "go.bytecodealliance.org/pkg/wit/runtime"
	wit "go.bytecodealliance.org/pkg/wit/types"
)

// How many bytes are read at once.
const piece = 64 << 10

// Answers all at once.
func respond(out *types.ResponseOutparam, status uint16, content string) {
	write(begin(out, status), nil, func(stream io.Writer) error {
		_, err := io.WriteString(stream, content)
		return err
	})
}

func respondWithTrailers(out *types.ResponseOutparam) {
	trailers := fields("x-sum", "42")
	write(begin(out, 200), trailers, func(stream io.Writer) error {
		_, err := io.WriteString(stream, "with trailers")
		return err
	})
}

// `n` pieces of `size` letters; an error instead of piece `fail`.
func stream(out *types.ResponseOutparam, n, size, fail int) {
	write(begin(out, 200), nil, func(stream io.Writer) error {
		for index := range n {
			if index == fail {
				return errors.New("on purpose")
			}
			letter := 'a' + byte(index%26)
			if _, err := stream.Write(bytes.Repeat([]byte{letter}, size)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Sends the request's body back while it comes in.
func handBack(out *types.ResponseOutparam, request *types.IncomingRequest) {
	incoming := request.Consume().Ok()
	defer incoming.Drop()
	input := reader{incoming.Stream().Ok()}
	defer input.Drop()
	write(begin(out, 200), nil, func(output io.Writer) error {
		_, err := io.Copy(output, input)
		return err
	})
}

// Sends the head of a response; its body is to be written.
func begin(out *types.ResponseOutparam, status uint16) *types.OutgoingBody {
	response := types.MakeOutgoingResponse(fields("x-guest", "wasi-go", "trailer", "x-sum"))
	response.SetStatusCode(status)
	body := response.Body().Ok()
	types.ResponseOutparamSet(out, wit.Ok[*types.OutgoingResponse, types.ErrorCode](response))
	return body
}

func fields(pairs ...string) *types.Fields {
	fields := types.MakeFields()
	for index := 0; index < len(pairs); index += 2 {
		fields.Append(pairs[index], []byte(pairs[index+1]))
	}
	return fields
}

// Writes a body and ends it; a body whose writing fails has no end.
func write(body *types.OutgoingBody, trailers *types.Fields, fill func(io.Writer) error) {
	stream := writer{body.Write().Ok()}
	err := fill(stream)
	if err == nil {
		err = check(stream.BlockingFlush())
	}
	stream.Drop()
	if err != nil {
		body.Drop()
		return
	}
	end := wit.None[*types.Fields]()
	if trailers != nil {
		end = wit.Some(trailers)
	}
	types.OutgoingBodyFinish(body, end)
}

type writer struct{ *streams.OutputStream }

func (stream writer) Write(content []byte) (int, error) {
	for written := 0; written < len(content); {
		room := stream.CheckWrite()
		if err := check(room); err != nil {
			return written, err
		}
		if room.Ok() == 0 {
			ready := stream.Subscribe()
			ready.Block()
			ready.Drop()
			continue
		}
		end := written + min(len(content)-written, int(room.Ok()))
		if err := check(stream.OutputStream.Write(content[written:end])); err != nil {
			return written, err
		}
		written = end
	}
	return len(content), nil
}

type reader struct{ *streams.InputStream }

func (stream reader) Read(into []byte) (int, error) {
	read := stream.BlockingRead(uint64(min(len(into), piece)))
	if err := check(read); err != nil {
		return 0, err
	}
	count := copy(into, read.Ok())
	// What comes from the host stays pinned until then.
	witRuntime.Unpin()
	return count, nil
}

// The end of a stream is io.EOF.
func check[T any](result wit.Result[T, streams.StreamError]) error {
	if result.IsOk() {
		return nil
	}
	if result.Err().Tag() == streams.StreamErrorClosed {
		return io.EOF
	}
	failure := result.Err().LastOperationFailed()
	defer failure.Drop()
	return errors.New(failure.ToDebugString())
}
