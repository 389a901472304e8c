module contract-kv

go 1.25
