// Contract guest for `guard`; `../../README.md` lists what it says of which request. It answers no requests, so it is written
// with the generated bindings alone.
package main

import (
	"encoding/json"
	"strconv"

	exported "wharf/bindings/export_wharf_platform_guard"
	config "wharf/bindings/wharf_platform_config"
	guard "wharf/bindings/wharf_platform_guard"
	types "wharf/bindings/wharf_platform_http_types"
	kv "wharf/bindings/wharf_platform_kv"
	_ "wharf/bindings/wit_exports"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

func init() { exported.Checker = check }

func main() {}

type annotation = wit.Tuple2[string, string]

func check(request types.Request) guard.Verdict {
	header := func(name string) (string, bool) { return first(request.Headers, name) }
	if _, found := header("x-trap"); found {
		panic("asked to trap here")
	}
	if _, found := header("x-spin"); found {
		for {
		}
	}
	if why, found := header("x-deny"); found {
		return refuse(403, "denied: "+why, "x-guard", "contract")
	}
	user, found := header("x-allow")
	if !found {
		return refuse(401, "say who you are: x-allow", "www-authenticate", "Contract")
	}
	annotations := []annotation{{F0: "user", F1: user}, {F0: "realm", F1: config.Get("realm").Some()}}
	if key, found := header("x-count"); found {
		annotations = append(annotations, annotation{F0: "count", F1: strconv.FormatInt(count(key), 10)})
	}
	if _, found := header("x-see"); found {
		annotations = append(annotations, annotation{F0: "seen", F1: see(request)})
	}
	return guard.MakeVerdictAllow(annotations)
}

func refuse(status uint16, why, name, value string) guard.Verdict {
	return guard.MakeVerdictAnswer(types.Response{
		Status: status,
		Headers: types.Headers{
			{F0: "content-type", F1: []byte("text/plain; charset=utf-8")},
			{F0: name, F1: []byte(value)},
		},
		Body: types.MakeBodyBytes([]byte(why)),
	})
}

// Adds 1 to a number in the bucket `cache`. An error is a trap.
func count(key string) int64 {
	bucket := kv.BucketOpen("cache").Ok()
	defer bucket.Drop()
	return bucket.Increment(kv.IncrementItem{Key: key, Delta: 1}, 0, wit.None[uint64]()).Ok()
}

// What a guard gets to know of a request. `encoding/json` sorts the members.
func see(request types.Request) string {
	seen, err := json.Marshal(map[string]any{
		"method":      request.Method,
		"path":        request.Path,
		"query":       orNull(request.Query),
		"id":          value(request.PathParams, "id"),
		"key":         value(request.Annotations, "api-key"),
		"remote_addr": request.RemoteAddr,
	})
	if err != nil {
		panic(err)
	}
	return string(seen)
}

// The first value of this name.
func first[T string | []uint8](pairs []wit.Tuple2[string, T], name string) (string, bool) {
	for _, pair := range pairs {
		if pair.F0 == name {
			return string(pair.F1), true
		}
	}
	return "", false
}

// The same for JSON: null when there is none.
func value(pairs []annotation, name string) any {
	if value, found := first(pairs, name); found {
		return value
	}
	return nil
}

func orNull(option wit.Option[string]) any {
	if option.IsNone() {
		return nil
	}
	return option.Some()
}
