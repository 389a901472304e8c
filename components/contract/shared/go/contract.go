// Package contract is what the contract guests in Go have in common.
package contract

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"wharf"
	types "wharf/bindings/wharf_platform_http_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// NoSuchRoute answers what no route of a guest answers.
func NoSuchRoute() (*wharf.Response, error) {
	return nil, wharf.Abort{Status: 404, Text: "no such route in the contract guest"}
}

// Malformed answers a command that cannot be run.
func Malformed(problem string) error {
	return wharf.Abort{Status: 400, Text: problem}
}

// Mapped is every item converted, or the first error.
func Mapped[From, To any](items []From, convert func(From) (To, error)) ([]To, error) {
	converted := make([]To, 0, len(items))
	for _, item := range items {
		to, err := convert(item)
		if err != nil {
			return nil, err
		}
		converted = append(converted, to)
	}
	return converted, nil
}

// Number is a number from the query, or what stands for it.
func Number(request *wharf.Request, name string, otherwise int) int {
	text, _ := request.QueryParam(name)
	if number, err := strconv.Atoi(text); err == nil {
		return number
	}
	return otherwise
}

// OrNull is an option for JSON: its value, or null.
func OrNull[T any](option wit.Option[T]) any {
	if option.IsNone() {
		return nil
	}
	return option.Some()
}

// Pairs is a list of pairs for JSON.
func Pairs(pairs []wit.Tuple2[string, string]) [][2]string {
	list := make([][2]string, 0, len(pairs))
	for _, pair := range pairs {
		list = append(list, [2]string{pair.F0, pair.F1})
	}
	return list
}

// Fields is header fields for JSON: values that are no UTF-8 as `hex:...`.
func Fields(fields types.Headers) [][2]string {
	list := make([][2]string, 0, len(fields))
	for _, field := range fields {
		value := string(field.F1)
		if !utf8.ValidString(value) {
			value = fmt.Sprintf("hex:%x", field.F1)
		}
		list = append(list, [2]string{field.F0, value})
	}
	return list
}

// Trailers is the trailers of a body for JSON, or nil.
func Trailers(reader *types.BodyReader) any {
	fields := reader.Trailers()
	if fields.IsNone() {
		return nil
	}
	return Fields(fields.Some())
}

// ErrorCase is the case of an error as the contract spells it.
func ErrorCase(err types.Error) string {
	cases := [...]string{
		types.ErrorUnavailable:     "unavailable",
		types.ErrorConnectionLost:  "connection-lost",
		types.ErrorDenied:          "denied",
		types.ErrorTimeout:         "timeout",
		types.ErrorLimitExceeded:   "limit-exceeded",
		types.ErrorInvalidArgument: "invalid-argument",
		types.ErrorOther:           "other",
	}
	return cases[err.Tag()]
}

// DescribeError is an error for JSON.
func DescribeError(err types.Error) map[string]any {
	var text string
	switch err.Tag() {
	case types.ErrorUnavailable:
		text = err.Unavailable()
	case types.ErrorConnectionLost:
		text = err.ConnectionLost()
	case types.ErrorDenied:
		text = err.Denied()
	case types.ErrorLimitExceeded:
		text = err.LimitExceeded()
	case types.ErrorInvalidArgument:
		text = err.InvalidArgument()
	case types.ErrorOther:
		text = err.Other()
	}
	return map[string]any{"case": ErrorCase(err), "text": text}
}
