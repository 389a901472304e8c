// Contract guest for `http-client`: sends what a JSON command says, so that cases need no code.
// `../../README.md` is the protocol.
package main

import (
	"contract"
	"wharf"
	client "wharf/bindings/wharf_platform_http_client"
)

func init() { wharf.Serve(answer) }

func main() {}

func answer(request *wharf.Request) (*wharf.Response, error) {
	switch request.Path {
	case "/send":
		return send(request)
	case "/send-many":
		return sendMany(request)
	case "/repeat":
		return repeat(request)
	case "/upload":
		return wharf.JSON(describe(client.Send(streamed(request)), nil)), nil
	case "/pass":
		return pass(request), nil
	}
	return contract.NoSuchRoute()
}

func send(request *wharf.Request) (*wharf.Response, error) {
	var command command
	if err := request.JSON(&command); err != nil {
		return nil, err
	}
	outgoing, err := command.outgoing()
	if err != nil {
		return nil, err
	}
	return wharf.JSON(describe(client.Send(outgoing), command.Reads)), nil
}

func sendMany(request *wharf.Request) (*wharf.Response, error) {
	var commands struct{ Requests []command }
	if err := request.JSON(&commands); err != nil {
		return nil, err
	}
	var outgoing []client.OutgoingRequest
	for _, command := range commands.Requests {
		request, err := command.outgoing()
		if err != nil {
			return nil, err
		}
		outgoing = append(outgoing, request)
	}
	answers := make([]described, 0, len(outgoing))
	for index, answer := range client.SendMany(outgoing) {
		answers = append(answers, describe(answer, commands.Requests[index].Reads))
	}
	return wharf.JSON(map[string]any{"answers": answers}), nil
}

// Sends one request many times, one after another, until an error.
func repeat(request *wharf.Request) (*wharf.Response, error) {
	command := command{Times: 1}
	if err := request.JSON(&command); err != nil {
		return nil, err
	}
	var last described
	done := 0
	for ; done < command.Times; done++ {
		outgoing, err := command.outgoing()
		if err != nil {
			return nil, err
		}
		last = describe(client.Send(outgoing), command.Reads)
		if last["error"] != nil {
			break
		}
	}
	return wharf.JSON(map[string]any{"done": done, "last": last}), nil
}

// Answers with what the server answered.
func pass(request *wharf.Request) *wharf.Response {
	answer := client.Send(streamed(request))
	if answer.IsErr() {
		return wharf.JSON(describe(answer, nil)).WithStatus(502)
	}
	return wharf.HandOn(answer.Ok().Body).WithStatus(answer.Ok().Status)
}

// The body of a request on its way to `x-url`.
func streamed(request *wharf.Request) client.OutgoingRequest {
	url, _ := request.Header("x-url")
	method, ok := request.Header("x-method")
	if !ok {
		method = "POST"
	}
	return client.OutgoingRequest{Method: method, Url: url, Body: request.Body}
}
