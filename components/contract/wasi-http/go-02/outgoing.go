package main

import (
	"fmt"
	"io"
	"net/url"

	outgoing "wharf/bindings/wasi_http_outgoing_handler"
	types "wharf/bindings/wasi_http_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// Asks `to` for `path`.
func askOther(query url.Values) map[string]any {
	authority, path := query.Get("to"), query.Get("path")
	if authority == "" {
		authority = "example.com"
	}
	if path == "" {
		path = "/"
	}
	answer := ask(authority, path)
	if answer.IsErr() {
		return map[string]any{"error": errorName(answer.Err())}
	}
	response := answer.Ok()
	defer response.Drop()
	body := response.Consume().Ok()
	defer body.Drop()
	stream := reader{body.Stream().Ok()}
	defer stream.Drop()
	count, err := io.Copy(io.Discard, stream)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	return map[string]any{"status": response.Status(), "bytes": count}
}

func ask(authority, path string) wit.Result[*types.IncomingResponse, types.ErrorCode] {
	request := types.MakeOutgoingRequest(types.MakeFields())
	request.SetScheme(wit.Some(types.MakeSchemeHttp()))
	request.SetAuthority(wit.Some(authority))
	request.SetPathWithQuery(wit.Some(path))
	asked := outgoing.Handle(request, wit.None[*types.RequestOptions]())
	if asked.IsErr() {
		return wit.Err[*types.IncomingResponse](asked.Err())
	}
	pending := asked.Ok()
	defer pending.Drop()
	ready := pending.Subscribe()
	ready.Block()
	ready.Drop()
	return pending.Get().Some().Ok()
}

// The name of an error as it is in Rust, of those that the host's rules lead to.
func errorName(code types.ErrorCode) string {
	switch code.Tag() {
	case types.ErrorCodeHttpRequestDenied:
		return "ErrorCode::HttpRequestDenied"
	case types.ErrorCodeDestinationIpProhibited:
		return "ErrorCode::DestinationIpProhibited"
	case types.ErrorCodeConnectionRefused:
		return "ErrorCode::ConnectionRefused"
	}
	return fmt.Sprintf("ErrorCode %d", code.Tag())
}
