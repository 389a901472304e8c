// Contract guest for `http-types` and `http-handler`; `../../README.md` lists what it answers.
package main

import (
	"strconv"
	"strings"

	"contract"
	"wharf"
)

func init() { wharf.Serve(answer) }

func main() {}

func answer(request *wharf.Request) (*wharf.Response, error) {
	switch request.Path {
	case "/text":
		return wharf.Text("Hello, World!"), nil
	case "/empty":
		return wharf.Empty(204), nil
	case "/big":
		return wharf.Bytes(letters('x', contract.Number(request, "n", 0))), nil
	case "/headers/repeat":
		return repeatedHeaders(contract.Number(request, "n", 3)), nil
	case "/headers/bytes":
		return wharf.Empty(200).AddHeader("x-latin", "caf\xe9"), nil
	case "/body":
		return describe(request), nil
	case "/body/echo":
		return echoBody(request)
	case "/body/hand-on":
		return wharf.HandOn(request.Body), nil
	case "/body/ignore":
		return wharf.Text("ignored"), nil
	case "/body/partly":
		return readPartly(request)
	case "/stream":
		return streamLetters(request), nil
	case "/stream/endless":
		return streamEndless(request), nil
	case "/events":
		return streamEvents(request), nil
	}
	if code, found := strings.CutPrefix(request.Path, "/status/"); found {
		return status(code)
	}
	if strings.HasPrefix(request.Path, "/echo") || strings.HasPrefix(request.Path, "/params/") {
		return echo(request), nil
	}
	return contract.NoSuchRoute()
}

// Everything that a guest gets to know about a request.
func echo(request *wharf.Request) *wharf.Response {
	return wharf.JSON(map[string]any{
		"method":      request.Method,
		"scheme":      request.Scheme,
		"authority":   request.Authority,
		"path":        request.Path,
		"query":       contract.OrNull(request.Query),
		"path_params": contract.Pairs(request.PathParams),
		"headers":     contract.Fields(request.Headers),
		"annotations": contract.Pairs(request.Annotations),
		"remote_addr": request.RemoteAddr,
		"remote_port": request.RemotePort,
		"request_id":  request.RequestId,
		"received_at": request.ReceivedAt,
		"deadline":    request.Deadline,
	})
}

// `/status/418` answers 418.
func status(code string) (*wharf.Response, error) {
	number, err := strconv.ParseUint(code, 10, 16)
	if err != nil {
		return nil, wharf.Abort{Status: 400, Text: "a status is a number"}
	}
	return wharf.Text("status " + code).WithStatus(uint16(number)), nil
}

func repeatedHeaders(count int) *wharf.Response {
	response := wharf.Text("repeated")
	for index := range count {
		number := strconv.Itoa(index)
		response.AddHeader("x-repeated", number).AddHeader("set-cookie", "c"+number+"="+number)
	}
	return response
}
