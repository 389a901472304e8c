module contract-http-client

go 1.25
