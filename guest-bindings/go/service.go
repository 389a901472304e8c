// Package wharf is for services in Go: a handler of requests, the requests it gets and the responses it gives.
//
// The host's capabilities are used as they are, from `wharf/bindings` (`wharf_platform_kv` and its like), which
// `wharf build` generates.
package wharf

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	handler "wharf/bindings/export_wharf_platform_http_handler"
	types "wharf/bindings/wharf_platform_http_types"
	log "wharf/bindings/wharf_platform_log"
	_ "wharf/bindings/wit_exports"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// Handler answers a request. An error that is an [Abort] is an answer, too; any other one is logged and answered with 500.
type Handler func(*Request) (*Response, error)

// Abort ends a handler; the client gets the status with the sentence. Nothing is logged.
type Abort struct {
	Status uint16
	Text   string
}

func (abort Abort) Error() string {
	return abort.Text
}

// Serve makes `answer` what the service answers requests with. It is called in an `init` function of the main package.
func Serve(answer Handler) {
	handler.Handler = func(head types.Request, body types.Body) handler.Reply {
		defer logPanic()
		response, err := answer(&Request{Request: head, Body: body})
		var abort Abort
		switch {
		case err == nil:
			return response.reply()
		case errors.As(err, &abort):
			return Text(abort.Text).WithStatus(abort.Status).reply()
		}
		logError("the service failed", err.Error())
		return Text("internal error").WithStatus(500).reply()
	}
}

// Logs what is about to end the instance, and lets it.
func logPanic() {
	if reason := recover(); reason != nil {
		logError("the service panicked", fmt.Sprint(reason), wit.Tuple2[string, string]{F0: "location", F1: panicked()})
		panic(reason)
	}
}

// Where the panic that is being recovered began: the innermost line that is not the runtime's.
func panicked() string {
	var counters [16]uintptr
	frames := runtime.CallersFrames(counters[:runtime.Callers(3, counters[:])])
	for {
		frame, more := frames.Next()
		if !more || !strings.HasPrefix(frame.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", frame.File, frame.Line)
		}
	}
}

func logError(event, message string, fields ...wit.Tuple2[string, string]) {
	log.Log(log.LevelError, event, append([]wit.Tuple2[string, string]{{F0: "message", F1: message}}, fields...))
}
