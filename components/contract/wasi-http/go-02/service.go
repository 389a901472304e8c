// Contract guest for `wasi:http/incoming-handler@0.2`; `../../README.md` lists what it answers.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	exported "wharf/bindings/export_wasi_http_incoming_handler"
	types "wharf/bindings/wasi_http_types"
	kv "wharf/bindings/wharf_platform_kv"
	_ "wharf/bindings/wit_exports"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

func init() { exported.Handler = answer }

func main() {}

func answer(request *types.IncomingRequest, out *types.ResponseOutparam) {
	defer request.Drop()
	path, query := split(request.PathWithQuery().SomeOr(""))
	switch path {
	case "/text":
		respond(out, 200, "Hello, World!")
	case "/empty":
		respond(out, 204, "")
	case "/big":
		respond(out, 200, strings.Repeat("x", number(query, "n", 0)))
	case "/echo":
		respondJSON(out, echo(request))
	case "/body":
		handBack(out, request)
	case "/stream":
		stream(out, number(query, "n", 3), number(query, "size", 4), number(query, "fail", -1))
	case "/trailers":
		respondWithTrailers(out)
	case "/error":
		why := types.MakeErrorCodeInternalError(wit.Some("on purpose"))
		types.ResponseOutparamSet(out, wit.Err[*types.OutgoingResponse](why))
	case "/nothing":
	case "/trap":
		panic("asked to trap here")
	case "/spin":
		for {
		}
	case "/kv":
		respond(out, 200, strconv.FormatInt(count(), 10))
	case "/behind":
		respond(out, 200, "done")
		count()
	case "/outgoing":
		respondJSON(out, askOther(query))
	case "/print":
		fmt.Println("printed by the guest")
		fmt.Fprint(os.Stderr, "without an end")
		respond(out, 200, "printed")
	default:
		respond(out, 404, "no such route in the contract guest")
	}
}

// The path of a target, and its query.
func split(target string) (string, url.Values) {
	path, query, _ := strings.Cut(target, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return path, nil
	}
	return path, values
}

func number(query url.Values, name string, otherwise int) int {
	if number, err := strconv.Atoi(query.Get(name)); err == nil {
		return number
	}
	return otherwise
}

// Everything that a guest gets to know about a request.
func echo(request *types.IncomingRequest) map[string]any {
	headers := request.Headers()
	defer headers.Drop()
	fields := map[string]string{}
	for _, field := range headers.Entries() {
		fields[field.F0] = string(field.F1)
	}
	echoed := map[string]any{"method": method(request.Method()), "headers": fields}
	if scheme := request.Scheme(); scheme.IsSome() {
		echoed["scheme"] = schemeName(scheme.Some())
	}
	if authority := request.Authority(); authority.IsSome() {
		echoed["authority"] = authority.Some()
	}
	if target := request.PathWithQuery(); target.IsSome() {
		echoed["target"] = target.Some()
	}
	return echoed
}

func method(method types.Method) string {
	// Their order is the interface's.
	names := [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
	if method.Tag() == types.MethodOther {
		return method.Other()
	}
	return names[method.Tag()]
}

func schemeName(scheme types.Scheme) string {
	switch scheme.Tag() {
	case types.SchemeHttp:
		return "http"
	case types.SchemeHttps:
		return "https"
	}
	return scheme.Other()
}

// Counts in a bucket: a capability of Wharf's beside WASI. An error is a trap.
func count() int64 {
	bucket := kv.BucketOpen("contract").Ok()
	defer bucket.Drop()
	item := kv.IncrementItem{Key: "wasi-http-go", Delta: 1}
	return bucket.Increment(item, 0, wit.None[uint64]()).Ok()
}

func respondJSON(out *types.ResponseOutparam, content map[string]any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(content); err != nil {
		panic(err)
	}
	respond(out, 200, text.String())
}
