package main

import (
	"crypto/rand"
	"time"

	"contract"
	"wharf"
	config "wharf/bindings/wharf_platform_config"
	kv "wharf/bindings/wharf_platform_kv"
	log "wharf/bindings/wharf_platform_log"
)

// What the compiler must not optimise away.
var (
	blocks [][]byte
	leaked []*kv.Bucket
)

// An `unreachable` instruction, without a word: in trap_wasm.s.
func trap()

// Burns CPU without end.
func spinForEver() {
	for {
	}
}

// Burns so many milliseconds, and answers.
func spin(millis int) *wharf.Response {
	burn(millis)
	return wharf.Text("spun")
}

func burn(millis int) {
	for start := time.Now(); time.Since(start) < time.Duration(millis)*time.Millisecond; {
	}
}

// Takes memory, and touches it, until there is none.
func grow() {
	for {
		block := make([]byte, 1<<20)
		for index := range block {
			block[index] = 1
		}
		blocks = append(blocks, block)
	}
}

// Fills the same block again and again: each fill is a single instruction.
func fill(mebibytes int) {
	block := make([]byte, mebibytes<<20)
	for {
		clear(block)
	}
}

// Calls itself until the stack ends.
func recurse(depth int) int {
	var frame [256]byte
	frame[depth%len(frame)] = 1
	return recurse(depth+1) + int(frame[depth%7])
}

// `/hostcalls?kind=config|log|kv|random&n=...`: calls the host without end, or `n` times.
func callHost(request *wharf.Request) *wharf.Response {
	kind, _ := request.QueryParam("kind")
	bucket := kv.BucketOpen("cache").Ok()
	defer bucket.Drop()
	for left := contract.Number(request, "n", -1); left != 0; left-- {
		switch kind {
		case "kv":
			bucket.Get("key")
		case "log":
			log.Log(log.LevelDebug, "a storm", nil)
		case "random":
			rand.Read(make([]byte, 8))
		default:
			config.Get("key")
		}
	}
	return wharf.Text("called")
}

// Opens handles and never drops them: the collector would, if nothing referred to them.
func leak(handles int) *wharf.Response {
	for range handles {
		leaked = append(leaked, kv.BucketOpen("cache").Ok())
	}
	return wharf.Text("leaked")
}
