// Contract guest for the guards of routes: its handler tells what they found out; `../../README.md` lists its routes.
package main

import (
	"io"

	"contract"
	"wharf"
)

func init() { wharf.Serve(answer) }

func main() {}

func answer(request *wharf.Request) (*wharf.Response, error) {
	bytes, err := io.Copy(io.Discard, request.Reader())
	if err != nil {
		return nil, err
	}
	return wharf.JSON(map[string]any{
		"method":      request.Method,
		"path":        request.Path,
		"path_params": contract.Pairs(request.PathParams),
		"annotations": contract.Pairs(request.Annotations),
		"body_bytes":  bytes,
	}), nil
}
