module contract-wasi-keyvalue

go 1.25
