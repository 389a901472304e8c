// Contract guest for `config` and `log`; `../../README.md` lists what it answers.
package main

import (
	"strings"

	"contract"
	"wharf"
	config "wharf/bindings/wharf_platform_config"
	log "wharf/bindings/wharf_platform_log"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// Their order is the contract's.
var levels = [...]string{"trace", "debug", "info", "warn", "error"}

func init() { wharf.Serve(answer) }

func main() {}

func answer(request *wharf.Request) (*wharf.Response, error) {
	switch request.Path {
	case "/config":
		key, _ := request.QueryParam("key")
		return wharf.JSON(map[string]any{"key": key, "value": contract.OrNull(config.Get(key))}), nil
	case "/log":
		return write(request)
	case "/log/levels":
		for level, name := range levels {
			field := wit.Tuple2[string, string]{F0: "level", F1: name}
			log.Log(log.Level(level), "a line at every level", []wit.Tuple2[string, string]{field})
		}
		return logged()
	case "/log/flood":
		message := strings.Repeat("x", contract.Number(request, "size", 100))
		for range contract.Number(request, "n", 1000) {
			log.Log(log.LevelInfo, message, nil)
		}
		return logged()
	case "/log/panic":
		panic("asked to panic here")
	}
	return contract.NoSuchRoute()
}

func logged() (*wharf.Response, error) {
	return wharf.JSON(map[string]any{"logged": true}), nil
}

// `{"level": "info", "message": "...", "fields": [["name", "value"]]}`
func write(request *wharf.Request) (*wharf.Response, error) {
	line := struct {
		Level, Message string
		Fields         [][2]string
	}{Level: "info"}
	if err := request.JSON(&line); err != nil {
		return nil, err
	}
	var fields []wit.Tuple2[string, string]
	for _, field := range line.Fields {
		fields = append(fields, wit.Tuple2[string, string]{F0: field[0], F1: field[1]})
	}
	for level, name := range levels {
		if name == line.Level {
			log.Log(log.Level(level), line.Message, fields)
			return logged()
		}
	}
	return nil, wharf.Abort{Status: 400, Text: "no such level"}
}
