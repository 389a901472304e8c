package main

import (
	"bytes"
	"encoding/json"

	"contract"
	"wharf"
	client "wharf/bindings/wharf_platform_http_client"
	types "wharf/bindings/wharf_platform_http_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// How many bytes of a stream to ask for at once.
const piece = 65_536

// `{"method": "GET", "url", "headers": [[name, value]], "body" | "size", "timeout_ms", "reads"}`, for `/repeat` with `"times"`.
type command struct {
	Method, URL, Body *string
	Headers           [][2]string
	Size              int
	Timeout           *uint32 `json:"timeout_ms"`
	Reads             *int
	Times             int
}

func (command command) outgoing() (client.OutgoingRequest, error) {
	if command.URL == nil {
		return client.OutgoingRequest{}, contract.Malformed("`url` is missing")
	}
	var headers types.Headers
	for _, field := range command.Headers {
		headers = append(headers, wharf.Field(field[0], field[1]))
	}
	body := bytes.Repeat([]byte("x"), command.Size)
	if command.Body != nil {
		body = []byte(*command.Body)
	}
	return client.OutgoingRequest{
		Method:    wharf.Optional(command.Method).SomeOr("GET"),
		Url:       *command.URL,
		Headers:   headers,
		Body:      types.MakeBodyBytes(body),
		TimeoutMs: wharf.Optional(command.Timeout),
	}, nil
}

type described map[string]any

// The response, with its body read to its end, or so often.
func describe(answer wit.Result[types.Response, types.Error], reads *int) described {
	if answer.IsErr() {
		return described{"error": contract.DescribeError(answer.Err())}
	}
	response := answer.Ok()
	content := contract.NewContent()
	described := described{
		"status":   response.Status,
		"headers":  contract.Fields(response.Headers),
		"kind":     "bytes",
		"broken":   nil,
		"trailers": nil,
	}
	if response.Body.Tag() == types.BodyBytes {
		body := response.Body.Bytes()
		content.Add(body)
		described["json"] = asJSON(body)
	} else {
		reader := response.Body.Streamed()
		defer reader.Drop()
		described["kind"] = "streamed"
		described["broken"] = content.ReadSome(reader, piece, wharf.Optional(reads).SomeOr(-1))
		described["trailers"] = contract.Trailers(reader)
	}
	described["bytes"] = content.Bytes
	described["head"] = content.Head()
	return described
}

// The body when it is JSON, or null.
func asJSON(body []byte) any {
	if !json.Valid(body) {
		return nil
	}
	return json.RawMessage(body)
}
