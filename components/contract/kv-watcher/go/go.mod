module contract-kv-watcher

go 1.25
