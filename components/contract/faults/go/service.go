// Contract guest that misbehaves on demand; `../../README.md` lists how.
package main

import (
	"strconv"

	"contract"
	"wharf"
)

func init() { wharf.Serve(answer) }

func main() {}

// Requests that this instance has answered.
var answered int

func answer(request *wharf.Request) (*wharf.Response, error) {
	number := func(name string, otherwise int) int { return contract.Number(request, name, otherwise) }
	switch request.Path {
	case "/fine":
		return wharf.Text("fine"), nil
	case "/count":
		answered++
		return wharf.Text(strconv.Itoa(answered - 1)), nil
	case "/loop":
		spinForEver()
	case "/spin":
		return spin(number("ms", 50)), nil
	case "/trap":
		trap()
	case "/panic":
		panic("asked to panic here")
	case "/grow":
		grow()
	case "/fill":
		fill(number("mib", 16))
	case "/recurse":
		return wharf.Text(strconv.Itoa(recurse(0))), nil
	case "/hostcalls":
		return callHost(request), nil
	case "/leak":
		return leak(number("n", 1000)), nil
	case "/bad-header":
		return badHeader(request), nil
	case "/bad-status":
		return wharf.Text("never seen").WithStatus(uint16(number("code", 99))), nil
	case "/hop-header":
		return hopHeaders(), nil
	case "/wrong-length":
		return wharf.Text("nine byte").WithHeader("content-length", strconv.Itoa(number("length", 5))), nil
	case "/many-headers":
		return manyHeaders(number("n", 1000)), nil
	case "/huge-header":
		return hugeHeader(number("n", 1_000_000)), nil
	case "/huge-reply":
		return hugeReply(number("mib", 16)), nil
	case "/slow-stream":
		return slowStream(number("n", 10), number("ms", 20)), nil
	case "/stream-trap":
		return streamThen(number("after", 2), trap), nil
	case "/stream-loop":
		return streamThen(number("after", 2), spinForEver), nil
	case "/stream-empty":
		return streamEmpty(), nil
	}
	return contract.NoSuchRoute()
}
