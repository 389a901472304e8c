package main

import (
	"errors"
	"fmt"
	"strconv"

	"contract"
	"wharf"
	types "wharf/bindings/wharf_platform_http_types"
)

// A reply of `n` pieces of `size` letters, `a` in the first, with trailers and faults on demand.
type lettered struct {
	made, n, size, fail, trap int
	trailers                  bool
}

func (source *lettered) Next() ([]byte, error) {
	switch source.made {
	case source.fail:
		return nil, errors.New("asked to fail here")
	case source.trap:
		panic("asked to trap here")
	case source.n:
		return nil, nil
	}
	letter := 'a' + byte(source.made%26)
	source.made++
	return letters(letter, source.size), nil
}

func (source *lettered) Trailers() types.Headers {
	if !source.trailers {
		return nil
	}
	return types.Headers{wharf.Field("x-chunks", strconv.Itoa(source.made))}
}

// `/stream?n=3&size=4&trailers=1&fail=2&trap=2`
func streamLetters(request *wharf.Request) *wharf.Response {
	source := &lettered{
		n:        contract.Number(request, "n", 3),
		size:     contract.Number(request, "size", 4),
		fail:     contract.Number(request, "fail", -1),
		trap:     contract.Number(request, "trap", -1),
		trailers: contract.Number(request, "trailers", 0) == 1,
	}
	return wharf.Stream(source).WithHeader("content-type", "text/plain; charset=utf-8")
}

// `/stream/endless?size=16`
func streamEndless(request *wharf.Request) *wharf.Response {
	size := contract.Number(request, "size", 16)
	return wharf.Stream(wharf.SourceFunc(func() ([]byte, error) { return letters('x', size), nil }))
}

// `/events?n=3`: server-sent events.
func streamEvents(request *wharf.Request) *wharf.Response {
	events := func(yield func([]byte) bool) {
		for index := range contract.Number(request, "n", 3) {
			if !yield(fmt.Appendf(nil, "id: %d\ndata: event %d\n\n", index, index)) {
				return
			}
		}
	}
	return wharf.Stream(wharf.Pieces(events)).
		WithHeader("content-type", "text/event-stream").
		WithHeader("cache-control", "no-cache")
}
