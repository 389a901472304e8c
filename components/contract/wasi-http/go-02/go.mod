module contract-wasi-http

go 1.25
