package main

import (
	"bytes"
	"io"
	"strconv"

	"contract"
	"wharf"
	types "wharf/bindings/wharf_platform_http_types"
)

// How many bytes to ask for at once, unless `?piece=` says otherwise.
const usualPiece = 65_536

// Reads the whole body and tells what came.
func describe(request *wharf.Request) *wharf.Response {
	content := contract.NewContent()
	if request.Body.Tag() == types.BodyBytes {
		content.Add(request.Body.Bytes())
		return describeContent("bytes", content, nil, nil)
	}
	reader := request.Body.Streamed()
	piece := uint32(contract.Number(request, "piece", usualPiece))
	broken := content.ReadAll(reader, piece)
	return describeContent("streamed", content, contract.Trailers(reader), broken)
}

func describeContent(kind string, content *contract.Content, trailers, broken any) *wharf.Response {
	return wharf.JSON(map[string]any{
		"kind":     kind,
		"bytes":    content.Bytes,
		"pieces":   content.Pieces,
		"fnv1a":    content.Hash(),
		"trailers": trailers,
		"error":    broken,
	})
}

// The same bytes and type back, through the guest's memory.
func echoBody(request *wharf.Request) (*wharf.Response, error) {
	contentType, ok := request.Header("content-type")
	if !ok {
		contentType = "application/octet-stream"
	}
	content, err := request.Bytes()
	if err != nil {
		return nil, err
	}
	return wharf.Bytes(content).WithHeader("content-type", contentType), nil
}

// Reads only some of the body, and leaves the rest.
func readPartly(request *wharf.Request) (*wharf.Response, error) {
	wanted := contract.Number(request, "n", 1)
	read, err := io.CopyN(io.Discard, request.Reader(), int64(wanted))
	if err != nil && err != io.EOF {
		return nil, err
	}
	return wharf.Text("read at least " + strconv.FormatInt(read, 10)), nil
}

func letters(letter byte, count int) []byte {
	return bytes.Repeat([]byte{letter}, count)
}
