package main

import (
	"bytes"
	"fmt"
	"strings"

	"wharf"
)

// `/bad-header?kind=name|empty|break|null|pseudo`
func badHeader(request *wharf.Request) *wharf.Response {
	response := wharf.Text("never seen")
	switch kind, _ := request.QueryParam("kind"); kind {
	case "empty":
		return response.WithHeader("", "value")
	case "break":
		return response.WithHeader("x-value", "one\r\nx-injected: two")
	case "null":
		return response.WithHeader("x-value", "a\x00b")
	case "pseudo":
		return response.WithHeader(":status", "200")
	default:
		return response.WithHeader("not a name", "value")
	}
}

// Fields that belong to the host's connection.
func hopHeaders() *wharf.Response {
	return wharf.Text("hop").
		WithHeader("connection", "close").
		WithHeader("transfer-encoding", "gzip").
		WithHeader("keep-alive", "timeout=1").
		WithHeader("upgrade", "h2c")
}

func manyHeaders(count int) *wharf.Response {
	response := wharf.Text("many")
	for index := range count {
		response.AddHeader(fmt.Sprintf("x-%d", index), "value")
	}
	return response
}

func hugeHeader(size int) *wharf.Response {
	return wharf.Text("huge").WithHeader("x-huge", strings.Repeat("x", size))
}

// More than the host takes in one call; `wharf.Bytes` would cut it.
func hugeReply(mebibytes int) *wharf.Response {
	return wharf.Stream(wharf.Pieces(func(yield func([]byte) bool) {
		yield(bytes.Repeat([]byte("x"), mebibytes<<20))
	}))
}

// Burns `millis` milliseconds of CPU before each piece.
func slowStream(count, millis int) *wharf.Response {
	return wharf.Stream(wharf.Pieces(func(yield func([]byte) bool) {
		for index := range count {
			burn(millis)
			if !yield(piece(index)) {
				return
			}
		}
	}))
}

// So many pieces, then the end of the instance.
func streamThen(after int, end func()) *wharf.Response {
	made := 0
	return wharf.Stream(wharf.SourceFunc(func() ([]byte, error) {
		if made == after {
			end()
		}
		made++
		return piece(made - 1), nil
	}))
}

// Pieces for ever, all empty: the binding must not hand them on, and the CPU limit ends it.
func streamEmpty() *wharf.Response {
	return wharf.Stream(wharf.Pieces(func(yield func([]byte) bool) {
		for yield(nil) {
		}
	}))
}

func piece(index int) []byte {
	return fmt.Appendf(nil, "piece %d\n", index)
}
