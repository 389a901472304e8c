module contract-http

go 1.25
